"""Every bad input to a command is one message that names the way out, and leaves no trace."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from studies import Study, contents, invoke

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
        *(
            ("--confirm", share, "is not a share between 0 and 100 %, such as 20% or 0.2")
            for share in ("0%", "0", "100%", "1", "20", "-5%", "half", "", "20%%")
        ),
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


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("nope", "Error"),
        ("search", "Error"),
        ("search --datset digits", "Error"),
        ("export", "Error"),
        ("describe pur20", 'There is no architecture "pur20". Names are pure<depth> and resnet<depth>'),
        ("describe ''", 'There is no architecture ""'),
        ("describe runs/digits", 'architecture "runs/digits". Use a .json file, or a trial of a run as RUN:TRIAL'),
        ("describe missing.json", "The architecture missing.json cannot be read: No such file"),
        ("spaces digit", "search space"),
        ("spaces nope.toml", "search space"),
        ("spaces ./", "search space"),
        ("datasets galaxy", 'did you mean "galaxy10"'),
        ("experiment dept-cifar10", 'There is no experiment "dept-cifar10"; did you mean "depth-cifar10"?'),
        ("experiment base", "Or give the file that is here: base.toml."),
        ("experiment noise --scale smal", 'There is no scale "smal" in this experiment; did you mean "small"?'),
        ("experiment noise --dataset digts", 'There is no dataset "digts"; did you mean "digits"?'),
        ("experiment noise --seeds 0", "--seeds"),
        ("experiment noise --time soon", '"soon" is not a time'),
        ("experiment noise --workers 0", "is not auto or a number"),
        ("experiment noise --study a/b", "The study name"),
        ("train pur20 --dataset digits", 'There is no architecture "pur20"'),
        ("train pure20 --dataset digits --dataset nope", 'There is no dataset "nope"'),
        ("train pure20 --dataset digits --device cuda:99", 'The device "cuda:99" is not available'),
        ("train pure20 --dataset digits --epochs 0", "--epochs"),
        ("train pure20 --dataset digits --lr nan", "--lr"),
        ("train pure20 --dataset digits --batch-size 1", "--batch-size"),
        ("retrain {run} --trials 1,x", 'There is no trial "x"'),
        ("retrain {run} --trials ''", "No trial is named. Name front, or trials such as best,3"),
        ("retrain {run} --seeds 0", "--seeds"),
        ("retrain {run} --epochs 0", "--epochs"),
        (
            "evaluate pure20",
            "pure20 is a network without weights: there is nothing to evaluate. Train it, for example with",
        ),
        ("evaluate {run}", "is a folder without weights.safetensors. Use a trial of the run, such as"),
        ("evaluate {run}:best --against resnet20", "resnet20 is a network without weights"),
        ("evaluate {run}:best --noise gausian=0.1", 'no noise "gausian"; did you mean "gaussian"'),
        ("evaluate {run}:best --noise gaussian=x", '"x" in "gaussian=x" is not a level'),
        ("evaluate {run}:best --noise salt-and-pepper=2", "must be from 0 to 1"),
        ("evaluate {run}:best --noise gaussian=0.1 --noise none", "no noise at all, but gaussian=0.1 is given"),
        ("evaluate {run}:best --noise none --noise all", "no noise at all, but all is given"),
        ("evaluate {run}:best --noise gaussian,none", 'none must be given alone, not as in "gaussian,none"'),
        ("evaluate {run}:best --noise all,gaussian", 'all must be given alone, not as in "all,gaussian"'),
        (
            "evaluate {run}:best --noise rain",
            "known: all, gaussian, none, poisson, salt-and-pepper, speckle; all and none must",
        ),
        ("evaluate {run}:best --image-size 16 --views five-crop --scales 20,12", "but a scale is 12."),
        ("evaluate {run}:best --scales 8,x", '"8,x" is not a list of sizes'),
        ("evaluate {run}:best --device tpu", 'no device "tpu"'),
        ("evaluate {run}:best --dataset digits", "another number of classes than those of digits: 3, not 10"),
        ("evaluate {run}:best --dataset digit", 'did you mean "digits"'),
    ],
)
def test_what_other_commands_cannot_do_is_refused_with_2(
    finished: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").touch()
    before = contents(finished.run)
    answer = invoke(*shlex.split(command.format(run=finished.run)))
    assert message in answer.refusal()
    assert answer.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["base.toml"]
    assert contents(finished.run) == before


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
