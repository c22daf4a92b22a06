"""A run that came to harm: what is wrong is found, and mended, or it is said why it cannot be."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damage import damaged
from studies import Study, contents, invoke, json_in

from pure_nas.findings.experiment_results import load_experiment_results
from pure_nas.plans import doctor
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import load_results

MOST = 6
MISSING = b"nothing at all"
"""Stands for no file."""
TRIAL = ("result.json", "architecture.json", "recipe.json", "metrics.jsonl", "weights.safetensors", "hits.json")
TRAINING = ("result.json", "architecture.json", "metrics.jsonl", "weights.safetensors")


@pytest.fixture(scope="module")
def sound(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return finished.copied(tmp_path_factory.mktemp("sound"))


def values(run: Path) -> dict[int, Any]:
    return {each.number: (each.state, each.objectives) for each in load_results(RunDirectory(run)).trials}


def accuracies(run: Path) -> dict[tuple[str, int], float]:
    measured = load_experiment_results(RunDirectory(run)).measurements
    complete = [(cell, each) for cell, found in measured.items() for each in found if each.state == "complete"]
    return {(cell, each.seed): each.accuracy for cell, each in complete}


def put(path: Path, content: bytes | None) -> None:
    path.unlink()
    if content is None:
        path.mkdir()
    elif content != MISSING:
        path.write_bytes(content)


def test_nothing_is_wrong_with_a_sound_run(sound: Study) -> None:
    answer = invoke("doctor", sound.run).done()
    assert "Nothing is wrong with it." in answer.stdout
    assert invoke("doctor", sound.run, "--json").done().json["findings"] == []


@pytest.mark.parametrize("name", ["state.json", "environment.json", *(f"trials/0001/{each}" for each in TRIAL)])
def test_whatever_happened_to_a_file_is_mended(sound: Study, tmp_path: Path, name: str) -> None:
    found_any = 0
    good = sound.run / name
    for place, (kind, content) in enumerate([*damaged(good, MOST), ("missing", MISSING)]):
        run = Path(shutil.copytree(sound.run, tmp_path / str(place)))
        put(run / name, content)
        before = contents(run)
        directory = RunDirectory(run)
        findings = doctor.examine(directory)
        assert contents(run) == before, kind  # to look changes nothing
        found_any += any(each.harms for each in findings)
        backup = doctor.repair(directory, findings)
        assert not [each for each in doctor.examine(directory) if each.harms and each.repairable], kind
        if content is not None and backup is not None and (backup / name).exists():
            assert (backup / name).read_bytes() == content
        # What is left can be read: all trials but the one that was damaged, with their values.
        left = values(run)
        assert {number: left[number] for number in left} == {number: values(sound.run)[number] for number in left}, kind
        assert set(values(sound.run)) - set(left) <= {1}, kind
        shutil.rmtree(run)
    assert found_any >= 8


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trials/0001/result.json", b"{"),
        ("trials/0001/architecture.json", b""),
        ("trials/0001/weights.safetensors", b"xx"),
        ("trials/0000/metrics.jsonl", b""),
        ("study.db", b"no database"),
        ("study.db", None),
    ],
)
def test_a_mended_search_ends_as_if_nothing_had_happened(study: Study, name: str, content: bytes | None) -> None:
    right = values(study.run)
    put(study.run / name, content)
    assert invoke("doctor", study.run).code == 1
    answer = invoke("doctor", study.run, "--repair")
    assert "Repaired. What was moved is in" in answer.stdout
    study.go("--time", "1h").done()
    assert values(study.run) == right
    assert invoke("doctor", study.run).code == 0


def test_a_trial_whose_folder_is_gone_is_trained_again(study: Study) -> None:
    right = values(study.run)
    shutil.rmtree(study.run / "trials" / "0000")
    answer = invoke("doctor", study.run)
    assert "0000 is missing, but the study has later trials" in " ".join(answer.stdout.split())
    invoke("doctor", study.run, "--repair").done()
    study.go("--time", "1h").done()
    assert values(study.run) == right


def test_what_only_its_owner_can_restore_is_said(study: Study) -> None:
    (study.run / "run.toml").write_bytes(b"x")
    answer = invoke("doctor", study.run, "--repair", "--json")
    assert answer.code == 1
    (left,) = answer.json["left"]
    assert (left["repairable"], "restore a good copy" in left["remedy"]) == (False, True)


def test_a_run_that_is_in_use_is_left_alone(study: Study) -> None:
    with RunDirectory(study.run).locked():
        assert "is in use" in invoke("doctor", study.run, "--repair").refusal(1)


def test_what_a_kill_left_is_put_away(study: Study) -> None:
    stray = study.run / "trials" / "0001" / ".result.json.0123abcd"
    stray.write_text("{")
    (study.run / "owner.json").write_text("{}")
    (study.run / "trials" / "0001" / "checkpoint.pt").write_bytes(b"")
    answer = invoke("doctor", study.run, "--repair", "--json").done()
    assert [each["harms"] for each in answer.json["findings"]] == [False] * 3
    assert answer.json["left"] == []
    assert not stray.exists()
    backup = Path(answer.json["backup"])
    assert (backup / "trials" / "0001" / "checkpoint.pt").exists()
    assert len(json_in(backup / "findings.json")["findings"]) == 2


def test_a_study_that_disagrees_with_its_folders_is_rebuilt(study: Study) -> None:
    right = values(study.run)
    other = json.loads((study.run / "trials" / "0000" / "result.json").read_text())
    assert other["state"] == "complete"
    with sqlite3.connect(study.run / "study.db") as database:
        database.execute("UPDATE trial_values SET value = 0.123 WHERE objective = 0")
    database.close()
    answer = invoke("doctor", study.run)
    assert "The study has other values for trial 0 than its result.json" in " ".join(answer.stdout.split())
    invoke("doctor", study.run, "--repair").done()
    study.go("--time", "1h").done()
    assert values(study.run) == right


def test_a_full_disk_is_foreseen(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Callable[..., Any] = lambda _: shutil._ntuple_diskusage(10, 9, 1)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert "too little for 10 more trials" in " ".join(invoke("doctor", study.run).done().stdout.split())


def test_every_run_of_a_race_is_checked_and_mended(image_folder: Path, tiny_space_file: Path, tmp_path: Path) -> None:
    given = ["race", "--dataset", image_folder, "--space", tiny_space_file, "--out", tmp_path, "--study", "raced"]
    race = [*given, "--seeds", 1, "--device", "cpu", "--trials", 4]
    invoke(*race).done()
    folder = tmp_path / "raced"
    right = {name: values(folder / name) for name in ("forecast-0", "tpe-0")}
    assert invoke("doctor", folder).done().stdout.count("Nothing is wrong with it.") == 2
    (folder / "tpe-0" / "trials" / "0001" / "result.json").write_text("{")
    found = invoke("doctor", folder, "--json")
    assert found.code == 1
    assert [len(each["findings"]) for each in found.json["runs"]] == [0, 1]
    repaired = invoke("doctor", folder, "--repair")
    assert f"What was moved is in {folder / 'tpe-0'}" in repaired.stdout
    invoke(*race).done()
    assert {name: values(folder / name) for name in right} == right
    assert invoke("doctor", folder).code == 0


@pytest.mark.parametrize("name", TRAINING)
def test_a_mended_experiment_ends_as_if_nothing_had_happened(
    write_experiment: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    file = write_experiment(tmp_path / "tiny.toml", epochs=1, seeds=2)
    command = ["experiment", file, "--out", tmp_path, "--study", "sound", "--device", "cpu"]
    invoke(*command).done()
    sound = tmp_path / "sound"
    training = next(iter(sorted((sound / "trials").iterdir()))).name
    command[5] = "damaged"
    for place, (kind, content) in enumerate(damaged(sound / "trials" / training / name, MOST)):
        run = tmp_path / "damaged"
        shutil.copytree(sound, run)
        put(run / "trials" / training / name, content)
        answer = invoke("doctor", run, "--repair", "--json")
        assert not [each for each in answer.json["left"] if each["repairable"]], kind
        if place % 5 == 0 and answer.json["backup"]:
            invoke(*command).done()
            assert accuracies(run) == accuracies(sound), kind
        assert set(accuracies(run).items()) <= set(accuracies(sound).items()), kind
        shutil.rmtree(run)


@pytest.mark.parametrize("content", [b"{", b"", None, b"{}"])
def test_further_seeds_whose_order_is_lost_are_trained_again(study: Study, content: bytes | None) -> None:
    study.go("--confirm", "34%").done()
    right = values(study.run)
    put(study.run / "confirmations.json", content)
    assert invoke("doctor", study.run).code == 1
    invoke("doctor", study.run, "--repair")
    study.go("--confirm", "34%").done()
    assert values(study.run) == right
    assert invoke("doctor", study.run).code == 0


def test_what_is_missing_is_said(study: Study) -> None:
    (study.run / "log.jsonl").unlink()
    answer = invoke("doctor", study.run).done()
    assert "is missing or empty" in answer.stdout
    settings_file = study.run / "run.toml"
    settings_file.write_text('warm_start = ["/somewhere"]\n' + settings_file.read_text())
    answer = invoke("doctor", study.run)
    assert answer.code == 1
    assert "warm_start.json" in answer.stdout
