"""How sure a network's place on a front is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pure_nas.analysis.standing import Measured, Standing, standings

IMAGES = 1000


def measured(cost: float, *errors: float, wrong: np.ndarray | None = None) -> Measured:
    hits = None if wrong is None else np.where(wrong, 0, len(errors)).astype(np.uint8)
    return Measured(errors=errors, others=(cost,), hits=hits)


def found(*networks: Measured, images: int = IMAGES) -> list[Standing]:
    return standings(networks, images, np.random.default_rng(0))


def test_a_front_that_is_clear_is_sure() -> None:
    cheap, dear, dominated = found(measured(1, 0.3), measured(2, 0.1), measured(3, 0.2))
    assert (cheap.on_front, dear.on_front, dominated.on_front) == (1.0, 1.0, 0.0)


def test_of_two_that_are_as_good_the_dearer_one_is_on_the_front_in_half_of_the_draws() -> None:
    cheap, dear = found(measured(1, 0.1), measured(2, 0.1))
    assert cheap.on_front == 1.0
    assert dear.on_front == pytest.approx(0.5, abs=0.03)


def test_further_seeds_make_surer() -> None:
    chances = [found(measured(1, *[0.11] * seeds), measured(2, *[0.10] * seeds))[1] for seeds in (1, 3)]
    assert chances[0].on_front < chances[1].on_front
    assert chances[1].high - chances[1].low < chances[0].high - chances[0].low


def test_networks_that_are_wrong_on_the_same_images_are_told_apart_more_surely() -> None:
    first, second = np.arange(IMAGES) < 110, np.arange(IMAGES) < 100
    apart = np.roll(second, 500)
    nested = found(measured(1, 0.11, wrong=first), measured(2, 0.1, wrong=second))[1]
    separate = found(measured(1, 0.11, wrong=first), measured(2, 0.1, wrong=apart))[1]
    unknown = found(measured(1, 0.11), measured(2, 0.1))[1]
    assert nested.on_front > unknown.on_front > separate.on_front


def test_seeds_that_agree_narrow_the_intervals_of_all() -> None:
    alone = measured(2, 0.1)
    wide, narrow = (found(measured(1, *errors), alone)[1] for errors in ((0.2, 0.3, 0.25), (0.25, 0.25, 0.25)))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert (wide.seeds, wide.error) == (1, 0.1)


def test_an_interval_by_hand() -> None:
    # A single network without errors: (0 + 0.5) / (100 + 1), once for its images and once for its seed.
    share = 0.5 / 101
    (alone,) = found(measured(1, 0.0), images=100)
    assert alone.low == 0.0
    assert alone.high == pytest.approx(1.959963984540054 * np.sqrt(2 * share * (1 - share) / 100))
    assert alone.on_front == 1.0


ERRORS = st.lists(st.floats(0, 1), min_size=1, max_size=3)
NETWORKS = st.lists(st.builds(lambda cost, errors: measured(cost, *errors), st.integers(1, 4), ERRORS), max_size=6)


@settings(deadline=None)
@given(NETWORKS)
def test_shares_are_shares_and_the_order_of_networks_changes_little(networks: list[Measured]) -> None:
    forth = found(*networks)
    back = found(*reversed(networks))[::-1]
    for one, other in zip(forth, back, strict=True):
        assert 0 <= one.on_front <= 1
        assert 0 <= one.low <= one.error <= one.high <= 1
        assert one.on_front == pytest.approx(other.on_front, abs=0.08)
    assert not networks or max(each.on_front for each in forth) > 0
