"""What a run may resume with, what it refuses to become, and which folders it leaves alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from experiment_files import contents, go, results_of, settings_of

from pure_nas.errors import DataError, RunError, UsageError
from pure_nas.files import read_json_lines
from pure_nas.findings.findings import findings_of
from pure_nas.plans.experiment.session import prepare
from pure_nas.run.directory import RunDirectory
from pure_nas.training.training import Training


@pytest.mark.parametrize(
    ("old", "new", "fields", "expected"),
    [
        ("resnet8", "resnet14", {}, "networks.adds.base: 'resnet8' in the run, 'resnet14' now"),
        ("0.0, -2.0", "0.0", {}, "networks.multiplies -2.base: 'pure8' in the run, nothing now"),
        ("epochs = 2", "epochs = 3", {}, "epochs: 2 in the run, 3 now"),
        ("", "", {"scale_name": "tinier"}, "scale: 'tiny' in the run, 'tinier' now"),
        ("", "", {"dataset": "digits"}, "in the run, 'digits' now"),
        ("[scales", "[recipes.usual]\nmomentum = 0.5\n[scales", {}, "recipes.usual.momentum: nothing in the run, 0.5"),
        ("schema", 'split = "validation"\nschema', {}, "split: 'test' in the run, 'validation' now"),
        ("schema", 'evaluations = ["noise"]\nschema', {}, "evaluations: [] in the run, ['noise'] now"),
    ],
)
def test_a_changed_experiment_is_refused_with_what_differs(
    text: str, finished: Path, old: str, new: str, fields: dict[str, Any], expected: str
) -> None:
    before = contents(finished)
    with pytest.raises(RunError, match="was started with other settings") as raised:
        go(settings_of(text.replace(old, new, 1), **fields), finished)
    lines = raised.value.message.splitlines()[1:]
    assert any(expected in line for line in lines), lines
    # What only follows from something else is left out.
    assert not any(line.startswith(("  trained.", "  data.")) for line in lines)
    assert "--out" in raised.value.hint
    assert contents(finished) == before


def test_what_needs_no_training_may_change_and_replaces_the_runs_copy(
    text: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    changed = text.replace("Which of two", "Which one of two").replace("0.4, 0.6, 0.95", "0.3")
    changed = changed.replace('reference = "adds"', 'reference = "multiplies 0"')
    monkeypatch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
    experiment, stopped = go(settings_of(changed, "renamed"), folder)
    assert (stopped, experiment.file_replaced) == ("all 6 trainings are done", True)
    assert (folder / "experiment.toml").read_text(encoding="utf-8") == changed
    results = results_of(folder)
    assert (results.settings["experiment"], results.targets) == ("renamed", [0.3])
    assert {comparison.reference for comparison in findings_of(results).comparisons} == {"multiplies 0"}
    # The same file again changes nothing.
    assert not go(settings_of(changed, "renamed"), folder)[0].file_replaced
    assert [record["event"] for record in read_json_lines(folder / "log.jsonl")].count("experiment file replaced") == 1


def test_tables_in_another_order_go_on(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    own, same = '[networks.adds]\nbase = "resnet8"\n', '[networks.zz-same]\nbase = "resnet8"\n'
    one, other = text.replace(own, own + same), text.replace(own, same + own)
    go(settings_of(one, seeds=1), folder)
    assert sorted(path.name for path in (folder / "trials").iterdir()) == [
        "adds-seed1",
        "multiplies--2-seed1",
        "multiplies-0-seed1",
    ]
    monkeypatch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
    assert go(settings_of(other, seeds=1), folder)[1] == "all 3 trainings are done"
    # Older versions took the first of equal networks: such a folder is read on, in either order.
    (folder / "trials" / "adds-seed1").rename(folder / "trials" / "zz-same-seed1")
    for written in (one, other):
        assert go(settings_of(written, seeds=1), folder)[1] == "all 3 trainings are done"
        assert results_of(folder).complete == 3


def test_the_stated_cost_is_of_the_files_own_images(
    text: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = settings_of(
        text.replace(str(image_folder), image_folder.name), folder=image_folder.parent, scale_name="tinier"
    )
    go(relative, tmp_path / "own")
    assert results_of(tmp_path / "own").stated_cost == "a second"
    shutil.copytree(image_folder, tmp_path / "images")
    go(replace(relative, dataset="images"), tmp_path / "other")
    assert results_of(tmp_path / "other").stated_cost is None
    # A run from before that was recorded resumes, and is read as it was then.
    for run in (RunDirectory(tmp_path / "own"), RunDirectory(tmp_path / "other")):
        run.write_settings({key: each for key, each in run.settings().items() if key != "dataset_replaced"})
        assert results_of(run.path).stated_cost is None
    go(relative, tmp_path / "own")
    assert results_of(tmp_path / "own").stated_cost == "a second"


def test_a_run_of_a_version_that_did_not_mind_settings_without_effect_is_read(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "old")
    file = run / "experiment.toml"
    file.write_text(file.read_text() + '\n[views]\ncrops = "flip"\n')
    assert results_of(run).complete == results_of(finished).complete


def test_equal_images_elsewhere_go_on_and_changed_ones_are_refused(
    text: str, image_folder: Path, tmp_path: Path
) -> None:
    go(settings_of(text, scale_name="tinier"), tmp_path / "run")
    images = shutil.copytree(image_folder, tmp_path / "called-otherwise")
    settings = settings_of(text, dataset=str(images), scale_name="tinier")
    assert go(settings, tmp_path / "run")[1] == "the training is done"
    (images / "train" / "crosses" / "003.png").unlink()
    with pytest.raises(RunError, match=r"The images of .+ have changed since"):
        go(settings, tmp_path / "run")


def test_folders_that_hold_something_else_are_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "experiment.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="holds files, but no experiment"):
        go(settings_of(text), tmp_path / "mine")
    assert (tmp_path / "mine" / "experiment.toml").read_text(encoding="utf-8") == "mine"
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        go(settings_of(text), tmp_path / "file")
    search = RunDirectory(tmp_path / "search")
    search.write_settings({"schema": 1, "study": "a"})
    with pytest.raises(RunError, match="holds a search, not an experiment"):
        go(settings_of(text), search.path)
    with pytest.raises(RunError, match="holds no experiment"):
        results_of(search.path)


def test_a_start_that_was_cut_short_is_taken_up(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in (("experiment.toml", text), ("environment.json", "{}"), ("run.lock", "")):
        (folder / name).write_text(content, encoding="utf-8")
    assert go(settings_of(text, scale_name="tinier"), folder)[1] == "the training is done"


def test_corrupt_images_are_left_out_if_asked_and_from_then_on(text: str, image_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(image_folder, images)
    (images / "train" / "crosses" / "003.png").write_bytes(b"no image")
    settings = settings_of(text, dataset=str(images), scale_name="tinier")
    with pytest.raises(DataError, match="--skip-corrupt"):
        prepare(settings)
    folder = tmp_path / "run"
    asked = replace(settings, skip_corrupt=True)
    assert asked.going_on_in(folder).skip_corrupt
    assert not settings.going_on_in(folder).skip_corrupt
    assert prepare(asked).dataset.skipped == 1
    go(asked, folder)
    assert RunDirectory(folder).settings()["skip_corrupt"] is True
    assert go(settings.going_on_in(folder), folder)[1] == "the training is done"


def test_other_settings_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="at most 1,000 seeds, not 1,001"):
        settings_of(text, seeds=1001)
