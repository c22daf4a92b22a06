"""A search that starts with what earlier searches of the same images know."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from heard import Heard
from interleaved import Interleaved
from searches import results_of, run_search, settings_for, small_space

from pure_nas.errors import RunError, UsageError
from pure_nas.plans.search.session import Prepared
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.report.data import report_data
from pure_nas.report.pages import search_page
from pure_nas.report.search_tables import trials_table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas.training.training import EpochMetrics
from pure_nas.workers import Job
from pure_nas.workers.resources import WorkerPlan

TRIALS = 14
SPACE = small_space(2, 1e-3)
Make = Callable[..., SearchSettings]


@pytest.fixture(scope="module")
def make(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def settings(space: str = SPACE, images: Path = image_folder, epochs: int = 2, **changes: Any) -> SearchSettings:
        path = tmp_path_factory.mktemp("space") / "warm.toml"
        path.write_text(space.replace("epochs = 2", f"epochs = {epochs}"), encoding="utf-8")
        return settings_for(images, path, **{"sampler": "forecast", "trials": TRIALS, **changes})

    return settings


@pytest.fixture(scope="module")
def earlier(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a search that has ended, of another seed and fewer epochs."""
    out = tmp_path_factory.mktemp("earlier")
    run_search(make(epochs=1, study="first", trials=12, sampler="random", seed=7), out)
    return out / "first"


@pytest.fixture(scope="module")
def whole(make: Make, earlier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that started warm, and that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    run_search(make(warm_start=(str(earlier),)), out)
    return out


def found(out: Path) -> list[tuple[Any, ...]]:
    return [(each.state, each.candidate.digest, each.objectives, each.source) for each in results_of(out).trials]


def from_there(trials: tuple[TrialRecord, ...], earlier: Path) -> list[tuple[TrialRecord, TrialRecord]]:
    """Trials that an earlier search trained too, each with its trial there."""
    theirs = {f"first:{each.number}": each for each in results_of(earlier.parent, "first").trials}
    return [(each, theirs[each.source]) for each in trials if each.source]


def test_another_sampler_trains_the_front_of_the_earlier_search_first(
    make: Make, earlier: Path, tmp_path: Path
) -> None:
    run_search(make(sampler="tpe", trials=12, warm_start=(str(earlier),)), tmp_path)
    given = from_there(results_of(tmp_path).trials, earlier)
    assert [each.number for each, _ in given] == list(range(len(given)))
    assert 1 <= len(given) <= 10
    costs = [each.cost["flops"] for each, _ in given]
    assert costs == sorted(costs)
    for each, then in given:
        assert each.candidate.architecture == then.candidate.architecture
        assert each.candidate.recipe.learning_rate == then.candidate.recipe.learning_rate
        assert (each.candidate.recipe.epochs, then.candidate.recipe.epochs) == (2, 1)
    smallest = results_of(earlier.parent, "first").smallest
    assert smallest.cost["flops"] >= costs[0]


def test_the_search_says_what_it_took_over_and_what_that_was_worth(whole: Path, earlier: Path) -> None:
    run = RunDirectory(whole / "study")
    assert run.settings()["warm_start"] == [str(earlier.resolve())]
    data = report_data(run)
    assert data.earlier is not None
    assert [(each.name, each.epochs, len(each.trials)) for each in data.earlier.searches] == [("first", 1, 12)]
    assert data.earlier.compared == sum(each.replay_of is None for each in results_of(whole).complete)
    assert data.earlier.correlation is not None
    assert -1 <= data.earlier.correlation <= 1
    assert data.earlier.weight in (0.0, 0.5, 1.0)
    page = search_page(data)
    assert "The search began with 12 trials of first (1 epoch, 8 pixels)" in page
    assert f"complete trials here: {data.earlier.correlation:.2f}" in page
    labelled = {record["trial"]: record.get("source") for record in trials_table(data).records()}
    for each, then in from_there(data.trials, earlier):
        assert labelled[each.number] == f"first:{then.number}"
        assert each.label == f"as first:{then.number}"


class Interrupting(Heard):
    """Interrupts a search in its eighth training."""

    def epoch_done(self, job: Job, metrics: EpochMetrics) -> None:
        if len(self.trials) == 7:
            raise KeyboardInterrupt


def test_a_search_that_resumes_finds_the_same_after_the_earlier_run_is_gone(
    make: Make, earlier: Path, whole: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "moved" / "first"
    shutil.copytree(earlier, gone)
    settings = make(warm_start=(str(gone),))
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, tmp_path, Interrupting())
    shutil.rmtree(gone)
    run_search(settings, tmp_path)
    assert found(tmp_path) == found(whole)


def test_any_number_of_workers_gives_the_same_search(
    make: Make, earlier: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(prepared: Prepared, left: int) -> tuple[Interleaved, WorkerPlan]:
        return Interleaved(prepared.dataset, 3), WorkerPlan(3, "for a test")

    monkeypatch.setattr(Prepared, "start_workers", start)
    run_search(make(warm_start=(str(earlier),)), tmp_path)
    assert found(tmp_path) == found(whole)


def test_several_searches_are_used_and_one_that_is_named_twice_counts_once(
    make: Make, earlier: Path, whole: Path, tmp_path: Path
) -> None:
    folders = (str(earlier), str(whole / "study"), str(earlier))
    run_search(make(trials=2, warm_start=folders), tmp_path)
    data = report_data(RunDirectory(tmp_path / "study"))
    assert data.earlier is not None
    assert [each.name for each in data.earlier.searches] == ["first", "study"]
    assert data.earlier.correlation is None
    assert "Too few trials are complete to tell" in search_page(data)


NARROW = SPACE.replace("[2, 3, 4, 6, 8]", "[5, 7]")


def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    make: Make, earlier: Path, tmp_path: Path, image_folder: Path
) -> None:
    other = tmp_path / "shapes" / "others"
    shutil.copytree(image_folder, other)
    for part in ("train", "test"):
        (other / part / "circles").rename(other / part / "rings")
    out = tmp_path / "runs"
    damaged = tmp_path / "damaged"
    shutil.copytree(earlier, damaged)
    (damaged / "trials" / "0003" / "metrics.jsonl").write_text("{}\n")
    mine = str(earlier)
    cases: list[tuple[SearchSettings, type[Exception], str]] = [
        (make(warm_start=(str(tmp_path / "none"),)), RunError, "There is no run at .*none"),
        (make(warm_start=(str(damaged),)), RunError, r"metrics\.jsonl was changed"),
        (make(warm_start=(mine,), images=other), UsageError, r'on other images: ".*" \(3 classes, fingerprint'),
        (make(NARROW, warm_start=(mine,)), UsageError, r"No trial of .*first lies in this space: outside are base_w"),
        (make(study="self", warm_start=(str(out / "self"),)), UsageError, "cannot start from its own run"),
    ]
    for settings, kind, message in cases:
        with pytest.raises(kind, match=message):
            run_search(settings, out)
        assert not out.exists()


def test_a_search_resumes_with_the_searches_that_it_began_with(make: Make, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    shutil.copytree(whole, out)
    before = (out / "study" / "run.toml").read_bytes()
    for changed in ((), (str(tmp_path / "another"),)):
        with pytest.raises(RunError, match=r"warm_start: \['.*first'\] in the run, "):
            run_search(make(trials=TRIALS + 1, warm_start=changed), out)
    assert (out / "study" / "run.toml").read_bytes() == before


def test_a_file_of_what_was_taken_over_that_was_changed_is_noticed(
    make: Make, earlier: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "runs")
    path = tmp_path / "runs" / "study" / "warm_start.json"
    path.write_text(path.read_text().replace('"number": 1,', '"number": 100,', 1))
    with pytest.raises(RunError, match=r"warm_start\.json was changed after the search had begun"):
        run_search(make(trials=TRIALS + 1, warm_start=(str(earlier),)), tmp_path / "runs")
    path.unlink()
    with pytest.raises(RunError, match=r"warm_start\.json cannot be read"):
        run_search(make(trials=TRIALS + 1, warm_start=(str(earlier),)), tmp_path / "runs")


def test_only_what_keeps_the_limits_is_given(make: Make, earlier: Path, tmp_path: Path) -> None:
    from pure_nas.plans.search.limits import Limits

    costs = sorted(each.cost["flops"] for each in results_of(earlier.parent, "first").trials)
    most = int(costs[len(costs) // 2])
    run_search(make(sampler="random", trials=3, warm_start=(str(earlier),), limits=Limits(flops=most)), tmp_path)
    given = from_there(results_of(tmp_path).trials, earlier)
    assert given
    assert {each.state for each, _ in given} <= {"complete", "diverged"}
    assert all(each.cost["flops"] <= most for each, _ in given)
