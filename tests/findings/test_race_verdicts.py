"""Whether forecasts pay, in words, from made-up courses."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_up_races import raced

from pure_nas.findings.race import box_of
from pure_nas.space.catalogue import load_space


@pytest.mark.parametrize(
    ("speeds", "verdict"),
    [
        (
            (0.2, 0.4),
            "On your data the forecast search pays: it had as good a front as tpe after 0.30 of its time "
            "(0.20 to 0.40, 2 seeds).",
        ),
        (
            (1.5,),
            "On your data the forecast search does not pay: it had as good a front as tpe after 1.50 of its time "
            "(1 seed).",
        ),
        (
            (0.5, 1.1, 0.7),
            "On your data the forecast search may or may not pay: it had as good a front as tpe after 0.70 of its time "
            "(0.50 to 1.10, 3 seeds). More seeds or a longer time would tell.",
        ),
    ],
)
def test_the_verdict_follows_from_every_seed(speeds: tuple[float, ...], verdict: str) -> None:
    race = raced(*speeds)
    assert race.prices() == pytest.approx(speeds)
    assert race.verdict == verdict


def test_without_a_network_better_than_guessing_there_is_no_verdict() -> None:
    race = raced(0.5, volume=0.0)
    assert math.isnan(race.prices("work")[0])
    assert race.verdict.startswith("No answer")


def test_searches_that_trained_the_same_say_nothing_of_each_other() -> None:
    race = raced(1.5)
    (ours, other) = race.pairs[0]
    slower = {**other.course.paid, "time": [1.5 * each for each in other.course.paid["time"]]}
    same = replace(ours, course=replace(other.course, paid=slower))
    verdict = replace(race, searches=(same, other)).verdict
    assert verdict == "No answer: both searches trained the same networks. Give each search more trials or time."


def test_every_network_of_a_space_is_in_its_box() -> None:
    space = load_space("digits").with_images(in_chans=1, num_classes=10, image_size=8)
    box = box_of(space, 0.9)
    assert 0 < box.least < box.most
    assert box.place(box.least) == pytest.approx(0)
    assert box.place(box.most) == pytest.approx(1)
