"""Processes that are forked to be killed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def exit_code_of(work: Callable[[], object]) -> int:
    """How a forked process that does `work` ends: a negative signal's number where it was killed, 1 where it failed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must not go on with the tests of its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
