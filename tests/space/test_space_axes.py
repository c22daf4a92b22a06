from __future__ import annotations

import pytest

from pure_nas.space.axis import Axis, fixed


@pytest.mark.parametrize(
    ("axis", "smallest", "middle", "largest", "count"),
    [
        (fixed(3), 3, 3, 3, 1),
        (Axis((24, 16, 32)), 16, 24, 32, 3),
        (Axis((16, 8)), 8, 8, 16, 2),
        (Axis((None, 20.0, 4.0)), 4.0, 20.0, None, 3),
        (Axis(("step", "cosine")), "step", "step", "cosine", 2),
        (Axis((1, 9), "linear"), 1, 5, 9, 9),
        (Axis((-4.0, 3.0), "linear"), -4.0, -4.0, 3.0, 1),
    ],
)
def test_an_axis_knows_its_ends_its_middle_and_its_count(
    axis: Axis[object], smallest: object, middle: object, largest: object, count: int
) -> None:
    assert (axis.sized("small"), axis.sized("middle"), axis.sized("large")) == (smallest, middle, largest)
    assert axis.count == count


def test_a_range_of_floats_holds_everything_between_its_ends() -> None:
    axis = Axis((0.0, 1.0), "linear")
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
        (Axis((1.0, 3.0), "linear"), 0.0, 1.0),
        (Axis((-4.0, 3.0), "linear"), 0.0, 0.0),
        (Axis((-3.0, 1.0)), 0.0, 1.0),
        (Axis((None, 10.0)), 20.0, 10.0),
        (fixed(None), 20.0, None),
        (Axis((True, False)), False, False),
        (fixed(True), False, True),
        (fixed("padding"), "projection", "padding"),
    ],
)
def test_the_nearest_value_is_the_value_itself_or_the_closest_number(
    axis: Axis[object], wanted: object, nearest: object
) -> None:
    assert axis.nearest(wanted) == nearest
