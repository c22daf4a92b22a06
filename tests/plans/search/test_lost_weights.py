"""Weights that are missing or damaged are trained again by the same command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from heard import Heard
from searches import Settings, results_of, run_search

from pure_nas.plans.search import lost_weights
from pure_nas.run.directory import RunDirectory
from pure_nas.run.weights import read_weights
from pure_nas.training.scoring import generator


@pytest.fixture(scope="module")
def searched(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    run_search(tiny(trials=5), out)
    return out


@pytest.fixture
def out(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "out"))


@pytest.fixture
def again(tiny: Settings, out: Path) -> Callable[..., Heard]:
    """Gives the command again."""

    def run(**options: bool) -> Heard:
        heard = Heard()
        run_search(tiny(trials=5), out, heard, **options)
        return heard

    return run


def test_weights_of_the_front_are_trained_again_to_the_same_bits(out: Path, again: Callable[..., Heard]) -> None:
    run = RunDirectory(out / "study")
    missing, *_ = results_of(out).front
    damaged = results_of(out).front[-1]
    kept = {each.number: run.trial(each.number).weights.read_bytes() for each in (missing, damaged)}
    files = {path: path.read_bytes() for path in run.path.glob("trials/*/*")}
    changed = bytearray(kept[damaged.number])
    changed[-5] ^= 4
    run.trial(damaged.number).weights.write_bytes(changed)
    run.trial(missing.number).weights.unlink()
    heard = again()
    assert {each.before.number for each in heard.restored} == {missing.number, damaged.number}
    assert all(each.after is not None and each.after.objectives == each.before.objectives for each in heard.restored)
    assert {path: path.read_bytes() for path in run.path.glob("trials/*/*")} == files
    assert not (run.path / "restored").exists()
    assert again().restored == []


def test_weights_of_other_trials_are_trained_again_where_that_is_asked_for(
    out: Path, again: Callable[..., Heard]
) -> None:
    found = results_of(out)
    other = next(each for each in found.complete if each not in sum(found.groups, ()) and each.replay_of is None)
    weights = RunDirectory(out / "study").trial(other.number).weights
    weights.unlink()
    assert again().restored == []
    assert not weights.exists()
    (restored,) = again(restore_weights=True).restored
    assert restored.before.number == other.number
    read_weights(weights)


def test_another_result_takes_the_place_of_the_old_one_and_of_its_repeats(
    tiny: Settings, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = results_of(out).best
    run = RunDirectory(out / "study")
    repeat = run.trial(5)
    shutil.copytree(run.trial(best.number).path, repeat.path)
    repeat.weights.unlink()
    repeat.metrics.unlink()
    result = run.trial(best.number).result()
    assert result is not None
    del result["digests"]
    repeat.finish({**result, "number": 5, "replay_of": best.number})
    run.trial(best.number).weights.unlink()
    # As on another machine: networks begin with other weights.
    settings = tiny(trials=6)
    monkeypatch.setattr("pure_nas.workers.work.generator", lambda seed, *parts: generator(seed + 1, *parts))
    heard = Heard()
    run_search(settings, out, heard)
    (restored,) = heard.restored
    before, after = restored.before, restored.after
    assert after is not None
    assert (before.number, after.number) == (best.number, best.number)
    assert run.trial(best.number).has_its_weights
    trials = {each.number: each for each in results_of(out).trials}
    assert trials[5].metrics == trials[best.number].metrics == after.metrics
    assert after.metrics != before.metrics


def test_a_move_that_was_cut_short_is_finished(
    out: Path, again: Callable[..., Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    best = results_of(out).best
    trial = RunDirectory(out / "study").trial(best.number)
    trial.weights.unlink()

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lost_weights.shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            again()
    assert again().restored == []
    assert trial.has_its_weights
    assert not (out / "study" / "restored").exists()


def test_weights_of_the_front_alone_are_kept_where_that_is_asked_for(
    tiny: Settings, searched: Path, tmp_path: Path
) -> None:
    run_search(tiny(trials=5, keep_weights="front"), tmp_path)
    run = RunDirectory(tmp_path / "study")
    results = results_of(tmp_path)
    front = {trial.trained for group in results.groups for trial in group}
    kept = {each.number for each in results.trials if run.trial(each.number).weights.exists()}
    assert kept == front
    assert len(front) < len(results.complete)
    assert [each.objectives for each in results.trials] == [each.objectives for each in results_of(searched).trials]
    heard = Heard()  # another rule when it resumes; nothing is missed
    run_search(tiny(trials=5), tmp_path, heard)
    assert heard.restored == []
