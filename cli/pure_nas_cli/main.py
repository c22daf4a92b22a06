"""The program: `pure-nas`, or `python -m pure_nas`."""

from __future__ import annotations

import os

from pure_nas_cli.interrupts import end_at_once, ignore_ctrl_c


def app() -> None:
    """Run the command line.

    Commands handle interrupts themselves while they work; before and after, nothing is lost by ending at once.
    """
    _open_standard_descriptors()
    end_at_once()
    from pure_nas_cli.root import app as root

    try:
        root(prog_name="pure-nas")
    finally:
        ignore_ctrl_c()


def _open_standard_descriptors() -> None:
    """Open those that were closed (`2>&-`): a file of the run would get their number, and libraries write to that."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    app()
