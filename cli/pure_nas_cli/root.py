"""The root of the command line: wires the commands."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from pure_nas.process_state import claim_process
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
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.errors import ExplainedErrors

app = typer.Typer(
    name="pure-nas",
    cls=ExplainedErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    search.search,
    report.report,
    export.export,
    retrain.retrain,
    experiment.experiment,
    evaluate.evaluate,
    train.train,
    describe.describe,
    spaces.spaces,
    datasets.datasets,
):
    app.command()(command)


class _Notices(logging.Handler):
    """Prints what the library logs for people: downloads, unpacking, damaged files, weights that are trained again."""

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        stderr.print(record.getMessage(), style=style, soft_wrap=True)


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
    library = logging.getLogger("pure_nas")
    if not any(isinstance(handler, _Notices) for handler in library.handlers):
        library.addHandler(_Notices())
        library.setLevel(logging.INFO)
    claim_process()
