"""The search's evaluation as an objective of the user's own Optuna study."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
import torch

import pure_nas
from pure_nas.architecture import Architecture
from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset
from pure_nas.errors import DataError, DeviceError, UsageError
from pure_nas.recipe import Recipe
from pure_nas.search.catalogue import load_space
from pure_nas.search.limits import Limits
from pure_nas.search.objective import Objective
from pure_nas.training import Training


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def optimized(objective: Objective, trials: int, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    sampler = sampler or optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=objective.directions, sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def test_it_is_evaluated_by_a_study_of_the_user(
    image_folder: Path, tiny_space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "test", lambda self: pytest.fail("the test images were read"))
    objective = pure_nas.Objective(
        str(image_folder), str(tiny_space_file), device="cpu", objectives=("error", "params")
    )
    assert objective.directions == ["minimize", "minimize"]
    study = optimized(objective, 3)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    for trial in study.trials:
        architecture = Architecture.from_json(trial.user_attrs["architecture"])
        assert Recipe.from_json(trial.user_attrs["recipe"]).epochs == 1
        cost = cost_of(architecture)
        assert (trial.user_attrs["params"], trial.user_attrs["flops"]) == (cost.params, cost.flops)
        error, params = trial.values
        assert 0 <= error <= 1
        assert params == cost.params
        assert (architecture.in_chans, architecture.num_classes, architecture.image_size) == (1, 3, 8)


def test_the_same_candidate_has_the_same_values(image_folder: Path, tiny_space_file: Path) -> None:
    values = []
    for _ in range(2):
        objective = Objective(str(image_folder), load_space(str(tiny_space_file)), device="cpu", epochs=2, seed=4)
        study = optimized(objective, 1)
        values.append((study.trials[0].params, study.trials[0].values))
        assert Recipe.from_json(study.trials[0].user_attrs["recipe"]).epochs == 2
    assert values[0] == values[1]


def test_measured_costs_can_be_objectives(image_folder: Path, tiny_space_file: Path) -> None:
    names = ("error", "memory", "latency")
    study = optimized(Objective(str(image_folder), str(tiny_space_file), device="cpu", objectives=names), 1)
    _, memory, latency = study.trials[0].values
    assert memory > 1000
    assert 0 < latency < 1000


def test_candidates_over_a_limit_are_pruned_untrained_with_a_constraint(
    image_folder: Path, tiny_space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []
    original = Training.run_epoch

    def spy(self: Training) -> object:
        epochs.append(1)
        return original(self)

    monkeypatch.setattr(Training, "run_epoch", spy)
    objective = Objective(str(image_folder), str(tiny_space_file), limits=Limits(params=800), device="cpu")
    # TPE reads the constraints of every trial from the eleventh on.
    study = optimized(objective, 14, optuna.samplers.TPESampler(seed=0))
    for trial in study.trials:
        params = cost_of(Architecture.from_json(trial.user_attrs["architecture"])).params
        assert trial.constraints == {"max_params": pytest.approx(params / 800 - 1)}
        assert trial.state.name == ("PRUNED" if params > 800 else "COMPLETE")
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert 0 < len(complete) < 14
    assert len(epochs) == len(complete)


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_a_trial_that_does_not_complete_is_pruned_with_a_constraint(
    state: str, image_folder: Path, tiny_space_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Training._train_epoch

    def sick(self: Training) -> object:
        if state == "failed":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        with torch.no_grad():
            self.network.classifier.linear.bias.fill_(math.nan)
        return original(self)

    monkeypatch.setattr(Training, "_train_epoch", sick)
    study = optimized(Objective(str(image_folder), str(tiny_space_file), device="cpu"), 1)
    assert study.trials[0].state.name == "PRUNED"
    assert study.trials[0].constraints == {state: 1.0}


def test_it_leaves_no_files(
    image_folder: Path, tiny_space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    optimized(Objective(str(image_folder), str(tiny_space_file), device="cpu"), 1)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used_is_refused_when_it_is_made(image_folder: Path, tiny_space_file: Path) -> None:
    images, space = str(image_folder), str(tiny_space_file)
    with pytest.raises(UsageError, match="no objective"):
        Objective(images, space, objectives=("error", "speed"))
    with pytest.raises(UsageError, match="smallest has 365 params"):
        Objective(images, space, limits=Limits(params=10))
    with pytest.raises(DeviceError):
        Objective(images, space, device="tpu")
    with pytest.raises(UsageError, match="no search space"):
        Objective(images, "no-such-space")
    with pytest.raises((DataError, UsageError)):
        Objective(images + "-missing", space)


def test_a_study_with_another_number_of_objectives_is_refused_before_training(
    image_folder: Path, tiny_space_file: Path
) -> None:
    objective = pure_nas.Objective(str(image_folder), str(tiny_space_file), device="cpu")
    study = optuna.create_study(direction="minimize")
    with pytest.raises(UsageError, match=r"1 objective\(s\), but this one returns 2: error, flops"):
        study.optimize(objective, n_trials=1)
