"""Weights that are missing or damaged are trained again by the same command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from heard import Heard
from searches import results_of, run_search, settings_for

from pure_nas.plans.search import lost_weights
from pure_nas.run.directory import RunDirectory
from pure_nas.run.weights import read_weights


@pytest.fixture(scope="module")
def searched(image_folder: Path, tiny_space_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    run_search(settings_for(image_folder, tiny_space_file, trials=5), out)
    return out


@pytest.fixture
def out(searched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(searched, tmp_path / "out"))


def again(image_folder: Path, space: Path, out: Path, **options: bool) -> Heard:
    heard = Heard()
    run_search(settings_for(image_folder, space, trials=5), out, heard, **options)
    return heard


def test_weights_of_the_front_are_trained_again_to_the_same_bits(
    out: Path, image_folder: Path, tiny_space_file: Path
) -> None:
    run = RunDirectory(out / "study")
    missing, *_ = results_of(out).front
    damaged = results_of(out).front[-1]
    kept = {each.number: run.trial(each.number).weights.read_bytes() for each in (missing, damaged)}
    files = {path: path.read_bytes() for path in run.path.glob("trials/*/*")}
    changed = bytearray(kept[damaged.number])
    changed[-5] ^= 4
    run.trial(damaged.number).weights.write_bytes(changed)
    run.trial(missing.number).weights.unlink()
    heard = again(image_folder, tiny_space_file, out)
    assert {each.before.number for each in heard.restored} == {missing.number, damaged.number}
    assert all(each.after is not None and each.after.objectives == each.before.objectives for each in heard.restored)
    assert {path: path.read_bytes() for path in run.path.glob("trials/*/*")} == files
    assert not (run.path / "restored").exists()
    assert again(image_folder, tiny_space_file, out).restored == []


def test_weights_of_other_trials_are_trained_again_where_that_is_asked_for(
    out: Path, image_folder: Path, tiny_space_file: Path
) -> None:
    found = results_of(out)
    members = {each.number for group in found.groups for each in group}
    other = next(each for each in found.complete if each.number not in members and each.replay_of is None)
    weights = RunDirectory(out / "study").trial(other.number).weights
    weights.unlink()
    assert again(image_folder, tiny_space_file, out).restored == []
    assert not weights.exists()
    (restored,) = again(image_folder, tiny_space_file, out, restore_weights=True).restored
    assert restored.before.number == other.number
    read_weights(weights)


def test_another_result_takes_the_place_of_the_old_one_and_of_its_repeats(
    out: Path, image_folder: Path, tiny_space_file: Path, monkeypatch: pytest.MonkeyPatch
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
    settings = settings_for(image_folder, tiny_space_file, trials=6)
    monkeypatch.setattr("pure_nas.workers.work.generator", _other_generator)
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


def _other_generator(seed: int, *parts: object) -> object:
    from pure_nas.training.seeds import generator

    return generator(seed + 1, *parts)  # type: ignore[arg-type]


def test_a_move_that_was_cut_short_is_finished(
    out: Path, image_folder: Path, tiny_space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = results_of(out).best
    trial = RunDirectory(out / "study").trial(best.number)
    trial.weights.unlink()

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lost_weights.shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            again(image_folder, tiny_space_file, out)
    assert again(image_folder, tiny_space_file, out).restored == []
    assert trial.has_its_weights
    assert not (out / "study" / "restored").exists()
