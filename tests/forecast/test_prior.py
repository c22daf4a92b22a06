"""What earlier searches expect, and how far a search believes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pure_nas.analysis import pareto
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import Forecast, Forecaster, Known
from pure_nas.forecast.prior import MOST_GIVEN, Prior
from pure_nas.forecast.proposal import propose
from pure_nas.forecast.variation import Point, point_of, point_with, random_point
from pure_nas.space.catalogue import load_space

SPACE = load_space("digits").with_images(in_chans=1, num_classes=10, image_size=8)
ENCODING = Encoding(SPACE, ["flops"])
EPOCHS = 4


def error_of(point: Point) -> float:
    """A made-up error: size helps, and so does multiplying in the last stage."""
    last = point.candidate.architecture.units[-1]
    size = math.log(cost_of(point.candidate.architecture).flops)
    return float(np.clip(0.9 - 0.05 * size - 0.1 * last.count("product") / len(last), 0.01, 0.9))


def trials(number: int, seed: int, epochs: int = EPOCHS, scale: float = 1.0, sign: int = 1) -> list[Known]:
    rng = np.random.default_rng(seed)
    points = [random_point(SPACE, rng) for _ in range(number)]
    errors = np.array([error_of(each) for each in points])
    if sign < 0:
        errors = errors.max() + errors.min() - errors
    return [Known(each, (0.9,) * (epochs - 1) + (scale * e,), True) for each, e in zip(points, errors, strict=True)]


def said(known: list[Known], epochs: int = EPOCHS, prior: Prior | None = None) -> Forecast:
    return Forecaster(ENCODING, epochs, 0.9, 1 / 288, prior).after(known)


def prior_of(*searches: Forecast) -> Prior:
    return Prior(searches, lambda _: True)


def new(point: Point) -> bool:
    return False


def test_what_is_expected_orders_other_candidates_and_knows_how_sure_it_is() -> None:
    prior = prior_of(said(trials(60, 1)))
    others = trials(40, 2)
    mean, variance = prior.expected(ENCODING.features([each.point for each in others]))
    assert np.corrcoef(mean, np.log([each.errors[-1] for each in others]))[0, 1] > 0.9
    seen = prior.expected(ENCODING.features([each.point for each in trials(60, 1)]))[1]
    assert seen.mean() < variance.mean()


def test_searches_of_other_epochs_differ_by_a_shift() -> None:
    """The second has twice the errors, after fewer epochs: pooled without a shift, its networks would seem bad."""
    prior = prior_of(said(trials(40, 1)), said(trials(40, 2, epochs=2, scale=2.0), epochs=2))
    others = trials(40, 3)
    mean, _ = prior.expected(ENCODING.features([each.point for each in others]))
    logs = np.log([each.errors[-1] for each in others])
    assert np.corrcoef(mean, logs)[0, 1] > 0.9
    assert np.abs(mean - logs).mean() < 0.15


@pytest.mark.parametrize(("sign", "least", "most"), [(1, 0.5, 1.0), (-1, 0.0, 0.0)])
def test_a_prior_is_believed_as_far_as_the_trials_confirm_it(sign: int, least: float, most: float) -> None:
    prior = prior_of(said(trials(60, 1, sign=sign)))
    assert said(trials(5, 2), prior=prior).trust == 1.0
    forecast = said(trials(10, 2, scale=0.5), prior=prior)
    assert least <= forecast.trust <= most
    assert (forecast.prior is None) == (forecast.trust == 0)


def test_without_earlier_searches_nothing_is_believed() -> None:
    forecast = said(trials(10, 2))
    assert (forecast.trust, forecast.prior) == (0.0, None)


def test_the_front_is_what_is_expected_to_be_best_at_its_cost_cheap_ones_first() -> None:
    known = trials(60, 1)
    front = prior_of(said([*known, *known])).front
    costs = ENCODING.costs(list(front))[:, 0]
    assert 2 <= len(front) <= MOST_GIVEN
    assert len({frozenset(each.params.items()) for each in front}) == len(front)
    assert costs.tolist() == sorted(costs)
    truth = pareto.front([[each.errors[-1], ENCODING.costs([each.point])[0, 0]] for each in known])
    assert {frozenset(each.params.items()) for each in front} & {
        frozenset(known[place].point.params.items()) for place in truth
    }
    bound = float(np.median(costs))
    cheap = Prior([said(known)], lambda point: ENCODING.costs([point])[0, 0] <= bound).front
    assert ENCODING.costs(list(cheap)).max() <= bound
    assert Prior([said(known)], lambda _: False).front == ()


def test_the_first_proposals_improve_on_chance_and_differ_while_others_train() -> None:
    prior = prior_of(said(trials(60, 1)))
    running: list[Point] = []
    for number in range(4):
        taken = {frozenset(each.params.items()) for each in running}
        running.append(
            propose(
                said([], prior=prior),
                number,
                lambda point, taken=taken: frozenset(point.params.items()) in taken,  # type: ignore[misc]
                np.random.default_rng(number),
                running,
            )
        )
    costs = ENCODING.costs(running)[:, 0]
    assert np.ptp(costs) > 0.3
    alike = [each for each in trials(400, 9) if min(costs) <= ENCODING.costs([each.point])[0, 0] <= max(costs)]
    assert np.mean([error_of(each) for each in running]) < np.mean([each.errors[-1] for each in alike])


def test_proposals_without_earlier_searches_are_what_they_were() -> None:
    forecast = said(trials(12, 3))
    running = [each.point for each in trials(3, 4)]
    alone, with_others = (propose(forecast, 12, new, np.random.default_rng(5), others) for others in ((), running))
    assert alone == with_others


def test_a_point_is_found_again_by_its_parameters() -> None:
    for seed in range(20):
        point = random_point(SPACE, np.random.default_rng(seed))
        assert point_with(SPACE, point_of(SPACE, point.candidate).params) == point
