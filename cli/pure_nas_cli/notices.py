"""What the library logs for people: downloads, unpacking, damaged files, weights that are trained again."""

from __future__ import annotations

import logging

from pure_nas_cli.console import stderr

_SOURCE = "pure_nas"


class _Notices(logging.Handler):
    """Prints what the data modules log to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        stderr.print(
            record.getMessage(), style="yellow" if record.levelno >= logging.WARNING else "dim", soft_wrap=True
        )


def show_notices() -> None:
    """Show what preparing images says from here on; more than one call changes nothing."""
    source = logging.getLogger(_SOURCE)
    if not any(isinstance(handler, _Notices) for handler in source.handlers):
        source.addHandler(_Notices())
        source.setLevel(logging.INFO)
