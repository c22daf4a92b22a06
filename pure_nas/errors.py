"""The errors a user can cause, each with a message that names the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PureNasError(Exception):
    """An explained failure.

    The message names the thing, the value and the place; `hint` names the way out. Command line programs
    show both and exit with `exit_code`.

    Example:
        >>> try:
        ...     pure_nas.open_run("runs/no-such-run")
        ... except pure_nas.PureNasError as error:
        ...     print(error.message)
        There is no run at runs/no-such-run.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n{self.hint}" if self.hint else message

    @property
    def message(self) -> str:
        """The message without its hint."""
        return super().__str__()


class UsageError(PureNasError, ValueError):
    """A name, value or setting that cannot be used."""

    exit_code = 2


class ConfigError(UsageError):
    """A file or a call whose contents break its rules; the message lists them all."""


class DataError(PureNasError):
    """Images that are missing, unreadable or cannot be downloaded."""


class RunError(PureNasError):
    """A run directory or study that is damaged, locked or does not match the request."""


def nearest(name: object, known: Iterable[str]) -> str:
    """A clause for messages: the known name closest to `name`, and all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    listing = f"known: {', '.join(names)}" if names else "none are known"
    return f'did you mean "{close[0]}"? ({listing})' if close else listing


def reason(error: BaseException) -> str:
    """What an error of another library says, on one line and without a full stop."""
    cause = getattr(error, "reason", None) or error  # of a URLError, what is behind it
    cause = getattr(cause, "strerror", None) or cause
    return " ".join(str(cause).split()).rstrip(".") or type(error).__name__
