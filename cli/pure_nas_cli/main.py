"""The program: `pure-nas`, or `python -m pure_nas`."""

from __future__ import annotations

import os
import signal

from pure_nas_cli.interrupts import SIGNALS, quit_at_once

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def app() -> None:
    """Commands handle interrupts themselves while they work; before and after, nothing is lost by ending at once."""
    # Descriptors that were closed (2>&-): a file of the run would get their number, and libraries write to that.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number in SIGNALS:
        signal.signal(number, quit_at_once)
    # Threads of OpenMP spin while they wait, for long, also for one whose core another process has taken. So many
    # rounds cost an idle machine nothing (docs/performance.md); libgomp reads this when PyTorch loads it.
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = "10000"
    from pure_nas_cli.root import app as root

    try:
        root(prog_name="pure-nas")
    finally:
        # The work is done, and Python's own end would make a death by signal of Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    app()
