"""Where explained failures become one panel and an exit code."""

from __future__ import annotations

import errno
from typing import Any

import typer
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperGroup

from pure_nas.errors import PureNasError, RunError, reason
from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import INTERRUPTED, interruptible

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_HINT = "Free some space, then give the same command again."


class ExplainedErrors(TyperGroup):
    """Shows a `PureNasError` without a traceback; any other exception keeps its own."""

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
            if error.errno not in _FULL:
                raise
            show(RunError(f"{error.filename or 'The output'} cannot be written: {error.strerror}.", hint=_FULL_HINT))
            raise typer.Exit(RunError.exit_code) from error
        except KeyboardInterrupt as interrupt:
            stderr.print("Interrupted.")
            raise typer.Exit(INTERRUPTED) from interrupt


def show(error: PureNasError) -> None:
    """Print the message and, below it, the way out."""
    text = Text(error.message)
    if error.hint:
        text.append(f"\n\n{error.hint}", "dim")
    stderr.print(Panel(text, title="Error", title_align="left", border_style="red"))
