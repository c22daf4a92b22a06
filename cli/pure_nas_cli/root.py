"""The root of the command line: wires the commands."""

from __future__ import annotations

from typer import Typer

from pure_nas_cli.boundary import ExplainedErrors
from pure_nas_cli.commands import datasets, describe, export, report, retrain, search, spaces, train

app = Typer(
    name="pure-nas",
    cls=ExplainedErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Find out where in a network multiplication pays: multi-objective search over product-unit residual networks.",
)

app.command("search")(search.search)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("retrain")(retrain.retrain)
app.command("train")(train.train)
app.command("describe")(describe.describe)
app.command("spaces")(spaces.spaces)
app.command("datasets")(datasets.datasets)
