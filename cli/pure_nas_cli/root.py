"""The root of the command line: wires the commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from pure_nas.process_state import claim_process
from pure_nas_cli.boundary import ExplainedErrors
from pure_nas_cli.commands import (
    datasets,
    describe,
    evaluate,
    experiment,
    export,
    report,
    retrain,
    search,
    spaces,
    train,
)
from pure_nas_cli.console import stdout
from pure_nas_cli.notices import show_notices

app = typer.Typer(
    name="pure-nas",
    cls=ExplainedErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        stdout.print(f"pure-nas {version('pure-nas')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Find which layers of a network should multiply instead of add: multi-objective search over product-unit networks.

    Example: [bold]pure-nas search --dataset digits[/bold]
    """
    show_notices()
    claim_process()


app.command("search")(search.search)
app.command("report")(report.report)
app.command("export")(export.export)
app.command("retrain")(retrain.retrain)
app.command("experiment")(experiment.experiment)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("describe")(describe.describe)
app.command("spaces")(spaces.spaces)
app.command("datasets")(datasets.datasets)
