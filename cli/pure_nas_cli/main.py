"""The program: `pure-nas`, or `python -m pure_nas_cli.main`."""

from __future__ import annotations

from pure_nas_cli.interrupts import loading


def app() -> None:
    """Run the command line."""
    with loading():
        from pure_nas_cli.root import app as root
    root()


if __name__ == "__main__":
    app()
