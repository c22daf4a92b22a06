"""How numbers are written for people: costs, percentages, durations, sizes."""

from __future__ import annotations

import math
from collections.abc import Iterable

_PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))
_COST_LABELS = {"flops": "FLOPs", "noise_error": "noise error"}
NOISE_ERROR = (
    "Noise error: the error under noise on the same images, averaged over Poisson noise of 100 and 20 photons of a "
    "white pixel, Gaussian noise of 0.05 and 0.15, salt-and-pepper on 2 % and 10 % of the pixels, and speckle of 0.1 "
    "and 0.3, on images of 0 to 1."
)
"""`pure_nas.evaluation.NOISE_MIXTURE` in words: importing that takes PyTorch."""


def count(value: float) -> str:
    """Three significant digits and a metric prefix.

    >>> count(41_214_592)
    '41.2 M'
    """
    for factor, prefix in _PREFIXES:
        if float(f"{abs(value):.3g}") >= factor:
            return f"{_three_digits(value / factor)}{prefix}"
    return _three_digits(value)


def _three_digits(value: float) -> str:
    """Three significant digits, never in scientific notation between 0.001 and 999,000."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(float(f"{value:.3g}")))))
    text = f"{value:.{digits}f}" if digits < 6 else f"{value:.3g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction in percent.

    >>> percent(0.0314)
    '3.14 %'
    """
    return f"{100 * fraction:.{digits}f} %"


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, in two parts at most.

    >>> duration(3 * 3600 + 120)
    '3 h 2 min'
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def size(n_bytes: float) -> str:
    """Bytes with a metric prefix.

    >>> size(1_250_000)
    '1.25 MB'
    """
    text = count(n_bytes)
    return f"{text}B" if " " in text else f"{text} B"


def cost(name: str, value: float) -> str:
    """The value of a cost objective, with its unit where it has one."""
    if name == "noise_error":
        return f"{_three_digits(100 * value)} %"
    if name == "latency":
        return f"{_three_digits(value)} ms"
    return size(value) if name == "memory" else count(value)


def cost_label(name: str) -> str:
    """What the axis or column of a cost objective is called."""
    return _COST_LABELS.get(name, name)


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(2, "trial")
    '2 trials'
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def numbers(values: Iterable[int]) -> str:
    """Trial numbers, separated by commas."""
    return ", ".join(str(value) for value in values)
