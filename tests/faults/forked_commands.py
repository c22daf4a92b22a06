"""Commands in processes of their own, which may be limited and killed."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence

from forked import Forked
from pure_nas_cli.main import app


def begun(command: Sequence[object], before: Callable[[], object] = lambda: None) -> Forked:
    """A command in a process that leads a group; `before` is done in it first."""

    def work() -> None:
        os.setsid()
        before()
        warnings.filterwarnings("ignore", message="resource_tracker")  # that of the parent is no child of this process
        sys.argv = ["pure-nas", *map(str, command)]
        app()

    return Forked(work)


def ended(command: Sequence[object], before: Callable[[], object] = lambda: None) -> tuple[int, str]:
    """How a command ended, and what it said; never with a traceback."""
    process = begun(command, before)
    _, stderr = process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in stderr, stderr
    return process.returncode, stderr
