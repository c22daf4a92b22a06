"""Scripts that start workers need a main guard: every worker imports the script again."""

from __future__ import annotations

from multiprocessing import spawn
from pathlib import Path

from pure_nas.errors import RunError

_GUARDS = ("__name__", "parent_process", "current_process")


def require_main_guard() -> None:
    """Check, before a worker is started, that importing this program's script again would not run the program again.

    Raises:
        RunError: the script has no main guard, or is no file (`python - < script.py`).
    """
    # As multiprocessing itself decides what a new process imports; modules run by -m are named otherwise.
    script = spawn.get_preparation_data("worker").get("init_main_from_path")
    if script is None:
        return
    try:
        source = Path(script).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError as error:
        raise RunError(
            f"A worker process cannot start: it would import this program again, and there is no file {script}.",
            hint='Save the program as a file, with what it does under  if __name__ == "__main__":  or take one worker, '
            "which needs no process of its own.",
        ) from error
    except OSError:
        return
    if not any(guard in source for guard in _GUARDS):
        raise RunError(
            f"A worker process cannot start: it would run {script} again, because that script has no main guard.",
            hint='Put what it does under  if __name__ == "__main__":  or take one worker, which needs no process of '
            "its own.",
        )
