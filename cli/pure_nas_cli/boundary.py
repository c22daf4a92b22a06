"""Where explained failures become one panel and an exit code."""

from __future__ import annotations

import errno
from typing import Any

import typer
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperGroup

from pure_nas.errors import PureNasError, RunError, reason
from pure_nas_cli.console import print_anything, stderr
from pure_nas_cli.interrupts import INTERRUPTED, interruptible

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS)
"""What is wrong with a path, not with the program."""
_FULL_HINT = "Free some space, then give the same command again."


class ExplainedErrors(TyperGroup):
    """Shows a `PureNasError` without a traceback; any other exception keeps its own."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line."""
        print_anything()
        return super().main(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except PureNasError as error:
            show(error)
            raise typer.Exit(error.exit_code) from error
        except MemoryError as error:
            show(RunError(f"Memory ran out: {reason(error)}.", hint="Close other programs, or take fewer images."))
            raise typer.Exit(RunError.exit_code) from error
        except OSError as error:
            show(_explained(error))
            raise typer.Exit(RunError.exit_code) from error
        except KeyboardInterrupt as interrupt:
            stderr.print("Interrupted.")
            raise typer.Exit(INTERRUPTED) from interrupt


def _explained(error: OSError) -> RunError:
    """What the system says of a path, or of a full disk.

    Raises:
        OSError: it is about something else.
    """
    if error.errno in _FULL:
        return RunError(f"{error.filename or 'The output'} cannot be written: {error.strerror}.", hint=_FULL_HINT)
    if error.errno in _PATHS and error.filename is not None:
        return RunError(f"{error.filename} cannot be used: {error.strerror}.", hint="Give another path.")
    raise error


def show(error: PureNasError) -> None:
    """Print the message and, below it, the way out."""
    text = Text(error.message)
    if error.hint:
        text.append(f"\n\n{error.hint}", "dim")
    stderr.print(Panel(text, title="Error", title_align="left", border_style="red"))
