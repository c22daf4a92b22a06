"""The search's evaluation as an objective of the user's own Optuna study."""

from __future__ import annotations

import copy
import math
import pickle
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from searches import Objectives

from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import DataError, UsageError
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.objective import Objective
from pure_nas.space.architecture import Architecture
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.training.training import Training


def optimized(objective: Objective, trials: int, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    sampler = sampler or optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=objective.directions, sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def test_it_is_evaluated_by_a_study_of_the_user(objective_of: Objectives, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dataset, "test", lambda self: pytest.fail("the test images were read"))
    objective = objective_of(objectives=("error", "params", "memory", "noise_error"))
    assert objective.directions == ["minimize"] * 4
    study = optimized(objective, 3)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    for trial in study.trials:
        architecture = Architecture.from_json(trial.user_attrs["architecture"])
        assert Recipe.from_json(trial.user_attrs["recipe"]).epochs == 1
        cost = cost_of(architecture)
        assert (trial.user_attrs["params"], trial.user_attrs["flops"]) == (cost.params, cost.flops)
        error, params, memory, noise_error = trial.values
        assert 0 <= error <= 1
        assert params == cost.params
        assert memory > 1000
        assert 0 <= noise_error <= 1
        assert (architecture.in_chans, architecture.num_classes, architecture.image_size) == (1, 3, 8)


def test_measured_costs_can_be_objectives(objective_of: Objectives) -> None:
    names = ("error", "memory", "latency", "noise_error")
    study = optimized(objective_of(objectives=names), 1)
    _, memory, latency, noise_error = study.trials[0].values
    assert memory > 1000
    assert 0 < latency < 1000
    assert 0 <= noise_error <= 1


def test_candidates_over_a_limit_are_pruned_untrained_with_a_constraint(
    objective_of: Objectives, trained: list[str]
) -> None:
    objective = objective_of(limits=Limits(params=800))
    # TPE reads the constraints of every trial from the eleventh on.
    study = optimized(objective, 14, optuna.samplers.TPESampler(seed=0))
    for trial in study.trials:
        params = cost_of(Architecture.from_json(trial.user_attrs["architecture"])).params
        assert trial.constraints == {"max_params": pytest.approx(params / 800 - 1)}
        assert trial.state.name == ("PRUNED" if params > 800 else "COMPLETE")
    assert 0 < len(trained) == sum(trial.state.name == "COMPLETE" for trial in study.trials) < 14


def test_it_leaves_no_files(objective_of: Objectives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = objective_of()
    optimized(objective, 1)  # libraries that are loaded first leave files of their own
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    optimized(objective, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_trial_that_does_not_complete_is_pruned_with_a_constraint(
    objective_of: Objectives, diverging: Callable[..., None]
) -> None:
    diverging(lambda training: True)
    (trial,) = optimized(objective_of(), 1).trials
    assert (trial.state.name, trial.constraints) == ("PRUNED", {"diverged": 1.0})


def test_corrupt_images_are_refused_or_left_out_and_others_brought_to_the_size_that_is_asked_for(
    image_folder: Path, tiny_space_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(image_folder, folder)
    (folder / "train" / "circles" / "000.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"skip_corrupt=True"):
        Objective(folder, tiny_space_file, device="cpu")
    study = optimized(Objective(folder, tiny_space_file, device="cpu", skip_corrupt=True, image_size=12), 1)
    assert Architecture.from_json(study.trials[0].user_attrs["architecture"]).image_size == 12


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"objectives": ("error", 3)}, r"objectives: must be str or Sequence, got \('error', 3\)"),
        ({"objectives": "error,speed"}, 'no objective "speed"'),
        ({"limits": 3000}, "given: must be a table of names and values, got 3000"),
        ({"limits": {"weight": 3}}, "There is no limit on 'weight'; .*params"),
        ({"limits": {"params": "heavy"}}, '"heavy" is not a size such as 300k'),
        ({"limits": {"params": -1}}, "params: input should be greater than or equal to 1, got -1"),
        ({"limits": {"latency": math.nan}}, "given.latency.float: input should be a finite number, got nan"),
        ({"epochs": 1.5}, "epochs: input should be a valid integer, got 1.5"),
        ({"seed": -1}, "seed: input should be greater than or equal to 0, got -1"),
        ({"limits": {"params": True}}, "given.params.float: input should be a valid number, got True"),
        ({"dataset": 3}, "dataset must be a name or the path of a folder, not 3"),
        ({"dataset": b"digits"}, "dataset must be a name or the path of a folder, not b'digits'"),
        ({"dataset": ""}, "dataset must be a name or the path of a folder, not ''"),
        ({"data_dir": 3}, "data_dir: must be str or PathLike, got 3"),
        ({"data_dir": "~no-such-user/data"}, "The ~ in ~no-such-user/data stands for no home directory"),
        ({"space": 3}, "space: must be SearchSpace or str or PathLike.*, got 3"),
        ({"space": "no-such-space"}, "no search space"),
        ({"dataset": "no-such-images"}, 'no dataset "no-such-images"'),
        ({"device": "tpu"}, "tpu"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"objectives": "flops"}, "must begin with error"),
        ({"limits": {"params": 10}}, "smallest has 365 params"),
    ],
)
def test_arguments_that_cannot_be_used_are_explained_without_options_of_the_command_line(
    arguments: dict[str, Any], words: str, image_folder: Path, tiny_space_file: Path
) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        Objective(**{"dataset": str(image_folder), "space": tiny_space_file, "device": "cpu", **arguments})
    assert "--" not in str(raised.value)


def test_a_space_may_be_an_object_a_name_or_a_file_and_a_path_is_that_file(
    image_folder: Path, tiny_space_file: Path
) -> None:
    for space in (tiny_space_file, str(tiny_space_file), load_space(tiny_space_file)):
        objective = Objective(image_folder, space, device="cpu", limits={"params": 3000})
        params = optuna.create_study(directions=objective.directions).ask()
        objective(params)
        assert params.user_attrs["params"] < 3000
        assert Architecture.from_json(params.user_attrs["architecture"]).base_width in (2, 3, 4)
    with pytest.raises(UsageError, match="no-such"):
        Objective(image_folder, Path("no-such.toml"), device="cpu")


def test_numbers_of_numpy_a_string_of_objectives_and_a_mapping_of_limits_mean_what_they_say(
    objective_of: Objectives, image_folder: Path, tiny_space_file: Path
) -> None:
    plain = objective_of(seed=3, epochs=2, limits=Limits(params=1500))
    other = Objective(
        str(image_folder),
        tiny_space_file,
        device="cpu",
        objectives="error,flops",
        seed=np.int64(3),  # type: ignore[arg-type]
        epochs=np.int32(2),  # type: ignore[arg-type]
        limits={"params": "1.5k", "flops": np.float64(1e9), "latency": None},
    )
    first, second = optimized(plain, 2), optimized(other, 2)
    assert [trial.values for trial in first.trials] == [trial.values for trial in second.trials]
    assert [trial.state for trial in first.trials] == [trial.state for trial in second.trials]
    for trial in second.trials:
        assert Recipe.from_json(trial.user_attrs["recipe"]).epochs == 2
        params = cost_of(Architecture.from_json(trial.user_attrs["architecture"])).params
        assert trial.constraints["max_params"] == params / 1500 - 1


def test_without_a_seed_one_is_drawn_which_repeats_the_values(objective_of: Objectives) -> None:
    fresh = [objective_of(seed=None) for _ in range(2)]
    assert fresh[0].seed != fresh[1].seed
    trial = optimized(fresh[0], 1).trials[0]
    again = objective_of(seed=fresh[0].seed)
    assert list(again(trial)) == trial.values


def test_the_best_trial_can_be_run_again_also_by_copies_and_pickles(objective_of: Objectives) -> None:
    objective = objective_of(limits={"params": 10**6})
    best = optimized(objective, 2).best_trials[0]
    for each in (objective, copy.deepcopy(objective), pickle.loads(pickle.dumps(objective))):
        assert list(each(best)) == best.values
    fixed = optuna.trial.FixedTrial(best.params)
    assert list(objective(fixed)) == best.values
    assert fixed.user_attrs["architecture"] == best.user_attrs["architecture"]
    assert fixed.constraints == best.constraints


def test_parameters_that_are_not_of_this_space_are_refused_with_the_way_out(objective_of: Objectives) -> None:
    objective = objective_of()
    params = optimized(objective, 1).trials[0].params
    without = {name: value for name, value in params.items() if name != "base_width"}
    faults = [
        (without, "'base_width' is not found"),
        ({**params, "base_width": "wide"}, "'wide' not in"),
        ({**params, "learning_rate.trunk": 1e9}, "learning_rate.trunk: input should be less than or equal to 100, got"),
    ]
    for faulty, words in faults:
        warned = pytest.warns(UserWarning, match="out of the range") if "less" in words else nullcontext()
        with (
            warned,
            pytest.raises(UsageError, match=f"trial 0 are not those of a candidate of this space: .*{words}") as error,
        ):
            objective(optuna.trial.FixedTrial(faulty))
        assert "study.best_trials[0].params" in error.value.hint
    with pytest.raises(UsageError, match="trial: must be Trial or FrozenTrial or FixedTrial, got"):
        objective(params)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("directions", "message"),
    [
        (["maximize", "minimize"], "The study maximises error"),
        (["minimize", "maximize"], "The study maximises flops"),
        (["minimize"], r"1 objective\(s\), but this one returns 2: error, flops"),
    ],
)
def test_a_study_of_other_directions_is_refused_before_training(
    objective_of: Objectives, directions: list[str], message: str
) -> None:
    study = optuna.create_study(directions=directions)
    with pytest.raises(UsageError, match=message) as error:
        study.optimize(objective_of(), n_trials=1)
    assert "directions=objective.directions" in error.value.hint


@pytest.fixture
def _usual_defaults_afterwards() -> Iterator[None]:
    yield
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("dtype", "device"), [(torch.float64, "cpu"), (torch.bfloat16, "cpu"), (torch.float32, "meta")]
)
@pytest.mark.usefixtures("_usual_defaults_afterwards")
def test_it_trains_in_float32_whatever_the_defaults_of_pytorch_are(
    objective_of: Objectives, dtype: torch.dtype, device: str
) -> None:
    usual = optimized(objective_of(), 1).trials[0]
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    objective = objective_of()
    with torch.no_grad():
        other = optimized(objective, 1).trials[0]
    assert (other.params, other.values) == (usual.params, usual.values)
    assert (torch.get_default_dtype(), torch.get_default_device()) == (dtype, torch.device(device))


def test_threads_of_a_study_find_what_one_finds_and_leave_the_global_random_state_alone(
    objective_of: Objectives, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Training._train_epoch

    def noisy(self: Training) -> object:
        # As a unit of another package may, of whose draws the global state is the only source.
        for parameter in self.network.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
        return original(self)

    monkeypatch.setattr(Training, "_train_epoch", noisy)
    objective = objective_of(epochs=3)
    asked = [trial.params for trial in optimized(objective, 6).trials]
    found = []
    for threads in (1, 3):
        before = torch.get_rng_state()
        study = optuna.create_study(directions=objective.directions)
        for params in asked:
            study.enqueue_trial(params)
        study.optimize(objective, n_trials=len(asked), n_jobs=threads)
        assert torch.equal(torch.get_rng_state(), before)
        found.append({str(trial.params): trial.values for trial in study.trials})
    assert found[0] == found[1]
    assert len(found[0]) == len(asked)
