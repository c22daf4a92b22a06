"""Numbers, sizes and durations are read and shown as people write them."""

from __future__ import annotations

import pytest

from pure_nas.errors import UsageError
from pure_nas.quantities import (
    counted,
    milliseconds_of,
    seconds_of,
    show_bytes,
    show_cost,
    show_number,
    show_percent,
    show_points,
    show_seconds,
    size_of,
)


@pytest.mark.parametrize(
    ("text", "value"), [("300k", 300_000), ("1.5M", 1_500_000), ("2G", 2 * 10**9), ("17", 17), (" 2 m ", 2 * 10**6)]
)
def test_sizes_are_read(text: str, value: int) -> None:
    assert size_of(text) == value


@pytest.mark.parametrize(
    ("given", "value"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("45", 45), ("1.5h", 5400), (90, 90), (1e-6, 1e-6), (2.5e20, 2.5e20)],
)
def test_times_are_read(given: str | float, value: float) -> None:
    assert seconds_of(given) == value


def test_times_are_above_0() -> None:
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(UsageError, match=f'"{wrong}" is not a time such as 90s'):
            seconds_of(wrong)


@pytest.mark.parametrize(("text", "value"), [("2ms", 2), ("0.5", 0.5), ("1s", 1000)])
def test_latencies_are_read(text: str, value: float) -> None:
    assert milliseconds_of(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["0", "-1", "abc", "", "1e400", "nan", "inf", "3x", "1,5M", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 300k"):
        size_of(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (0.0314, "0.0314"),
        (999, "999"),
        (999.9, "1k"),
        (1000, "1k"),
        (41_214_592, "41.2M"),
        (999_950, "1M"),
        (123_456, "123k"),
        (3.6e9, "3.6G"),
    ],
)
def test_numbers_have_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.21, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3599.6, "1 h"),
        (7320, "2 h 2 min"),
        (200_000, "2 d 8 h"),
    ],
)
def test_durations_have_two_parts_at_most(seconds: float, text: str) -> None:
    assert show_seconds(seconds) == text


def test_sizes_and_costs_carry_their_units() -> None:
    assert [show_bytes(value) for value in (12, 500, 1_250_000)] == ["12 B", "500 B", "1.25 MB"]
    assert show_cost("latency", 2.345) == "2.35 ms"
    assert show_cost("memory", 2e6) == "2 MB"
    assert show_cost("flops", 2e6) == "2M"
    assert show_cost("noise_error", 0.34567) == "34.6 %"


def test_shares_are_percent_and_their_differences_points() -> None:
    assert show_percent(0.03481) == "3.48 %"
    assert [show_points(value) for value in (0.0056, -0.25, 1e-6)] == ["+0.56", "−25.00", "±0.00"]


def test_one_of_a_thing_is_singular() -> None:
    assert [counted(number, "trial") for number in (0, 1, 12_000)] == ["0 trials", "1 trial", "12,000 trials"]
    assert counted(2, "class", "classes") == "2 classes"
