"""Numbers written for people."""

from __future__ import annotations

import re

import pytest

from pure_nas.evaluation import NOISE_MIXTURE
from pure_nas.report import wording


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
