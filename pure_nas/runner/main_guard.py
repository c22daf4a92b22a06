"""Scripts that start workers need a main guard: every worker imports the script again."""

from __future__ import annotations

from multiprocessing import spawn
from pathlib import Path

from pure_nas.errors import RunError


def require_main_guard(exit_code: int | None) -> None:
    """Check, once a worker has ended before its work began, that it was not this program's script that ended it.

    Args:
        exit_code: of the worker; below zero where a signal killed it.

    Raises:
        RunError: the script has no main guard, or is no file (`python - < script.py`).
    """
    if exit_code is None or exit_code < 0:
        return
    # As multiprocessing itself decides what a new process imports; modules run by -m are named otherwise.
    script = spawn.get_preparation_data("worker").get("init_main_from_path")
    try:
        source = Path(script).read_text(encoding="utf-8", errors="replace") if script else ""
    except FileNotFoundError as error:
        raise RunError(
            f"A worker process could not start, because it runs this program again, and there is no file {script}.",
            hint='Save the program as a file, with what it does under  if __name__ == "__main__":  or take one worker, '
            "which needs no process of its own.",
        ) from error
    except OSError:
        return
    if source and "__name__" not in source:
        raise RunError(
            f"A worker process could not start, because it ran {script} again: that script has no main guard.",
            hint='Put what it does under  if __name__ == "__main__":  or take one worker, which needs no process of '
            "its own.",
        )
