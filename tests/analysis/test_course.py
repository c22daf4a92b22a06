from __future__ import annotations

import math

import pytest

from pure_nas.analysis.course import Box, Course, Step, course_of, price

BOX = Box(worst=0.9, least=10.0, most=1000.0)


def course(volume: list[float]) -> Course:
    """One that pays 1, 2, 3 ... epochs."""
    paid = [float(place) for place in range(1, len(volume) + 1)]
    return Course({"time": paid, "epochs": paid, "work": paid}, volume, [1.0] * len(volume))


def test_hypervolume_is_the_share_of_the_box_that_is_dominated() -> None:
    assert BOX.share([]) == 0
    assert BOX.share([(10.0, 0.0)]) == pytest.approx(1.0)
    assert BOX.share([(100.0, 0.0)]) == pytest.approx(0.5)  # half way by logarithms
    assert BOX.share([(100.0, 0.0), (10.0, 0.45)]) == pytest.approx(0.75)
    assert BOX.share([(100.0, 0.0), (10.0, 0.45), (500.0, 0.3)]) == pytest.approx(0.75)
    assert BOX.share([(10.0, 0.95)]) == 0


def test_a_course_adds_up_what_is_paid_and_counts_what_was_trained_to_its_end() -> None:
    steps = [Step(5.0, 2, 100.0, None), Step(9.0, 10, 100.0, 0.45), Step(12.0, 10, 1000.0, 0.6)]
    found = course_of(steps, BOX)
    assert found.paid == {"time": [5.0, 9.0, 12.0], "epochs": [2, 12, 22], "work": [200, 1200, 11200]}
    assert found.volume == pytest.approx([0.0, 0.25, 0.25])
    assert found.lowest == [1.0, 0.45, 0.45]
    assert (found.lowest_at(11, "epochs"), found.lowest_at(12, "epochs")) == (1.0, 0.45)
    assert found.paid_for(0.2, "epochs") == 12
    assert found.paid_for(0.3, "epochs") == math.inf
    assert found.volume_at(11, "epochs") == 0
    assert found.volume_at(12, "epochs") == found.found == pytest.approx(0.25)


def test_a_price_compares_what_two_paid_for_what_both_found() -> None:
    quick, slow = course([0.1, 0.5, 0.6]), course([0.0, 0.1, 0.2, 0.3, 0.5])
    assert price(quick, slow, "epochs") == pytest.approx(2 / 5)
    assert price(slow, quick, "epochs") == pytest.approx(5 / 2)
    assert price(quick, quick, "time") == 1


@pytest.mark.parametrize("volume", [[], [0.0, 0.0]])
def test_where_one_found_nothing_there_is_no_price(volume: list[float]) -> None:
    assert math.isnan(price(course(volume), course([0.4]), "time"))
    assert course(volume).found == 0
