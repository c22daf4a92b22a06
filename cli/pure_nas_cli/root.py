"""The commands as one program, and what it shows of failures and of what the library logs."""

from __future__ import annotations

import errno
import logging
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperGroup

from pure_nas.errors import PureNasError, RunError, reason
from pure_nas.process_state import claim_process
from pure_nas_cli.commands.runs import runs
from pure_nas_cli.console import print_anything, stderr, stdout
from pure_nas_cli.interrupts import interrupted, interruptible
from pure_nas_cli.options import HELP

_PATH_ERRORS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS)
"""What is wrong with a path, not with the program."""


class ExplainedErrors(TyperGroup):
    """Shows a `PureNasError` without a traceback; any other exception keeps its own."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        print_anything()
        return super().main(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        try:
            with interruptible():
                return super().invoke(ctx)
        except (PureNasError, MemoryError, OSError) as error:
            explained = _explained(error)
            text = Text(explained.message)
            if explained.hint:
                text.append(f"\n\n{explained.hint}", "dim")
            stderr.print(Panel(text, title="Error", title_align="left", border_style="red"))
            raise typer.Exit(explained.exit_code) from error
        except KeyboardInterrupt as interrupt:
            stderr.print("Interrupted.")
            raise typer.Exit(interrupted()) from interrupt


def _explained(error: PureNasError | MemoryError | OSError) -> PureNasError:
    """The error in words, where it is of memory, a path or a full disk; any other is raised again."""
    if isinstance(error, PureNasError):
        return error
    if isinstance(error, MemoryError):
        return RunError(f"Memory ran out: {reason(error)}.", hint="Close other programs, or use fewer images.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"{error.filename or 'The output'} cannot be written: {error.strerror}.",
            hint="Free some space, then run the same command again.",
        )
    if error.errno in _PATH_ERRORS and error.filename is not None:
        return RunError(f"{error.filename} cannot be used: {error.strerror}.", hint="Use another path.")
    raise error


app = typer.Typer(
    name="pure-nas",
    cls=ExplainedErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
NAMES = (
    *(
        "search",
        "report",
        "pick",
        "export",
        "predict",
        "retrain",
        "race",
        "experiment",
        "evaluate",
        "train",
        "describe",
        "doctor",
    ),
    *("spaces", "datasets"),
)
"""Of the commands, in the order of the help; each is the function of its module."""
for name in NAMES:
    app.command(help=HELP[name]["help"])(getattr(import_module(f"pure_nas_cli.commands.{name}"), name))
app.add_typer(runs, name="runs")


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
