"""Every bad input to a search is one message that names the way out, and leaves no trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from studies import Study, contents

from pure_nas.run.directory import RunDirectory


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--trials", "0", "--trials"),
        ("--epochs", "0", "--epochs"),
        ("--seed", "-1", "--seed"),
        ("--seed", "99999999999999999999", "--seed"),
        ("--image-size", "100000", "--image-size"),
        ("--image-size", "1", "--image-size"),
        ("--sampler", "best", "--sampler"),
        *(("--workers", text, f'"{text}" is not auto or a number of 1 or more') for text in ("0", "1.5", "", "²")),
        ("--time", "5y", '"5y" is not a time such as 90s'),
        ("--max-params", "1,5M", '"1,5M" is not a size such as 300k'),
        ("--max-flops", "10", "No network of this space keeps the limit of 10 flops: the smallest has "),
        ("--objectives", "error", 'The objectives "error" must begin with error and name costs, each once'),
        ("--objectives", "flops", "must begin with error"),
        ("--objectives", "error,error", "must begin with error and name costs, each once"),
        ("--device", "tpu", 'There is no device "tpu"'),
        ("--space", "digit", 'There is no search space "digit"; did you mean "digits"?'),
        ("--study", "", "is empty"),
        ("--study", "..", "begins with a dot or has a slash"),
        ("--study", "a/b", "begins with a dot or has a slash"),
        ("--study", "x" * 300, "is longer than 200 bytes"),
        ("--study", "a\x1b[31mb", "cannot be printed"),
        ("--dataset", "cifar1", 'There is no dataset "cifar1"; did you mean "cifar10"?'),
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


def test_folder_that_cannot_be_made_is_refused(new_study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "is a file, not a folder" in new_study.go("--out", tmp_path / "file" / "below").refusal(1)


def test_folder_with_other_files_is_left_alone(new_study: Study) -> None:
    new_study.run.mkdir(parents=True)
    (new_study.run / "thesis.tex").write_text("mine")
    assert "holds files, but no run" in new_study.go().refusal(1)
    assert [path.name for path in new_study.run.iterdir()] == ["thesis.tex"]


def test_run_with_other_settings_is_refused_and_kept(study: Study) -> None:
    before = contents(study.run)
    refused = study.go("--seed", 3, "--space", "digits", "--dataset", "digits").refusal(1)
    for listed in (
        "started with other settings:",
        "seed: 0 in the run, 3 now",
        "'digits' now",
        "16 in the run, 64 now",
    ):
        assert listed in refused
    assert "fingerprint" not in refused
    assert contents(study.run) == before


def test_run_in_use_is_left_alone(study: Study) -> None:
    with RunDirectory(study.run).locked():
        before = contents(study.run)
        assert "is in use by process " in study.go("--trials", 8).refusal(1)
        assert contents(study.run) == before


def test_limits_that_reject_suggestions_do_not_count_them(new_study: Study) -> None:
    answer = new_study.go("--trials", 2, "--max-params", "700").done()
    assert "rejected" in answer.stderr
    assert "2 trials, " in answer.stderr


def test_images_that_do_not_fit_into_memory_are_explained(new_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.data.dataset.ImageSource.__call__", lambda _: np.empty(2**50))
    assert "Memory ran out: Unable to allocate" in new_study.go().refusal(1)
    assert not new_study.out.exists()
