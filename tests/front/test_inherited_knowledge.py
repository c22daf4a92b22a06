"""Simulated warm starts, and orders of candidates by the weights of others."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from benchmarks.front import inheritance
from benchmarks.front.problems import Analytic, Recorded
from benchmarks.front.recorded import load
from benchmarks.front.strategies import Forecasting, Warm
from pure_nas.nn.network import build
from pure_nas.space.architecture import Architecture

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits() -> Recorded:
    return Recorded("digits", load("digits"))


def test_an_earlier_search_has_another_seed_and_may_have_trained_fewer_epochs(digits: Recorded) -> None:
    known = Warm(digits, 0, trials=8)._earlier(10)
    assert [each.errors for each in known] == [digits.curve(each.point.candidate, 1) for each in known]
    few = Warm(digits, 0, trials=8, epochs=3)._earlier(3)
    assert {len(each.errors) for each in few} == {3}


def test_spoiled_errors_are_those_of_others(digits: Recorded) -> None:
    for kind in ("reversed", "permuted"):
        known = Warm(digits, 0, trials=8, errors=kind)._earlier(10)
        own = [digits.curve(each.point.candidate, 1)[-1] for each in known]
        found = [each.errors[-1] for each in known]
        assert sorted(own) == sorted(found) != found
        if kind == "reversed":
            assert kendalltau(own, found).statistic < -0.8


def test_a_warm_search_begins_where_the_other_ended() -> None:
    problem = Analytic()
    cold, warm = Forecasting(problem, 0).propose([], []), Warm(problem, 0, trials=12).propose([], [])
    assert problem.final(warm.candidate) != problem.final(cold.candidate)


def test_tau_is_kendalls_and_at_equal_flops_only_such_pairs_count() -> None:
    found, final, flops = RNG.integers(0, 6, 30) / 6, RNG.integers(0, 6, 30) / 6, np.exp(RNG.standard_normal(30))
    assert inheritance.tau(found, final, flops) == pytest.approx(kendalltau(found, final).statistic)
    pairs = [(a, b) for a, b in combinations(range(30), 2) if 1 / 1.1 <= flops[a] / flops[b] <= 1.1]
    signs = [(np.sign(found[a] - found[b]), np.sign(final[a] - final[b])) for a, b in pairs]
    expected = sum(a * b for a, b in signs) / np.sqrt(sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs))
    assert inheritance.tau(found, final, flops, 0.1) == pytest.approx(expected)


def test_a_network_takes_what_it_shares_with_the_relative_that_shares_most() -> None:
    def network(units: tuple[tuple[str, ...], ...], seed: int):  # type: ignore[no-untyped-def]
        architecture = Architecture(units=units, base_width=4, in_chans=1, num_classes=10, image_size=8)
        return build(architecture, generator=torch.Generator().manual_seed(seed))

    near, far = network((("conv",), ("product",)), 1), network((("product",), ("conv",)), 2)
    new = network((("conv",), ("product", "product")), 3)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    share = inheritance.inherit(new, [inheritance.kin(far), inheritance.kin(near)])
    assert 0.3 < share < 1
    after, theirs = new.state_dict(), near.state_dict()
    assert torch.equal(after["stages.0.0.conv1.weight"], theirs["stages.0.0.conv1.weight"])
    assert torch.equal(after["stages.1.0.conv1.weight"], theirs["stages.1.0.conv1.weight"])
    assert torch.equal(after["stages.1.1.conv1.weight"], before["stages.1.1.conv1.weight"])


def test_the_shared_network_holds_every_candidate_of_its_space(digits: Recorded) -> None:
    net = inheritance.Supernet(digits.space)
    for place in (0, 500, 2_000):
        network = build(digits.table.candidate(place).architecture)
        found = net.weights(network)
        assert {name: value.shape for name, value in found.items()} == {
            name: value.shape for name, value in network.named_parameters()
        }
        assert all(value.grad_fn is not None for value in found.values())


def test_the_benchmark_runs_and_writes_its_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "found.json"
    inheritance.main(quick=True, json_file=file)
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert {row["table"] for row in rows} == {
        "digits: 4 candidates, 2 relatives",
        "digits: one network for all",
    }
    assert "shared weights, 1 epochs" in capsys.readouterr().out
