"""Sizes and times as people write them: 300k, 1.5M, 2G; 90s, 30m, 2h."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import typer

from pure_nas.objectives import METRICS
from pure_nas.quantities import milliseconds_of, seconds_of, size_of

Number = TypeVar("Number", int, float)


def parse_size(text: str) -> int:
    """A count: "300k", "1.5M", "2G" or a plain number."""
    return _parsed(size_of, text)


def parse_seconds(text: str) -> float:
    """A time, in seconds: "90s", "30m", "2h"."""
    return _parsed(seconds_of, text)


def parse_milliseconds(text: str) -> float:
    """A short time, in milliseconds: "2ms", "0.5ms", "1s"; a plain number is milliseconds."""
    return _parsed(milliseconds_of, text)


def parse_workers(text: str) -> int | Literal["auto"]:
    """A number of workers, or auto."""
    if text == "auto":
        return "auto"
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise typer.BadParameter(f'"{text}" is not auto or a number of 1 or more')
    return int(text)


def _parsed(parse: Callable[[str], Number], text: str) -> Number:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def show_size(value: float) -> str:
    """A count in at most four characters and a unit: 41.6M."""
    for unit, factor in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= factor:
            scaled = value / factor
            return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}{unit}"
    return f"{value:.0f}"


def show_bytes(value: float) -> str:
    """A number of bytes: 1.3 MB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} B"


def show_seconds(value: float) -> str:
    """A duration: 4.2 s, 3 min 05 s, 2 h 10 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def show_percent(value: float) -> str:
    """A share, 0 to 1, in percent: 3.48 %."""
    return f"{value * 100:.2f} %"


def show_cost(name: str, value: float) -> str:
    """A cost as its kind is usually written."""
    if name == "noise_error":
        return show_percent(value)
    if name in METRICS.names:
        return f"{value:.4g}"
    if name in ("latency", "latency_ms"):
        return f"{value:.2f} ms"
    if name in ("memory", "memory_bytes"):
        return show_bytes(value)
    return show_size(value)


def show_count(number: int, thing: str, things: str = "") -> str:
    """A number of things: 1 trial, 12,000 trials; `things` is the plural where it is not `thing` and an s."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or f'{thing}s'}"
