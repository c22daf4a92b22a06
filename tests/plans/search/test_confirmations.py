"""Part of the budget goes to further seeds of trials whose place on the front is in doubt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from heard import Heard
from interleaved import Interleaved
from searches import Settings, results_of, run_search

from pure_nas.errors import RunError, UsageError
from pure_nas.plans.budget import Budget
from pure_nas.plans.search.outlook import Outlook
from pure_nas.plans.search.session import Prepared, opened, prepare
from pure_nas.report.data import report_data
from pure_nas.run.directory import RunDirectory
from pure_nas.run.hits import read_hits
from pure_nas.run.search_results import Results, load_results
from pure_nas.run.seeds import seed_folder, seeds_begun
from pure_nas.workers.resources import WorkerPlan

CONFIRMED: dict[str, Any] = {"trials": 12, "confirm": 0.5}


def found(path: Path) -> list[tuple[Any, ...]]:
    """Every trial with what its further seeds found."""
    return [
        (each.number, each.candidate.digest, each.objectives, [(seed.seed, seed.objectives) for seed in each.seeds])
        for each in load_results(RunDirectory.open(path)).trials
    ]


def order(run: Path) -> list[list[int]]:
    document: dict[str, Any] = json.loads((run / "confirmations.json").read_text())
    return list(document["order"])


def interleaving(patch: pytest.MonkeyPatch, slots: int, **fields: Any) -> None:
    def start(prepared: Prepared, left: int) -> tuple[Interleaved, WorkerPlan]:
        return Interleaved(prepared.dataset, slots, **fields), WorkerPlan(slots, "for a test")

    patch.setattr(Prepared, "start_workers", start)


@pytest.fixture(scope="module")
def confirmed(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Heard, str]:
    """A search with confirmations, what was told, and how it ended."""
    out, heard = tmp_path_factory.mktemp("confirmed"), Heard()
    return out / "study", heard, run_search(tiny(**CONFIRMED), out, heard)


def test_half_of_the_trials_are_further_seeds_of_others(confirmed: tuple[Path, Heard, str]) -> None:
    path, heard, ended = confirmed
    assert len(heard.trials) == 6
    assert 1 <= len(heard.confirmed) <= 6
    assert ended.startswith(f"all 6 trials are done, and {len(heard.confirmed)} confirmation")
    assert [list(each.confirmation) for each in heard.confirmed] == order(path)
    run = RunDirectory(path)
    results = load_results(run)
    assert results.confirmed
    for trial in results.trials:
        assert [each.seed for each in trial.seeds] == seeds_begun(run.trial(trial.number)) == [1, 2][: len(trial.seeds)]
        assert trial.error == pytest.approx(sum(trial.errors) / len(trial.errors))
        assert trial.objectives[1] == trial.cost["flops"]
        for seed in trial.seeds:
            folder = seed_folder(run.trial(trial.number), seed.seed)
            hits = read_hits(folder)
            assert hits is not None
            assert (~hits.right).mean() == pytest.approx(seed.objectives[0])
            assert not folder.weights.exists()


@pytest.mark.parametrize("slots", [2, 3])
def test_any_number_of_workers_confirms_the_same(
    tiny: Settings, slots: int, confirmed: tuple[Path, Heard, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interleaving(monkeypatch, slots)
    run_search(tiny(**CONFIRMED), tmp_path)
    assert found(tmp_path / "study") == found(confirmed[0])
    assert order(tmp_path / "study") == order(confirmed[0])


@pytest.mark.parametrize("stop_after", [3, 5])
def test_one_that_is_interrupted_confirms_the_same(
    tiny: Settings,
    stop_after: int,
    confirmed: tuple[Path, Heard, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_search(tiny(trials=6), tmp_path)
    with monkeypatch.context() as patch:
        interleaving(patch, 2, stop_after=stop_after)
        with pytest.raises(KeyboardInterrupt):
            run_search(tiny(**CONFIRMED), tmp_path)
    with opened(prepare(tiny(**CONFIRMED)), tmp_path) as search:
        assert search.plan.unfinished
        search.driver.go(search.plan, Heard())
    assert found(tmp_path / "study") == found(confirmed[0])
    assert order(tmp_path / "study") == order(confirmed[0])


def test_a_run_that_is_done_is_not_begun_again(
    tiny: Settings, confirmed: tuple[Path, Heard, str], tmp_path: Path
) -> None:
    shutil.copytree(confirmed[0], tmp_path / "study")
    with opened(prepare(tiny(**CONFIRMED)), tmp_path) as search:
        assert search.left == search.plan.left == 0
        assert search.plan.finished == confirmed[2]


def test_a_search_that_had_none_confirms_what_it_has(tiny: Settings, tmp_path: Path) -> None:
    run_search(tiny(trials=5), tmp_path)
    heard = Heard()
    ended = run_search(tiny(trials=5, confirm=0.4), tmp_path, heard)
    assert heard.trials == []
    assert len(heard.confirmed) == 2
    assert ended == "all 3 trials are done, and 2 confirmations"
    assert [each.number for each in results_of(tmp_path).trials] == list(range(5))


def test_a_run_of_an_older_version_is_confirmed_without_hits(tiny: Settings, tmp_path: Path) -> None:
    older = {"trials": 5, "lag": None, "early_stopping": False}
    run_search(tiny(**older), tmp_path)
    for trial in RunDirectory(tmp_path / "study").trials():
        trial.hits.unlink()
        result = trial.ended
        result.write_text(json.dumps({**json.loads(result.read_text()), "digests": None}))
    heard = Heard()
    run_search(tiny(**older, confirm=0.4), tmp_path, heard)
    assert heard.trials == []
    assert len(heard.confirmed) == 2
    data = report_data(RunDirectory(tmp_path / "study"))
    assert all(row.standing for row in data.front)
    assert data.pairs == ()


def test_a_share_of_the_time_is_for_confirmations(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    # By a clock that goes on by a second with each training.
    monkeypatch.setattr(Budget, "seconds", property(lambda self: float(len(heard.trials) + len(heard.confirmed))))
    run_search(tiny(trials=40, confirm=0.5, time_seconds=7.5), tmp_path, heard)
    assert len(heard.trials) == 4
    assert 1 <= len(heard.confirmed) <= 4


def test_a_search_that_ends_where_it_is_flat_confirms_what_it_has(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(results: Results, **_: Any) -> Outlook | None:
        return Outlook(20, 0.0, modelled=False) if results.trials else None

    monkeypatch.setattr("pure_nas.plans.search.search.outlook_of", flat)
    heard = Heard()
    ended = run_search(tiny(trials=20, confirm=0.1, until_flat=True), tmp_path, heard)
    assert (len(heard.trials), len(heard.confirmed)) == (5, 2)
    assert ended == "another 20 trials would likely add less than 0.2% to the hypervolume, and 2 confirmations"


def test_what_was_lost_is_trained_again(tiny: Settings, confirmed: tuple[Path, Heard, str], tmp_path: Path) -> None:
    run = RunDirectory(Path(shutil.copytree(confirmed[0], tmp_path / "study")))
    number, seed = order(run.path)[0]
    shutil.rmtree(seed_folder(run.trial(number), seed).path)
    heard = Heard()
    run_search(tiny(**CONFIRMED), tmp_path, heard)
    assert [tuple(each.confirmation) for each in heard.confirmed] == [(number, seed)]
    assert found(run.path) == found(confirmed[0])


def test_a_seed_that_diverges_counts_as_guessing_and_one_that_fails_not_at_all(
    tiny: Settings, tmp_path: Path, confirmed: tuple[Path, Heard, str]
) -> None:
    run = RunDirectory(Path(shutil.copytree(confirmed[0], tmp_path / "study")))
    number, seed = order(run.path)[0]
    folder = seed_folder(run.trial(number), seed)
    before = results_of(tmp_path)
    for state, errors in (("diverged", 1 - 1 / 3), ("failed", None)):
        folder.hits.unlink(missing_ok=True)
        folder.finish({"schema": 1, "number": number, "seed": seed, "state": state, "reason": "for a test"})
        trial = next(each for each in results_of(tmp_path).trials if each.number == number)
        others = [each for each in before.trials[number].seeds if each.seed != seed]
        assert len(trial.seeds) == len(others) + (state == "diverged")
        assert state == "failed" or pytest.approx(errors) in trial.errors


@pytest.mark.parametrize("name", ["hits.json", "result.json"])
def test_damage_is_an_error_that_says_what_to_do(name: str, confirmed: tuple[Path, Heard, str], tmp_path: Path) -> None:
    run = RunDirectory(Path(shutil.copytree(confirmed[0], tmp_path / "study")))
    number, seed = order(run.path)[0]
    path = seed_folder(run.trial(number), seed).path / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match=name) as caught:
        load_results(run)
    assert "remove this folder and run the search command again" in str(caught.value)


@pytest.mark.parametrize("confirm", [0.0, 1.0, -0.2, 20.0])
def test_what_is_no_share_is_refused(tiny: Settings, confirm: float) -> None:
    with pytest.raises(UsageError, match="is not a share between 0 and 100 %"):
        tiny(confirm=confirm)


def test_a_single_trial_cannot_be_confirmed(tiny: Settings) -> None:
    with pytest.raises(UsageError, match="takes 2 trials or more"):
        tiny(trials=1, confirm=0.2)
