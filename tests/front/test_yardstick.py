"""The yardstick: tables are recorded, taken up again and read; simulations pay for what they train."""

from __future__ import annotations

import json
import lzma
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.front import __main__ as front
from benchmarks.front import moasha
from benchmarks.front import record as recording
from benchmarks.front.problems import Analytic, Recorded
from benchmarks.front.recorded import load
from benchmarks.front.simulation import Simulated, simulate
from benchmarks.front.strategies import Forecasting, OneEpoch, Random, Rungs, Sampled
from pure_nas.analysis.course import Course
from pure_nas.errors import PureNasError
from pure_nas.forecast.forecast import Known
from pure_nas.forecast.variation import Point
from pure_nas.space.search_space import SearchSpace

SMALL = """
[run]
epochs = 2
batch_size = 64

[architecture]
stages = 2
blocks_per_stage = { low = 1, high = 2, per = "stage" }
base_width = 2
units = { choices = ["conv", "product"], per = "stage" }

[recipe]
crop_padding = 0
flip = false
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked_workers: None) -> str:
    monkeypatch.setattr(recording, "TABLES", tmp_path)
    monkeypatch.setitem(recording.RECORDINGS, "small", recording.Recording("digits", again=3))
    (tmp_path / "small.toml").write_text(SMALL)
    return "small"


def test_every_candidate_of_a_discrete_space_is_found_once() -> None:
    space = SearchSpace.from_toml(SMALL)
    params = [json.dumps(each, sort_keys=True) for each in recording.all_params(space)]
    assert len(params) == len(set(params)) == space.count() == 16


def test_a_range_of_numbers_has_no_such_list() -> None:
    space = SearchSpace.from_toml(
        SMALL.replace("flip = false", "flip = false\nlabel_smoothing = { low = 0.0, high = 0.1 }")
    )
    with pytest.raises(PureNasError, match="label_smoothing is a range of numbers"):
        list(recording.all_params(space))


@pytest.mark.slow
def test_a_recording_that_was_stopped_goes_on_and_gives_the_same_table(small: str, tmp_path: Path) -> None:
    file = recording.record(small, None, 1, 4)
    cut = file.read_text()[:-10]  # a kill cuts the last line short
    file.write_text(cut)
    recording.record(small, None, 1, None)
    table = load(recording.pack(small))
    assert table.errors.shape == (2, 16, 2)
    assert np.isfinite(table.errors[0]).all()
    assert np.isfinite(table.errors[1]).all(1).sum() == 3
    assert [table.candidate(place).digest for place in range(16)] == [
        table.candidate(table.places[json.dumps(each, sort_keys=True)]).digest for each in table.params
    ]
    file.unlink()  # the packed table is enough to go on from
    whole = recording.record(small, None, 1, None)
    text = lzma.decompress((tmp_path / "small.jsonl.xz").read_bytes()).decode().splitlines()
    assert len(text) == 1 + 16 + 3
    assert whole.read_text().count("\n") == 20


def test_a_recording_of_other_images_or_another_space_is_refused(small: str, tmp_path: Path) -> None:
    recording.record(small, None, 1, 1)
    (tmp_path / "small.toml").write_text(SMALL.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(PureNasError, match="was recorded with another space"):
        recording.record(small, None, 1, 1)


def test_curves_that_ended_early_count_as_failures_from_there(tmp_path: Path) -> None:
    header = {"schema": 1, "epochs": 3, "seeds": 1, "space": SMALL, "validation": 10}
    header["images"] = {"in_chans": 1, "num_classes": 10, "image_size": 8}
    row = {"params": {}, "seed": 0, "flops": 1, "weights": 1, "seconds": 0.1, "errors": [0.5]}
    path = tmp_path / "table.jsonl"
    path.write_text(f"{json.dumps(header)}\n{json.dumps(row)}\n")
    assert load(path).errors.tolist() == [[[0.5, 1.0, 1.0]]]
    path.with_name("no.jsonl").write_text("{}\n")
    with pytest.raises(PureNasError, match="is not a table"):
        load(path.with_name("no.jsonl"))


class Fixed:
    """Proposes the same candidates and stops them at the same errors."""

    def __init__(self, candidates: list[Point], stops: dict[int, float]) -> None:
        self.candidates, self._stops = candidates, stops
        self.seen: list[tuple[int, int]] = []

    def propose(self, known: list[Known], begun: list[Point]) -> Point:
        self.seen.append((len(known), len(begun)))
        return self.candidates[len(begun) % len(self.candidates)]

    def stops(self, known: list[Known], point: Point) -> dict[int, float]:
        return self._stops


def test_a_simulation_pays_for_the_epochs_that_it_trains_and_not_twice() -> None:
    problem = Analytic()
    candidates = [Random(problem, seed).propose([], []) for seed in range(3)]
    whole: Any = Fixed(candidates, {})
    course = simulate(problem, whole, 1e9, front.unit_of(problem), seed=0).course
    assert course.paid["epochs"][2] == pytest.approx(3.0)
    assert course.paid["epochs"][-1] == pytest.approx(3.0)  # repeats are free, and end the search
    assert course.volume == sorted(course.volume)
    stopped: Any = Fixed(candidates, {9: -1.0})
    early = simulate(problem, stopped, 1e9, front.unit_of(problem), seed=0)
    assert early.course.paid["epochs"][-1] == pytest.approx(3 * 9 / 27)
    assert early.stopped >= 3
    assert early.course.found == 0
    assert early.course.paid_for(0.5, "work") == math.inf
    assert course.paid_for(course.volume[0], "work") == course.paid["work"][0]


def test_with_a_lag_a_trial_knows_only_what_began_long_before_it() -> None:
    problem = Analytic()
    fixed: Any = Fixed([Random(problem, seed).propose([], []) for seed in range(9)], {})
    simulate(problem, fixed, 1e9, front.unit_of(problem), seed=0, lag=4)
    assert fixed.seen[:8] == [(max(begun - 4, 0), begun) for begun in range(8)]


@pytest.mark.parametrize("strategy", [Random, Sampled, OneEpoch, Forecasting, lambda p, s: Rungs(Random(p, s))])
def test_a_seed_decides_a_simulation(strategy: Any) -> None:
    problem = Analytic()
    first, again, other = (
        simulate(problem, strategy(problem, seed), 3.0, front.unit_of(problem), seed=0).course for seed in (1, 1, 2)
    )
    assert first.volume == again.volume
    assert first.paid["work"] == again.paid["work"]
    assert first.paid["work"] != other.paid["work"]


def test_rungs_let_the_front_go_on_and_stop_what_is_far_behind() -> None:
    problem = Analytic()
    drawn = [Random(problem, seed).propose([], []) for seed in range(12)]
    known = [Known(each, problem.curve(each.candidate, 0), True) for each in drawn]
    for each in known:
        stops = Rungs(Random(problem, 0)).stops(known, each.point)
        assert stops.keys() == {1, 3}
        lowest = min(other.errors[0] for other in known)
        assert stops[1] >= lowest - 1e-9
        assert stops[1] < max(other.errors[0] for other in known)
    assert Rungs(Random(problem, 0)).stops(known[:2], drawn[0]) == {}


def test_a_recorded_search_looks_its_candidates_up(small: str) -> None:
    recording.record(small, None, 1, None)
    problem = Recorded("small", load(recording.pack(small)))
    course = simulate(problem, Sampled(problem, 0), 4.0, front.unit_of(problem), seed=0).course
    assert 0 < course.found < 1
    assert max(course.paid["epochs"]) <= 16
    assert course.found <= problem.ceiling <= 1
    part = replace(problem.table, params=problem.table.params[:1])
    with pytest.raises(PureNasError, match="not recorded to its end"):
        simulate(Recorded("small", part), Sampled(problem, 0), 4.0, front.unit_of(problem), seed=0)


def test_a_simulation_ends_after_its_trials() -> None:
    problem = Analytic()
    found = simulate(problem, Random(problem, 0), 1e9, front.unit_of(problem), seed=0, trials=3)
    assert len(found.course.volume) == 3


def test_a_gap_is_closed_from_random_search_to_all_that_there_is() -> None:
    def ended(volume: float) -> list[Simulated]:
        return [Simulated(Course({"time": [1.0], "epochs": [1.0], "work": [1.0]}, [volume], [0.1]), 0, 0)]

    rows = front._gaps({"random": ended(0.4), "tpe": ended(0.55)}, 0.6)
    assert [round(row["closed"], 2) for row in rows] == [0, 0.75, 1]


@pytest.mark.skipif(moasha.INSTALLED, reason="Syne Tune is installed")
def test_without_syne_tune_its_scheduler_says_how_to_get_it() -> None:
    with pytest.raises(PureNasError, match="needs Syne Tune"):
        moasha.Moasha(Analytic(), 0)


def test_the_command_writes_its_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "front.json"
    front.main(quick=True, json_file=file)
    found = json.loads(file.read_text())
    assert [row["search"] for row in found["rows"]] == ["tpe", "forecast"]
    assert len(found["targets"]) == 3
    assert "hypervolume by cost" in capsys.readouterr().out
