"""Choosing one network: by limits, by what an accuracy is worth, by what is certain."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_runs import add_complete_trial, candidate_of, make_run, start_run

from pure_nas.errors import UsageError
from pure_nas.findings.pick import COSTS, Wish, pick, weights_of
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord, load_results

TRIALS = (  # error, flops, params, latency
    (0.10, 100e3, 10e3, 3.0),
    (0.06, 200e3, 40e3, 1.0),
    (0.05, 400e3, 30e3, 2.0),
    (0.048, 1600e3, 80e3, 0.5),
    (0.07, 300e3, 5e3, 0.1),
)


def costs(trial: TrialRecord, name: str) -> float:
    """As the made-up trials have them, measured or not."""
    return trial.cost[{"latency": "latency_ms", "memory": "memory_bytes"}.get(name, name)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    found = start_run(tmp_path_factory.mktemp("runs") / "made-up", trials=len(TRIALS))
    for number, (error, flops, params, latency) in enumerate(TRIALS):
        values = {"error": error, "flops": flops, "params": params, "latency": latency}
        add_complete_trial(
            found,
            number,
            candidate_of((("conv",), ("product",), ("conv",)), base_width=4 + number),
            ("error", "flops"),
            random.Random(number),
            values=values,
        )
    return found


@pytest.mark.parametrize(
    ("wish", "number", "why"),
    [
        ({}, 1, "the knee of the front"),
        ({"trial": "best"}, 3, "the most accurate"),
        ({"trial": "4"}, 4, "the one that was asked for"),
        ({"limits": {"params": 40e3}}, 2, "the one with the lowest error of 4 complete trials with at most 40k params"),
        ({"limits": {"latency": 0.1}}, 4, "with at most 0.1 ms latency"),
        ({"limits": {"params": 40e3, "flops": 200e3}}, 1, "with at most 40k params and 200k flops"),
        ({"within": 0.0021}, 2, "the cheapest whose error is within 0.21 points of the lowest, 4.80 % of trial 3"),
        ({"within": 0.01201}, 1, "within 1.201 points"),
        ({"within": 0.0}, 3, "within 0 points"),
        ({"one_se": True}, 1, "the cheapest whose error is within a standard error"),
        ({"weights": {"error": 1.0}}, 3, "the least sum of 1 x error"),
        ({"weights": {"flops": 1.0}}, 0, "the least sum of 1 x flops"),
        ({"weights": {"error": 2.0, "flops": 1.0}}, 2, "2 x error and 1 x flops"),
        ({"weights": {"error": 1.0, "flops": 1.0}}, 1, "1 x error and 1 x flops"),
        ({"within": 0.01201, "limits": {"params": 30e3}}, 2, "with at most 30k params"),
    ],
)
def test_a_wish_has_one_network(run: RunDirectory, wish: dict[str, Any], number: int, why: str) -> None:
    found = pick(run, Wish(**wish), costs)
    assert found.trial.number == number
    assert why in found.why


def test_what_it_is_picked_over_is_told(run: RunDirectory) -> None:
    found = pick(run, Wish(), costs)
    assert [(each.role, each.trial.number) for each in found.rivals] == [("cheaper", 0), ("dearer", 2)]
    assert (found.complete, found.keeping, found.beaten) == (5, 5, 1)  # trial 4
    assert found.standing is not None
    assert "on the front in" in found.sure
    assert list(found.costs) == ["params", "flops"]
    limited = pick(run, Wish(limits={"latency": 1.0}), costs)
    assert list(limited.costs) == ["params", "flops", "latency"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (
            {"limits": {"params": 4e3}},
            "None of 5 complete trials has at most 4k params; the nearest is trial 4, with 5k params",
        ),
        ({"trial": "best", "limits": {"params": 40e3}}, "Trial 3, which is best, has 80k params, over 40k"),
        ({"trial": "best", "one_se": True}, "by one rule, not by --trial and --one-se"),
        ({"limits": {"size": 1.0}}, 'There is no limit on "size"'),
        ({"weights": {"loss": 1.0}}, 'There is no weight of "loss"'),
        ({"weights": {"error": -1.0}}, "The weight of error cannot be -1"),
        ({"trial": "17"}, "There is no trial 17"),
    ],
)
def test_what_cannot_be_met_says_the_nearest(run: RunDirectory, wish: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pick(run, Wish(**wish), costs)


def test_weights_are_written_as_in_a_formula() -> None:
    assert weights_of("") == {}
    assert weights_of("error=2, flops=0.5") == {"error": 2.0, "flops": 0.5}
    for text in ("error", "error=", "error=x", "2"):
        with pytest.raises(UsageError, match="is not a weight"):
            weights_of(text)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("runs") / "many", trials=30)


bounds = st.dictionaries(st.sampled_from(COSTS), st.floats(1e-3, 1e9), max_size=3)


@given(limits=bounds, within=st.none() | st.floats(0, 0.2), one_se=st.booleans())
def test_no_other_network_meets_a_wish_better(
    many: RunDirectory, limits: Mapping[str, float], within: float | None, one_se: bool
) -> None:
    wish = Wish(limits=limits, within=within, one_se=one_se and within is None)
    try:
        found = pick(many, wish, costs)
    except UsageError:
        trials = load_results(many).complete
        assert not any(all(costs(each, name) <= bound for name, bound in limits.items()) for each in trials)
        return
    assert all(costs(found.trial, name) <= bound for name, bound in limits.items())
    keeping = [
        each
        for each in load_results(many).complete
        if all(costs(each, name) <= bound for name, bound in limits.items())
    ]
    assert found.keeping == len(keeping)
    lowest = min(each.error for each in keeping)
    if limits and within is None and not wish.one_se:
        assert found.trial.error == lowest
    if within is not None:
        assert found.trial.error <= lowest + within + 1e-9
        cheaper = [each for each in keeping if costs(each, "flops") < costs(found.trial, "flops")]
        assert all(each.error > lowest + within for each in cheaper)
