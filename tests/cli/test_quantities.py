"""Sizes and times are read and shown as people write them."""

from __future__ import annotations

import pytest
import typer
from pure_nas_cli.quantities import (
    parse_milliseconds,
    parse_seconds,
    parse_size,
    parse_workers,
    show_bytes,
    show_cost,
    show_count,
    show_seconds,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "value"), [("300k", 300_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9), ("17", 17), (" 2 m ", 2 * 10**6)]
)
def test_sizes_are_read(text: str, value: int) -> None:
    assert parse_size(text) == value


@pytest.mark.parametrize(("text", "value"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("45", 45), ("1.5h", 5400)])
def test_times_are_read(text: str, value: float) -> None:
    assert parse_seconds(text) == value


@pytest.mark.parametrize(("text", "value"), [("2ms", 2), ("0.5", 0.5), ("1s", 1000)])
def test_latencies_are_read(text: str, value: float) -> None:
    assert parse_milliseconds(text) == pytest.approx(value)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("12", 12), ("auto", "auto")])
def test_numbers_of_workers_are_read(text: str, value: int | str) -> None:
    assert parse_workers(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "all", "²"])
def test_what_is_no_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not auto or a number of 1 or more"):
        parse_workers(text)


@pytest.mark.parametrize("text", ["0", "-1", "abc", "", "1e400", "nan", "inf", "3x", "1,5M", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a size such as 300k"):
        parse_size(text)


@pytest.mark.parametrize(("value", "text"), [(999, "999"), (1500, "1.50k"), (41_600_000, "41.6M"), (2.13e10, "21.3G")])
def test_sizes_are_shown(value: float, text: str) -> None:
    assert show_size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(4.21, "4.2 s"), (59, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (0, "0.0 s")]
)
def test_times_are_shown(value: float, text: str) -> None:
    assert show_seconds(value) == text


def test_costs_are_shown_with_their_unit() -> None:
    assert show_cost("latency", 1.234) == "1.23 ms"
    assert show_cost("memory", 1.3e6) == "1.3 MB"
    assert show_cost("flops", 80e6) == "80.0M"
    assert show_bytes(12) == "12 B"


def test_one_of_a_thing_is_singular() -> None:
    assert [show_count(number, "trial") for number in (0, 1, 12_000)] == ["0 trials", "1 trial", "12,000 trials"]
