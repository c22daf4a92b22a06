"""Candidates that no table has: curves that are predicted, with the noise of seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.front import __main__ as front
from benchmarks.front.problems import ANALYTIC_SPACE, Analytic
from benchmarks.front.recorded import Table
from benchmarks.front.simulation import simulate
from benchmarks.front.strategies import Random
from benchmarks.front.surrogate import Surrogate, orders, process, trees
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.variation import random_point


@pytest.fixture(scope="module")
def sampled() -> Table:
    """60 candidates of the analytic space, 30 of them with two seeds."""
    problem, rng = Analytic(), np.random.default_rng(0)
    points = [random_point(problem.space, rng) for _ in range(60)]
    errors = np.array([[problem.curve(each.candidate, seed) for each in points] for seed in range(2)])
    errors[1, 30:] = np.nan
    flops = np.array([cost_of(each.candidate.architecture).flops for each in points], dtype=np.float64)
    images = {"in_chans": 3, "num_classes": 10, "image_size": 32}
    header = {"epochs": 27, "images": images, "validation": 1000, "space": ANALYTIC_SPACE}
    return Table(header, tuple(each.params for each in points), flops, flops, flops, errors)


def test_predictions_order_what_they_have_not_seen_better_than_chance(sampled: Table) -> None:
    rows = {row["by"]: row for row in orders(Surrogate("sampled", sampled))}
    assert rows["trees"]["tau"] > 0.3
    assert rows["Gaussian processes"]["tau"] > 0.3
    assert rows["another seed, as recorded"]["tau"] > 0.9
    assert (rows["trees"]["n"], rows["another seed, as recorded"]["n"]) == (60, 30)


def test_held_out_predictions_do_not_know_what_they_predict(sampled: Table) -> None:
    surrogate = Surrogate("sampled", sampled)
    errors = sampled.errors.copy()
    rng = np.random.default_rng(1)
    errors[0] = errors[0, rng.permutation(60)]
    shuffled = Surrogate("shuffled", replace(sampled, errors=errors))
    assert abs(np.corrcoef(shuffled.held_out(trees)[:, -1], shuffled.curves[0, :, -1])[0, 1]) < 0.35
    own = trees(surrogate.features, surrogate.curves[0])(surrogate.features)[:, -1]
    assert np.corrcoef(own, surrogate.curves[0, :, -1])[0, 1] > 0.9


def test_a_curve_is_near_what_was_recorded_and_every_seed_has_its_own(sampled: Table) -> None:
    surrogate = Surrogate("sampled", sampled)
    candidate = sampled.candidate(0)
    curves = np.array([surrogate.curve(candidate, seed) for seed in range(20)])
    assert surrogate.curve(candidate, 3) == tuple(curves[3])
    assert len(np.unique(curves[:, -1])) > 5
    assert abs(np.log(curves[:, -1].mean() / sampled.errors[0, 0, -1])) < 0.3


def test_it_can_be_searched(sampled: Table) -> None:
    surrogate = Surrogate("sampled", sampled)
    unit = front.unit_of(surrogate)
    assert unit == pytest.approx(sampled.flops.mean() * 27)
    course = simulate(surrogate, Random(surrogate, 0), 5.0, unit, seed=0).course
    assert 0 < course.found < surrogate.ceiling < 1


def test_processes_predict_every_epoch(sampled: Table) -> None:
    surrogate = Surrogate("sampled", sampled)
    found = process(surrogate.features[:50], surrogate.curves[0, :50])(surrogate.features[50:])
    assert found.shape == (10, 27)
    assert (
        np.abs(found - surrogate.curves[0, 50:]).mean() < np.abs(np.diff(surrogate.curves[0, 50:], axis=1)).mean() * 9
    )
