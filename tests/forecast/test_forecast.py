"""What ended trials say: the expected gain, and errors above which a trial stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pure_nas.cost.layers import cost_of
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import FEWEST_CURVES, Forecaster, Known, rungs
from pure_nas.forecast.proposal import propose
from pure_nas.forecast.variation import Point, random_point
from pure_nas.space.catalogue import load_space

SPACE = load_space("digits").with_images(in_chans=1, num_classes=10, image_size=8)
EPOCHS = 10
ENCODING = Encoding(SPACE, ["flops"])


def forecaster() -> Forecaster:
    return Forecaster(ENCODING, EPOCHS, worst=0.9, resolution=1 / 288)


def error_of(point: Point) -> float:
    """A made-up error: size helps, and so does multiplying in the last stage."""
    last = point.candidate.architecture.units[-1]
    share = last.count("product") / len(last)
    return float(np.clip(0.9 - 0.05 * math.log(cost_of(point.candidate.architecture).flops) - 0.1 * share, 0.01, 0.9))


def curve_of(point: Point, scale: float = 1.0) -> tuple[float, ...]:
    final = error_of(point) * scale
    return tuple(min(final * (1 + 3 * (1 - epoch / EPOCHS) ** 2), 0.9) for epoch in range(1, EPOCHS + 1))


def some(number: int, seed: int = 0) -> list[Known]:
    rng = np.random.default_rng(seed)
    return [Known(each, curve_of(each), True) for each in (random_point(SPACE, rng) for _ in range(number))]


def test_rungs_are_closer_at_first_and_spare_the_end() -> None:
    assert rungs(10) == (1, 2, 3, 4, 5, 7)
    assert rungs(1) == ()
    for epochs in range(1, 400, 7):
        found = rungs(epochs)
        assert list(found) == sorted(set(found))
        assert all(1 <= epoch <= 0.8 * epochs for epoch in found)
    assert len(rungs(300)) < 20


def test_the_expected_gain_is_the_mean_of_gains_that_are_drawn() -> None:
    known = some(30)
    forecast = forecaster().after(known)
    candidates = [random_point(SPACE, np.random.default_rng(seed)) for seed in range(100, 106)]
    gains = forecast.prospects(candidates).gain
    mean, variance = forecast._predict(candidates)
    draws = np.exp(mean[:, None] + np.sqrt(variance)[:, None] * np.random.default_rng(1).standard_normal(20_000))
    logs = np.log(draws)
    cells, costs = ENCODING.cells[:, 0], ENCODING.costs(candidates)[:, 0]
    known_costs = ENCODING.costs([each.point for each in known])[:, 0]
    least = np.array(
        [min([0.9, *(e.errors[-1] for e, c in zip(known, known_costs, strict=True) if c <= at)]) for at in cells]
    )
    for place, gain in enumerate(gains):
        levels = np.log(least[None, cells >= costs[place]] + 1 / 288)
        improved = np.maximum(levels - logs[place, ::50, None], 0).sum(1) / len(cells)
        assert gain == pytest.approx(improved.mean(), rel=0.2, abs=1e-4)


def test_nothing_is_stopped_before_enough_curves_are_known() -> None:
    known = some(FEWEST_CURVES - 1)
    assert forecaster().after(known).stops(known[0].point, 0.02) == {}
    assert forecaster().after(some(FEWEST_CURVES)).stops(known[0].point, 0.02) != {}


def test_who_is_hopeless_stops_and_who_is_as_good_as_the_front_goes_on() -> None:
    known = some(40)
    forecast = forecaster().after(known)
    candidate = random_point(SPACE, np.random.default_rng(77))
    stops = forecast.stops(candidate, 0.02)
    hopeless, good = curve_of(candidate, 4.0), curve_of(candidate, 0.3)
    assert any(hopeless[epoch - 1] > most for epoch, most in stops.items())
    assert all(good[epoch - 1] <= most for epoch, most in stops.items())


def test_a_lower_chance_stops_fewer() -> None:
    forecast, candidate = forecaster().after(some(40)), random_point(SPACE, np.random.default_rng(9))
    careful, bold = forecast.stops(candidate, 0.01), forecast.stops(candidate, 0.1)
    assert all(careful[epoch] > bold[epoch] for epoch in careful)


def test_stops_and_proposals_follow_from_the_trials_alone() -> None:
    """As a search that goes on computes them: by another forecaster, from all trials at once."""
    known, one = some(25), forecaster()
    for size in range(8, 26):
        one.after(known[:size]).stops(known[0].point, 0.02)
    for size in (12, 25):
        first, second = one.after(known[:size]), forecaster().after(known[:size])
        assert first.stops(known[0].point, 0.02) == second.stops(known[0].point, 0.02)
        chosen = [propose(each, size, lambda _: False, np.random.default_rng(size)) for each in (first, second)]
        assert chosen[0] == chosen[1]


def test_the_curve_of_a_stopped_trial_teaches_less_than_a_complete_one() -> None:
    known = some(20)
    stopped = [Known(each.point, each.errors[:2], False) for each in known[10:]]
    forecast = forecaster().after([*known[:10], *stopped])
    targets, variances = forecast.targets
    assert (variances[:10] == 0).all()
    assert (variances[10:] > 0).all()
    assert np.abs(targets[10:] - np.log([each.errors[-1] + 1 / 288 for each in known[10:]])).mean() < 0.7


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from(["nan", "inf", "worst", "zero"]), min_size=8, max_size=8))
def test_strange_errors_break_nothing(seed: int, kinds: list[str]) -> None:
    values = {"nan": math.nan, "inf": math.inf, "worst": 1.0, "zero": 0.0}
    known = [
        Known(each.point, (*each.errors[:-1], values[kind]), True)
        for each, kind in zip(some(8, seed), kinds, strict=True)
    ]
    forecast = forecaster().after(known)
    assert np.isfinite(forecast.prospects([each.point for each in some(5, seed + 1)]).gain).all()
    assert all(math.isfinite(most) for most in forecast.stops(known[0].point, 0.02).values())
    assert propose(forecast, 20, lambda _: False, np.random.default_rng(seed)) is not None


def test_a_proposal_is_new_and_the_first_ones_cost_little() -> None:
    known = some(20)
    taken = [each.point.params for each in known]
    forecast = forecaster().after(known)
    for seed in range(5):
        assert (
            propose(forecast, 30, lambda point: point.params in taken, np.random.default_rng(seed)).params not in taken
        )
    first = [
        propose(forecaster().after([]), number, lambda _: False, np.random.default_rng(number)) for number in range(8)
    ]
    drawn = [random_point(SPACE, np.random.default_rng(seed)) for seed in range(60)]
    assert ENCODING.costs(first).mean() < ENCODING.costs(drawn).mean()


def test_proposals_lead_to_a_better_front_than_random_ones() -> None:
    """On the made-up errors, at equal numbers of trials."""

    def gained(known: list[Known]) -> float:
        forecast = forecaster().after(known)
        return float((0.9 - forecast._least).mean())

    known = some(10)
    model = forecaster()
    while len(known) < 30:
        rng = np.random.default_rng(len(known))
        candidate = propose(model.after(known), len(known), lambda _: False, rng)
        known.append(Known(candidate, curve_of(candidate), True))
    assert gained(known) > gained(some(30)) + 0.005
