from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from pure_nas.space.axis import Axis, Choices, FloatRange, IntRange, fixed


@pytest.mark.parametrize(
    ("axis", "smallest", "middle", "largest", "count"),
    [
        (fixed(3), 3, 3, 3, 1),
        (Choices((24, 16, 32)), 16, 24, 32, 3),
        (Choices((16, 8)), 8, 8, 16, 2),
        (Choices((None, 20.0, 4.0)), 4.0, 20.0, None, 3),
        (Choices(("step", "cosine")), "step", "step", "cosine", 2),
        (IntRange(1, 9), 1, 5, 9, 9),
        (FloatRange(-4.0, 3.0), -4.0, -4.0, 3.0, 1),
    ],
)
def test_an_axis_knows_its_ends_its_middle_and_its_count(
    axis: Axis[object], smallest: object, middle: object, largest: object, count: int
) -> None:
    assert (axis.sized("smallest"), axis.sized("middle"), axis.sized("largest")) == (smallest, middle, largest)
    assert axis.count == count


def test_a_range_of_floats_holds_everything_between_its_ends() -> None:
    axis = FloatRange(0.0, 1.0)
    assert 0.0 in axis
    assert 0.3 in axis
    assert 1 in axis
    assert 1.1 not in axis
    assert True not in axis
    assert None not in axis
    assert "0.5" not in axis


@pytest.mark.parametrize(
    ("axis", "wanted", "nearest"),
    [
        (FloatRange(1.0, 3.0), 0.0, 1.0),
        (FloatRange(-4.0, 3.0), 0.0, 0.0),
        (Choices((-3.0, 1.0)), 0.0, 1.0),
        (Choices((None, 10.0)), 20.0, 10.0),
        (fixed(None), 20.0, None),
        (Choices((True, False)), False, False),
        (fixed(True), False, True),
        (fixed("padding"), "projection", "padding"),
    ],
)
def test_the_nearest_value_is_the_value_itself_or_the_closest_number(
    axis: Axis[object], wanted: object, nearest: object
) -> None:
    assert axis.nearest(wanted) == nearest


def test_asking_uses_the_distribution_that_it_announces() -> None:
    assert Choices((16, 24)).distribution() == CategoricalDistribution((16, 24))
    assert IntRange(1, 9, log=True).distribution() == IntDistribution(1, 9, log=True)
    assert FloatRange(0.1, 1.0, log=True).distribution() == FloatDistribution(0.1, 1.0, log=True)
    trial = FixedTrial({"a": 24, "b": 3, "c": 0.5})
    assert Choices((16, 24)).ask(trial, "a") == 24
    assert IntRange(1, 9).ask(trial, "b") == 3
    assert FloatRange(0.0, 1.0).ask(trial, "c") == 0.5


def test_a_fixed_value_is_never_asked_for() -> None:
    assert fixed(7).ask(FixedTrial({}), "x") == 7
    assert fixed(7).distribution() is None
