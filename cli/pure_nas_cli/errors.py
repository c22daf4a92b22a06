"""The one place where explained failures become a panel and an exit code."""

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

_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS)
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
            raise typer.Exit(INTERRUPTED) from interrupt


def _explained(error: PureNasError | MemoryError | OSError) -> PureNasError:
    """The error in words, where it is of memory, a path or a full disk; any other is raised again."""
    if isinstance(error, PureNasError):
        return error
    if isinstance(error, MemoryError):
        return RunError(f"Memory ran out: {reason(error)}.", hint="Close other programs, or take fewer images.")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"{error.filename or 'The output'} cannot be written: {error.strerror}.",
            hint="Free some space, then give the same command again.",
        )
    if error.errno in _PATHS and error.filename is not None:
        return RunError(f"{error.filename} cannot be used: {error.strerror}.", hint="Give another path.")
    raise error
