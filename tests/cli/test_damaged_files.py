"""Files of a run that are damaged: every command explains them and keeps the run, or gives what it gave before."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damage import damaged
from studies import Study, contents, invoke, json_in

from pure_nas.errors import PureNasError
from pure_nas.findings.experiment_results import load_experiment_results
from pure_nas.findings.findings import document, findings_of
from pure_nas.plans.budget import Budget
from pure_nas.report.data import flattened, read_environment, report_data
from pure_nas.report.search_tables import front_document
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import RunImages
from pure_nas.run.retrained import load_retraining
from pure_nas.run.weights import read_weights

MOST = 40
TRIAL = ("result.json", "architecture.json", "recipe.json", "metrics.jsonl", "weights.safetensors")
FILES = {
    "search": (
        *("run.toml", "environment.json", "log.jsonl", "state.json", "retrain.json"),
        *(f"trials/0001/{name}" for name in TRIAL),
        *(f"retrained/{name}" for name in TRIAL),
    ),
    "experiment": (
        "run.toml",
        "experiment.toml",
        *(f"trials/adds-seed1/{name}" for name in (*TRIAL, "evaluation.json")),
    ),
    "training": ("training.json", *TRIAL),
}


@pytest.fixture(scope="module")
def left(
    finished: Study, write_experiment: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The folders of a search whose trial 1 was retrained, a training and an experiment; not to be changed."""
    folder = tmp_path_factory.mktemp("left")
    study = finished.copied(folder)
    found = {"search": study.run, "training": folder / "trained", "experiment": folder / "experiment"}
    file = write_experiment(folder / "file.toml", 'evaluations = ["noise", "invariance"]', epochs=2)
    invoke("retrain", study.run, "--trials", "1", "--seeds", 1, "--device", "cpu").done()
    invoke("train", f"{study.run}:1", "--dataset", study.dataset, "--epochs", 2, "-o", found["training"]).done()
    invoke("experiment", file, "--out", folder, "--study", "experiment", "--device", "cpu").done()
    return found


def located(run: Path, name: str) -> Path:
    """The file of a run that is called so; "retrained" is the folder of trial 1, retrained."""
    if not name.startswith("retrained/"):
        return run / name
    digest = RunDirectory(run).trial(1).candidate().digest
    return run / "retrain" / f"{digest}-seed1" / name.removeprefix("retrained/")


def put(path: Path, content: bytes | None) -> None:
    if path.is_dir():
        path.rmdir()
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)


def read_search(run: Path, name: str) -> Any:
    """What a file of a search gives its readers, with all that could disagree with it."""
    directory = RunDirectory(run)
    match name:
        case "environment.json":
            return flattened(read_environment(directory))
        case "log.jsonl" | "state.json":
            if name == "log.jsonl":
                directory.path.joinpath("state.json").unlink(missing_ok=True)
            return Budget(run=directory).seconds >= 0
        case "retrain.json":
            return load_retraining(directory)
    if name.startswith("retrained/"):
        return read_trial_files(TrialDirectory(located(run, name).parent, 1))
    data = report_data(directory)
    images = RunImages.of_run(directory)
    facts = data.trials_text, data.complete, data.front, data.curves, images.fingerprint, images.facts
    return front_document(data), facts, read_trial_files(directory.trial(1))


def read_trial_files(trial: TrialDirectory) -> Any:
    """What the files of a trial say, but for the digests, which older versions lack."""
    result = {key: value for key, value in (trial.result() or {}).items() if key != "digests"}
    return result, trial.curve(), trial.candidate().digest, weights_in(trial.path)


def weights_in(folder: Path) -> Any:
    return {key: value.tolist() for key, value in read_weights(folder / "weights.safetensors")[0].items()}


def read_experiment(run: Path) -> Any:
    results = load_experiment_results(RunDirectory(run))
    images = RunImages.of_run(RunDirectory(run))
    return document(findings_of(results)), images.facts, weights_in(run / "trials" / "adds-seed1")


def read_training(folder: Path) -> Any:
    return read_trial_files(TrialDirectory(folder, 0)), RunImages.of_training(folder / "training.json")


WITHOUT_DIGEST = {"environment.json", "log.jsonl", "state.json", "training.json", "run.toml", "experiment.toml"}
"""What they say may differ, and is only checked for sense."""


def explained(path: Path, read: Callable[[], Any]) -> int:
    """Damage a file in every way; returns in how many that was explained, and otherwise checks what is read."""
    good, right, count = path.read_bytes(), read(), 0
    for name, content in damaged(path, MOST):
        put(path, content)
        try:
            found = read()
        except PureNasError as error:
            found = error
        put(path, good)
        if isinstance(found, PureNasError):
            assert {path.name, path.parent.name} & set(re.split(r"[/ ,:]+", found.message)), f"{name}: {found}"
            count += 1
        else:
            assert found == right or path.name in WITHOUT_DIGEST, f"{path.name}, {name}"
    return count


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FILES.items() for name in names])
def test_damaged_files_are_explained_or_do_no_harm(left: dict[str, Path], tmp_path: Path, kind: str, name: str) -> None:
    run = Path(shutil.copytree(left[kind], tmp_path / "run"))
    read = {"search": lambda: read_search(run, name), "experiment": lambda: read_experiment(run)}
    few = {"log.jsonl": 1, "environment.json": 5}
    assert explained(located(run, name), read.get(kind, lambda: read_training(run))) >= few.get(name, 10)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("run.toml", "seed = 0", 'seed = "x"'),
        ("trials/0001/metrics.jsonl", '"epoch": 1', '"epoch": "x"'),
        ("trials/0001/architecture.json", "{", ""),
        ("trials/0001/recipe.json", '"epochs": 1', '"epochs": 2'),
        ("trials/0001/result.json", '"complete"', '"complet'),
    ],
)
def test_every_command_names_a_file_that_was_changed_and_changes_nothing(
    study: Study, name: str, right: str, wrong: str
) -> None:
    path = study.run / name
    assert right in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    before = contents(study.run)
    for answer in (
        study.go("--time", "1h"),
        invoke("report", study.run),
        invoke("export", study.run, "--trial", 1),
        invoke("retrain", study.run, "--trials", 1),
        invoke("describe", f"{study.run}:1"),
        invoke("evaluate", f"{study.run}:1", "--json"),
    ):
        assert answer.code in (1, 2), answer.stderr
        assert answer.stderr.count("╭") == 1
        assert str(path.parent).replace(" ", "") in answer.message.replace(" ", "")
        assert path.name in answer.message
        assert answer.stdout == ""
    changed = {path for path, data in contents(study.run).items() if before.get(path) != data}
    assert changed <= {"study.db-shm", "study.db-wal"}


def test_a_log_of_rubbish_does_no_harm_and_an_environment_that_was_changed_is_named(study: Study) -> None:
    log = study.run / "log.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace("+00:00", "") + "\0\n[]\n3\n", encoding="utf-8")
    for answer in (invoke("report", study.run), study.go("--time", "1h")):
        answer.done()
    (study.run / "environment.json").write_text("[]", encoding="utf-8")
    for answer in (invoke("report", study.run), study.go("--time", "1h")):
        assert "environment.json" in answer.refusal(1)


@pytest.mark.parametrize("cut", [1, 2000])
def test_a_study_that_was_cut_short_is_explained(study: Study, cut: int) -> None:
    path = study.run / "study.db"
    path.write_bytes(path.read_bytes()[:-cut])
    answer = study.go("--trials", 7)
    assert answer.code == 0 or "move study.db (and study.db-wal, study.db-shm) away" in answer.message


def test_a_folder_in_place_of_a_checkpoint_ends_no_search(study: Study) -> None:
    trial = study.run / "trials" / "0001"
    kept = (trial / "weights.safetensors").read_bytes()
    for path in (trial / "result.json", *study.run.glob("study.db*")):
        path.unlink()
    (trial / "checkpoint.pt").mkdir()
    assert "trial 1  complete" in study.go().done().stderr
    assert (trial / "weights.safetensors").read_bytes() == kept


def test_weights_with_flipped_bits_are_never_used(study: Study, tmp_path: Path) -> None:
    path = study.run / "trials" / "0001" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    for place in range(4):
        data[-8 - 4 * place] ^= 64
    path.write_bytes(data)
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("architecture.json", "weights.safetensors"):
        shutil.copy(path.with_name(name), copied)
    for command in (
        ("export", study.run, "--trial", 1, "-o", tmp_path / "export"),
        ("evaluate", f"{study.run}:1"),
        ("evaluate", path),
        ("evaluate", copied, "--dataset", study.dataset),
    ):
        assert "weights.safetensors are damaged" in invoke(*command).refusal(1)
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("name", ["architecture.json", "recipe.json", "result.json", "metrics.jsonl"])
def test_files_of_another_trial_are_named(study: Study, name: str) -> None:
    shutil.copy(study.run / "trials" / "0002" / name, study.run / "trials" / "0001" / name)
    for answer in (invoke("report", study.run), study.go()):
        assert "trials/0001" in answer.refusal(1).replace(" ", "")


def test_a_search_trains_again_the_weights_that_a_message_misses(study: Study) -> None:
    weights = study.run / "trials" / "0001" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    missing = invoke("export", study.run, "--trial", 1).refusal(1)
    assert "weights.safetensors are missing" in missing
    assert "--restore-weights" in missing
    said = study.go("--restore-weights").done().message
    assert "The weights of trial 1 are missing or damaged" in said
    assert "weights of trial 1: trained again, with the same result" in said
    assert weights.read_bytes() == kept


def test_lost_weights_of_the_front_are_said_and_what_is_in_their_place_is_named(study: Study) -> None:
    for path in study.run.glob("trials/*/weights.safetensors"):
        path.unlink()
        path.mkdir()
    said = invoke("report", study.run).done().message
    assert "are missing or damaged: the search command trains them again." in said
    refused = study.go().refusal(1)
    assert "cannot be moved into" in refused
    assert "Remove what is in the way" in refused


def test_results_of_older_versions_have_no_digests_and_are_read(study: Study) -> None:
    for path in study.run.glob("trials/*/result.json"):
        result = json_in(path)
        del result["digests"]
        path.write_text(json.dumps(result), encoding="utf-8")
    invoke("export", study.run, "--trial", 1).done()
    assert "[7/7] trial 6" in study.go("--trials", 7).done().stderr


LONG = "a" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "--dataset", f"./{LONG}"],
        ["search", "--dataset", "digits", "--space", f"{LONG}.toml"],
        ["report", "a/" * 3000],
        ["evaluate", LONG],
        ["evaluate", f"{LONG}.safetensors"],
        ["train", f"{LONG}.json", "--dataset", "digits"],
        ["train", "resnet8", "--dataset", "digits", "--epochs", "1", "-o", LONG],
        ["experiment", LONG],
        ["datasets", "--data-dir", LONG],
    ],
    ids=" ".join,
)
def test_a_path_that_is_too_long_is_an_error_like_any_other(arguments: list[str]) -> None:
    answer = invoke(*arguments)
    assert answer.code in (1, 2)
    assert answer.stderr.count("╭") == 1


@pytest.mark.parametrize("writes", [0, 3, 9, 20])
def test_search_goes_on_once_a_full_disk_has_space_again(
    new_study: Study, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    sync, left = os.fsync, [writes]

    def fill(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill)
        full = new_study.go("--trials", 2).refusal(1)
    assert "cannot be written: No space left on device. Free some space" in full
    assert "2 trials, " in new_study.go("--trials", 2).done().stderr
