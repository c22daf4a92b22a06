"""Sizes and times as people write them: 300k, 1.5M, 2G; 90s, 30m, 2h."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)")
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SECONDS = {"ms": 1e-3, "s": 1, "": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def size_of(text: str) -> int:
    """A count: "300k", "1.5M", "2G" or a plain number.

    Raises:
        ValueError: it is none, or not above 0; the message says what it should be.
    """
    return max(1, round(_parsed(text, _SIZES, "a size such as 300k, 1.5M or 2G")))


def seconds_of(text: str) -> float:
    """A time, in seconds: "90s", "30m", "2h".

    Raises:
        ValueError: it is none, or not above 0; the message says what it should be.
    """
    return _parsed(text, _SECONDS, "a time such as 90s, 30m or 2h")


def milliseconds_of(text: str) -> float:
    """A short time, in milliseconds: "2ms", "0.5ms", "1s"; a plain number is milliseconds.

    Raises:
        ValueError: it is none, or not above 0; the message says what it should be.
    """
    return _parsed(text, {**_SECONDS, "": 1e-3}, "a time such as 2ms or 0.5ms") * 1000


def _parsed(text: str, factors: dict[str, float] | dict[str, int], wanted: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    factor = factors.get(match.group(2).lower()) if match else None
    value = float(match.group(1)) * factor if match and factor is not None else math.nan
    if not 0 < value < math.inf:
        raise ValueError(f'"{text}" is not {wanted}')
    return value
