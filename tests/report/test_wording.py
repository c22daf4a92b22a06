"""Numbers written for people, and where marks go."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pure_nas.evaluation import NOISE_MIXTURE
from pure_nas.report import wording
from pure_nas.report.marks import axis_range, labelled, log_ticks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (0.0314, "0.0314"),
        (999, "999"),
        (999.9, "1 k"),
        (1000, "1 k"),
        (41_214_592, "41.2 M"),
        (999_950, "1 M"),
        (123_456, "123 k"),
        (3.6e9, "3.6 G"),
    ],
)
def test_count_has_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert wording.count(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h"), (7320, "2 h 2 min"), (200_000, "2 d 8 h")],
)
def test_duration_has_two_parts_at_most(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_sizes_and_costs_carry_their_units() -> None:
    assert wording.size(500) == "500 B"
    assert wording.size(1_250_000) == "1.25 MB"
    assert wording.cost("latency", 2.345) == "2.35 ms"
    assert wording.cost("memory", 2e6) == "2 MB"
    assert wording.cost("flops", 2e6) == "2 M"


def test_the_noise_in_words_is_the_noise_that_is_measured() -> None:
    levels = [100 * each.level if each.kind == "salt-and-pepper" else each.level for each in NOISE_MIXTURE]
    numbers = re.findall(r"\d+(?:\.\d+)?", wording.NOISE_ERROR)
    assert numbers == [*(f"{level:g}" for level in levels), "0", "1"]
    kinds = list(dict.fromkeys(each.kind for each in NOISE_MIXTURE))
    assert re.findall("|".join(kinds), wording.NOISE_ERROR.lower()) == kinds


@given(st.floats(1e-6, 1e12), st.floats(1.0001, 1e6))
@example(low=633333333334.0, ratio=1.5)
def test_log_axis_has_a_few_ticks_at_least_one(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 12
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


@given(st.lists(st.floats(1e-3, 1e9), min_size=1))
def test_axis_holds_every_value(values: list[float]) -> None:
    low, high = axis_range(values, log=True)
    assert low < min(map(math.log10, values))
    assert high > max(map(math.log10, values))


def test_labels_that_would_touch_are_left_out() -> None:
    assert labelled([(1e5, 0.1), (1.0001e5, 0.1), (1e6, 0.05)]) == {0, 2}
    assert labelled([]) == set()
