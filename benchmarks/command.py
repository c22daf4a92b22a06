"""Running a benchmark from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from pure_nas.errors import PureNasError


def run_command(main: Callable[..., None]) -> None:
    """Run `main` with the options of the command line; a failure that has a message ends with it."""
    try:
        typer.run(main)
    except PureNasError as error:
        print("\n".join(filter(None, [f"error: {error.message}", error.hint])), file=sys.stderr)
        raise SystemExit(1) from None
