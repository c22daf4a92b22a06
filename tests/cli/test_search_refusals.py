"""Every bad input to a search is one message that names the way out, and leaves no trace."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from studies import Study, contents, invoke

from pure_nas.run.directory import RunDirectory


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--trials", "0", "--trials"),
        ("--trials", "many", "--trials"),
        ("--epochs", "0", "--epochs"),
        ("--seed", "-1", "--seed"),
        ("--seed", "99999999999999999999", "--seed"),
        ("--image-size", "100000", "--image-size"),
        ("--image-size", "1", "--image-size"),
        ("--sampler", "best", "--sampler"),
        ("--workers", "0", '"0" is not auto or a number of 1 or more'),
        *(
            ("--workers", text, f'"{text}" is not auto or a number of 1 or more')
            for text in ("two", "-1", "1.5", "", "²")
        ),
        ("--workers", "100000", "The number of workers cannot be 100000 on"),
        ("--time", "0", '"0" is not a time such as 90s'),
        ("--time", "5y", '"5y" is not a time such as 90s'),
        ("--max-params", "1,5M", '"1,5M" is not a size such as 300k'),
        ("--max-params", "0", '"0" is not a size such as 300k'),
        ("--max-params", "abc", '"abc" is not a size'),
        ("--max-params", "1e400", '"1e400" is not a size'),
        ("--objectives", "error", 'The objectives "error" must begin with error and name costs, each once'),
        ("--objectives", "flops", "must begin with error"),
        ("--objectives", "error,error", "must begin with error and name costs, each once"),
        ("--objectives", "errr,flops", 'There is no objective "errr"; did you mean "error"?'),
        ("--objectives", "", 'There is no objective ""'),
        ("--device", "tpu", 'There is no device "tpu"'),
        ("--device", "cuda:", 'There is no device "cuda:"'),
        ("--space", "digit", 'There is no search space "digit"; did you mean "digits"?'),
        ("--space", "nope.toml", "The search space nope.toml cannot be read: No such file"),
        ("--study", "", "is empty"),
        ("--study", "..", "begins with a dot or has a slash"),
        ("--study", "a/b", "begins with a dot or has a slash"),
        ("--study", "/tmp/elsewhere", "begins with a dot or has a slash"),
        ("--study", "x" * 300, "is longer than 200 bytes"),
        ("--study", "a\x1b[31mb", "cannot be printed"),
        ("--dataset", "cifar1", 'There is no dataset "cifar1"; did you mean "cifar10"?'),
        ("--max-params", "10", "the smallest has 365 params"),
        ("--max-flops", "10", "No network of this space keeps the limit of 10 flops: the smallest has "),
        ("--storage", "rubbish://x", 'The storage "rubbish://x" cannot be opened'),
    ],
)
def test_wrong_value_is_refused_with_2(new_study: Study, option: str, value: str, message: str) -> None:
    answer = new_study.go(option, value)
    assert answer.code == 2
    assert answer.stderr.count("╭") == 1
    assert message in answer.message
    assert answer.stdout == ""
    assert not (new_study.run / "run.toml").exists()


def test_storage_can_be_corrected(new_study: Study) -> None:
    assert new_study.go("--storage", "rubbish://x").code == 2
    assert new_study.go("--trials", 1).code == 0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("missing", "There is no folder"),
        ("empty", "holds no folders of images"),
        ("hollow", 'The class "a" has no images'),
        ("file", "is a file, not a folder of images"),
    ],
)
def test_folder_without_images_is_refused(new_study: Study, tmp_path: Path, dataset: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for name in "ab":
        (tmp_path / "hollow" / name).mkdir(parents=True)
    (tmp_path / "file").write_text("no folder")
    answer = new_study.go("--dataset", tmp_path / dataset)
    assert answer.code == 1
    assert message in answer.message
    assert not new_study.out.exists()


def test_dataset_that_cannot_be_downloaded_says_where_its_file_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*arguments: object, **options: object) -> NoReturn:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    answer = invoke("search", "--dataset", "cifar10", "--data-dir", tmp_path, "--out", tmp_path / "runs")
    assert answer.code == 1
    assert "cannot be downloaded: Name or service not known" in answer.message
    assert str(tmp_path / "cifar-10-python.tar.gz") in "".join(answer.message.split())
    assert not (tmp_path / "runs").exists()


def test_every_fault_of_a_space_is_listed_at_once(new_study: Study, tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.toml"
    text = new_study.space.read_text(encoding="utf-8")
    text = (
        text.replace("base_width", "base_widht").replace('"product"]', '"prodct"]').replace("trials = 6", "trials = 0")
    )
    faulty.write_text(text, encoding="utf-8")
    answer = new_study.go("--space", faulty)
    assert answer.code == 2
    assert answer.stderr.count("╭") == 1
    assert f"{faulty} has 3 errors:" in answer.message
    for fault in ('did you mean "base_width"?', 'did you mean "product"?', "run.trials: "):
        assert fault in answer.message


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_folder_that_cannot_be_made_is_refused(new_study: Study, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("no folder")
    answer = new_study.go("--out", tmp_path / out)
    assert answer.code == 1
    assert "is a file, not a folder" in answer.message


def test_folder_with_other_files_is_left_alone(new_study: Study) -> None:
    new_study.run.mkdir(parents=True)
    (new_study.run / "thesis.tex").write_text("mine")
    answer = new_study.go()
    assert answer.code == 1
    assert "holds files, but no run" in answer.message
    assert [path.name for path in new_study.run.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        (["--seed", "3"], ["seed: 0 in the run, 3 now"]),
        (["--epochs", "2"], ["epochs: 1 in the run, 2 now"]),
        (["--objectives", "error,params"], ["objectives: ['error', 'flops'] in the run, ['error', 'params'] now"]),
        (["--max-params", "300k"], ["limits.params: nothing in the run, 300000 now"]),
        (["--dataset", "digits"], ["dataset: ", "'digits' now"]),
        (["--space", "digits"], ["space: ", "'digits' now", "batch_size: 16 in the run, 64 now"]),
        (["--baselines"], ["baselines: False in the run, True now"]),
    ],
)
def test_run_with_other_settings_is_refused_and_kept(study: Study, changes: list[str], listed: list[str]) -> None:
    before = contents(study.run)
    answer = study.go(*changes)
    assert answer.code == 1
    assert "was started with other settings:" in answer.message
    assert [text for text in listed if text not in answer.message] == []
    assert "fingerprint" not in answer.message
    assert contents(study.run) == before


def test_images_that_changed_are_named(study: Study, tmp_path: Path) -> None:
    folder = tmp_path / study.dataset.name
    shutil.copytree(study.dataset, folder)
    shutil.copy(folder / "train" / "crosses" / "001.png", folder / "train" / "circles" / "000.png")
    before = contents(study.run)
    answer = study.go("--dataset", folder)
    assert answer.code == 1
    assert f"dataset: '{study.dataset}' in the run, '{folder}' now" in answer.message
    assert contents(study.run) == before


def test_run_in_use_is_left_alone(study: Study) -> None:
    with RunDirectory(study.run).locked():
        before = contents(study.run)
        answer = study.go("--trials", 8)
        assert answer.code == 1
        assert "is in use by process " in answer.message
        assert contents(study.run) == before


def test_limits_that_reject_suggestions_do_not_count_them(new_study: Study) -> None:
    answer = new_study.go("--trials", 2, "--max-params", "700")
    assert answer.code == 0
    assert "rejected" in answer.stderr
    assert "2 trials, " in answer.stderr


def test_images_that_do_not_fit_into_memory_are_explained(new_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.data.dataset.ImageSource.__call__", lambda _: np.empty(2**50))
    answer = new_study.go()
    assert answer.code == 1
    assert "Memory ran out: Unable to allocate" in answer.message
