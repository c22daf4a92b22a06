"""The program: `pure-nas`, or `python -m pure_nas_cli.main`."""

from __future__ import annotations

from pure_nas_cli.interrupts import end_at_once


def app() -> None:
    """Run the command line.

    Commands handle interrupts themselves while they work; before and after, nothing is lost by ending at once.
    """
    end_at_once()
    from pure_nas_cli.root import app as root

    root()


if __name__ == "__main__":
    app()
