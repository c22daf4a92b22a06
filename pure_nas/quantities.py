"""Numbers, sizes and durations as people read and write them: 300k, 1.25 MB, 2 h 10 min, 3.14 %."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pure_nas.errors import UsageError

_NUMBER = re.compile(r"((?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)\s*([A-Za-z]*)")
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SECONDS = {"ms": 1e-3, "s": 1, "": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def size_of(text: str) -> int:
    """A count: "300k", "1.5M", "2G" or a plain number; what is none above 0 is a `UsageError`, as in the next two."""
    return max(1, round(_parsed(text, _SIZES, "a size such as 300k, 1.5M or 2G")))


def seconds_of(time: str | float) -> float:
    """A time, in seconds: "90s", "30m", "2h", or a number of them."""
    return _parsed(str(time), _SECONDS, "a time such as 90s, 30m or 2h")


def milliseconds_of(text: str) -> float:
    """A short time, in milliseconds: "2ms", "0.5ms", "1s"; a plain number is milliseconds."""
    return _parsed(text, {**_SECONDS, "": 1e-3}, "a time such as 2ms or 0.5ms") * 1000


def share_of(share: str | float) -> float:
    """A share between 0 and 1, neither included: "20%", or a number such as 0.2."""
    text = str(share).strip()
    match = _NUMBER.fullmatch(text.removesuffix("%").strip())
    value = float(match[1]) * (0.01 if text.endswith("%") else 1) if match and not match[2] else math.nan
    if not 0 < value < 1:
        raise UsageError(f'"{text}" is not a share between 0 and 100 %, such as 20% or 0.2.')
    return value


def points_of(points: str | float) -> float:
    """A difference of shares in percentage points: "1pt", "0.5pt", "0.5", as a share."""
    text = str(points).strip().removesuffix("pts").removesuffix("pt").strip()
    match = _NUMBER.fullmatch(text)
    value = float(match[1]) / 100 if match and not match[2] else math.nan
    if not 0 <= value < 1:
        raise UsageError(f'"{points}" is not a number of percentage points, such as 1pt or 0.5pt.')
    return value


def _parsed(text: str, factors: dict[str, float] | dict[str, int], wanted: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    value = float(match[1]) * factors.get(match[2].lower(), math.nan) if match else math.nan
    if not 0 < value < math.inf:
        raise UsageError(f'"{text}" is not {wanted}.')
    return value


def show_number(value: float) -> str:
    """Three significant digits and a metric prefix: "41.2M"."""
    return "".join(_prefixed(value))


def show_bytes(value: float) -> str:
    """Bytes, with three significant digits: "1.25 MB"."""
    digits, prefix = _prefixed(value)
    return f"{digits} {prefix}B"


def show_seconds(value: float) -> str:
    """A duration in seconds, minutes, hours or days, two of them at most: "3 min 5 s"."""
    if round(value, 1) < 10:
        return f"{value:.1f} s"
    if (seconds := round(value)) < 60:
        return f"{seconds} s"
    if seconds < 3600:
        whole, rest, large, small = *divmod(seconds, 60), "min", "s"
    elif (minutes := round(value / 60)) < 48 * 60:
        whole, rest, large, small = *divmod(minutes, 60), "h", "min"
    else:
        whole, rest, large, small = *divmod(round(value / 3600), 24), "d", "h"
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"


def show_percent(fraction: float, digits: int = 2) -> str:
    """A fraction in percent: "3.14 %"."""
    return f"{100 * fraction:.{digits}f} %"


def show_points(difference: float) -> str:
    """A difference of two fractions in percentage points, with its sign: "−0.56"."""
    text = f"{100 * difference:+.2f}".replace("-", "−")
    return "±0.00" if text in ("+0.00", "−0.00") else text


def show_cost(name: str, value: float) -> str:
    """The value of a cost objective, with its unit where it has one."""
    if name == "noise_error":
        return f"{_three_digits(100 * value)} %"
    if name == "latency":
        return f"{_three_digits(value)} ms"
    return show_bytes(value) if name == "memory" else show_number(value)


def cost_label(name: str) -> str:
    """What the axis or column of a cost objective is called."""
    return "FLOPs" if name == "flops" else name.replace("_", " ")


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, "2,000 trials"; `plural` where that is not the noun and an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def some_of(names: Sequence[str], most: int | None) -> str:
    """The first names and how many more there are: "cat, cow and 1,234 more"."""
    more = len(names) - most if most is not None else 0
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _prefixed(value: float) -> tuple[str, str]:
    """Three significant digits and their prefix; rounding comes first, so that 999.9 is 1 and k."""
    for factor, prefix in _PREFIXES:
        if float(f"{abs(value):.3g}") >= factor:
            return _three_digits(value / factor), prefix
    return _three_digits(value), ""


def _three_digits(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(float(f"{value:.3g}")))))
    text = f"{value:.{digits}f}" if digits < 6 else f"{value:.3g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
