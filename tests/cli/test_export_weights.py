"""Which trained weights an export hands over, and what it says of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from heard import Heard
from studies import Answer, Study, invoke, json_in, trained

from pure_nas.plans.retrain import Retrain, select_trials
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.search_results import load_results

LOSSES = {1: 1.0, 2: 0.4, 3: 0.5}
"""Last training losses: seed 3 is nearest to their mean."""
ACCURACIES = {1: 0.5, 2: 0.625, 3: 0.75}
"""Test accuracies: seed 2 has their mean, seed 3 the highest."""


def changed(path: Path, change: Mapping[str, Any]) -> None:
    """Change a file of a training, a JSON file or the last line of a .jsonl file, as if it had ended like that."""
    *before, last = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.suffix == ".jsonl" else [""]
    content = json.loads(last or path.read_text(encoding="utf-8"))
    path.write_text("".join(before) + json.dumps({**content, **change}) + "\n", encoding="utf-8")
    ended_so(path.parent)


def ended_so(folder: Path) -> None:
    """Let a training have ended with the files that are in its folder now."""
    result = json_in(folder / "result.json")
    TrialDirectory(folder, 0).finish({name: value for name, value in result.items() if name != "digests"})


@pytest.fixture(scope="session")
def retrained_once(finished: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A search of which trial 1 was retrained with three seeds, whose records are told; not to be changed."""
    study = finished.copied(tmp_path_factory.mktemp("retrained"))
    retrain(study)
    for seed, folder in seed_folders(study).items():
        changed(folder / "metrics.jsonl", {"train_loss": LOSSES[seed]})
        changed(folder / "result.json", {"metrics": {"error": 1 - ACCURACIES[seed], "accuracy": ACCURACIES[seed]}})
    retrain(study)  # trains nothing: reads the records anew
    return study


@pytest.fixture
def retrained(retrained_once: Study, tmp_path: Path) -> Study:
    """The same, to be changed."""
    return retrained_once.copied(tmp_path / "runs")


def retrain(study: Study, *, seeds: int = 3, epochs: int = 1) -> None:
    """Retrain trial 1 as the command does, but for the report."""
    run = RunDirectory.open(study.run)
    trials = select_trials(load_results(run), "1")
    Retrain(run, trials, seeds=seeds, epochs=epochs, device="cpu", data_dir=None).go(Heard())


def seed_folders(study: Study, epochs: int = 1) -> dict[int, Path]:
    """Where trial 1 was retrained, by seed."""
    rows = json_in(study.run / "retrain.json")["rows"]
    (row,) = (row for row in rows if (row["trial"], row["variant"], row["epochs"]) == (1, "trial", epochs))
    return {seed: study.run / "retrain" / f"{row['digest']}-seed{seed}" for seed in row["seeds"]}


def same_weights(*folders: Path) -> bool:
    first, second = (safetensors.torch.load_file(folder / "weights.safetensors") for folder in folders)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def export(study: Study, *more: object, trial: int = 1) -> Answer:
    return invoke("export", study.run, "--trial", trial, *more)


def exported(answer: Answer) -> Path:
    """The folder that an export has written."""
    return Path(answer.done().stdout.splitlines()[0]).parent


def joined(text: str) -> str:
    """Without spaces: paths are broken over lines."""
    return text.replace(" ", "")


def test_retrained_weights_are_taken_by_their_training_record(retrained: Study) -> None:
    answer = export(retrained)
    folder = exported(answer)
    assert same_weights(folder, seed_folders(retrained)[3])
    docstring = " ".join((folder / "network.py").read_text(encoding="utf-8").split('"""')[1].split())
    for text in (answer.message, docstring):
        assert (
            "Retrained weights: seed 3 of 3, the one whose last training loss is nearest to the mean; 1 epoch on the "
            "training and validation images."
        ) in text
        assert "Test accuracy 75.00 % on shapes0; mean of 3 seeds 62.50 %, 95 % interval 31.45 to 93.55 %." in text
    # Whatever the test scores are.
    for seed, accuracy in zip((1, 2, 3), (0.75, 0.625, 0.5), strict=True):
        changed(seed_folders(retrained)[seed] / "result.json", {"metrics": {"accuracy": accuracy}})
    retrain(retrained)
    again = export(retrained, "--overwrite")
    assert same_weights(exported(again), seed_folders(retrained)[3])
    assert "Test accuracy 50.00 %" in again.message


def test_of_two_seeds_the_first_is_taken(study: Study) -> None:
    retrain(study, seeds=2)
    for losses in ((0.1, 0.7), (0.7, 0.1)):
        for loss, folder in zip(losses, seed_folders(study).values(), strict=True):
            changed(folder / "metrics.jsonl", {"train_loss": loss})
        assert "seed 1 of 2" in export(study).message


def test_a_seed_can_be_chosen(retrained: Study) -> None:
    answer = export(retrained, "--seed", 2)
    assert same_weights(exported(answer), seed_folders(retrained)[2])
    assert "Retrained weights: seed 2 of 3; 1 epoch" in answer.message
    assert "Test accuracy 62.50 % on shapes0; mean of 3 seeds 62.50 %" in answer.message
    unknown = export(retrained, "--seed", 7).refusal()
    assert "Trial 1 was not retrained with seed 7, but with seeds 1, 2, 3." in unknown
    of_search = export(retrained, "--seed", 2, "--from", "search").refusal()
    assert "A seed chooses among retrained weights, but those of the search" in of_search


def test_weights_of_the_search_can_be_chosen(retrained: Study) -> None:
    answer = export(retrained, "--from", "search")
    folder = exported(answer)
    assert folder != exported(export(retrained))
    trial = retrained.run / "trials" / "0001"
    assert same_weights(folder, trial)
    assert "Weights of the search: 1 epoch on the training images." in answer.message
    error = json_in(trial / "result.json")["metrics"]["error"]
    assert f"Validation error {100 * error:.2f} % on shapes0, a single run." in answer.message
    assert "Test accuracy" not in (folder / "network.py").read_text(encoding="utf-8")


def test_a_trial_that_was_not_retrained_has_weights_of_the_search_only(retrained: Study) -> None:
    assert "Weights of the search" in export(retrained, trial=2).message
    command = f"Trial 2 was not retrained. Retrain it: pure-nas retrain {retrained.run} --trials 2"
    for arguments in (("--from", "retrain"), ("--seed", 1)):
        assert joined(command) in joined(export(retrained, *arguments, trial=2).refusal())


def diverge(study: Study, *seeds: int) -> None:
    for seed in seeds:
        folder = seed_folders(study)[seed]
        changed(folder / "result.json", {"state": "diverged", "reason": "the loss is nan", "metrics": {}})
        (folder / "weights.safetensors").unlink()
    retrain(study)


def test_seeds_that_diverged_are_left_out_and_counted(retrained: Study) -> None:
    diverge(retrained, 3)
    said = export(retrained).message
    assert "seed 1 of 3 (1 diverged), the one whose last training loss" in said
    assert "Test accuracy 50.00 % on shapes0; mean of 2 seeds 56.25 %" in said
    refused = export(retrained, "--seed", 3).refusal()
    assert "Seed 3 of trial 1 diverged. Choose another: seeds 1, 2." in refused


def test_where_every_seed_diverged_the_search_has_the_weights(retrained: Study) -> None:
    diverge(retrained, 1, 2, 3)
    answer = export(retrained)
    assert same_weights(exported(answer), retrained.run / "trials" / "0001")
    assert "Retrained for 1 epoch, it diverged with every seed. Weights of the search" in answer.message
    refused = export(retrained, "--from", "retrain").refusal()
    assert "Trial 1 diverged with every seed when it was retrained." in refused


def test_a_trial_that_repeats_another_shares_its_weights(retrained: Study) -> None:
    trials = retrained.run / "trials"
    shutil.copytree(trials / "0001", trials / "0006")
    (trials / "0006" / "weights.safetensors").unlink()
    changed(trials / "0006" / "result.json", {"replay_of": 1, "number": 6})
    answer = export(retrained, trial=6)
    assert same_weights(exported(answer), seed_folders(retrained)[3])
    assert answer.message.startswith('Trial 6 of the pure-nas study "tiny", retrained.')
    assert same_weights(exported(export(retrained, "--from", "search", trial=6)), trials / "0001")


@pytest.mark.parametrize("order", [(2, 1), (1, 2)])
def test_of_several_retrainings_the_longest_is_taken(study: Study, order: tuple[int, ...]) -> None:
    for epochs in order:
        retrain(study, epochs=epochs, seeds=3 - epochs)
    answer = export(study)
    folder = exported(answer)
    assert same_weights(folder, seed_folders(study, epochs=2)[1])
    accuracy = invoke("evaluate", folder, "--noise", "none", "--json").evaluation["accuracy"]
    assert f"Test accuracy {100 * accuracy:.2f} % on shapes0, a single run." in answer.message
    assert "seed 1 of 1; 2 epochs on the training and validation images." in answer.message
    # A seed that only the shorter one has is found there.
    answer = export(study, "--seed", 2, "--overwrite")
    assert same_weights(exported(answer), seed_folders(study, epochs=1)[2])
    assert "seed 2 of 2; 1 epoch on the training and validation images" in answer.message


def test_missing_weights_of_a_seed_are_named_with_the_way_out(retrained: Study) -> None:
    weights = seed_folders(retrained)[3] / "weights.safetensors"
    weights.unlink()
    refused = export(retrained).refusal(1)
    assert joined(f"{weights} are missing.") in joined(refused)
    assert "Choose others with --seed N or --from search; or remove" in refused
    for more in (("--seed", 1), ("--from", "search"), ("--format", "json")):
        export(retrained, *more).done()
    shutil.rmtree(weights.parent)
    assert "Run the pure-nas retrain command again" in export(retrained).message


@pytest.mark.parametrize("content", ["", '{"epoch": 1}\n'])
def test_without_a_training_record_a_seed_has_to_be_chosen(retrained: Study, content: str) -> None:
    folder = seed_folders(retrained)[2]
    (folder / "metrics.jsonl").write_text(content, encoding="utf-8")
    ended_so(folder)
    refused = export(retrained).refusal(1)
    assert "does not say the training loss of epoch 1" in refused
    assert "Choose one with --seed N: seeds 1, 2, 3." in refused
    export(retrained, "--seed", 1).done()


def test_a_training_that_was_changed_is_refused(retrained: Study) -> None:
    first, _, third = seed_folders(retrained).values()
    shutil.copy(retrained.run / "trials" / "0002" / "weights.safetensors", third)
    others = "are damaged, or belong to another training than the result.json next to them"
    assert others in export(retrained).refusal(1)
    changed(first / "result.json", {"metrics": {"accuracy": 0.99}})
    edited = "does not agree with the results of the seeds of trial 1. Run the pure-nas retrain"
    assert edited in export(retrained).refusal(1)
    changed(third / "result.json", {"metrics": {"accuracy": 52.0}})
    assert "result.json is damaged" in export(retrained).refusal(1)


def test_folders_of_trainings_are_exported(retrained: Study) -> None:
    seed = seed_folders(retrained)[2]
    answer = invoke("export", seed)
    assert same_weights(exported(answer), seed)
    assert 'A network retrained in the pure-nas study "tiny". Trained with seed 2 for 1 epoch.' in answer.message
    assert "Test accuracy 62.50 % on shapes0; mean of 3 seeds 62.50 %, 95 % interval 31.45 to" in answer.message
    trial = retrained.run / "trials" / "0001"
    answer = invoke("export", trial)
    assert same_weights(exported(answer), trial)
    assert 'Trial 1 of the pure-nas study "tiny". Weights of the search' in answer.message
    copy = shutil.copytree(trial, trial.with_name("0001-copy"))
    assert 'There is no trial "1-copy"' in invoke("export", copy).message


def test_what_train_has_trained_is_exported_and_evaluated(finished: Study, tmp_path: Path) -> None:
    folder = trained(finished.dataset, tmp_path / "trained", network=f"{finished.run}:1")
    answer = invoke("export", folder, "-o", tmp_path / "out")
    assert same_weights(exported(answer), folder)
    error = json_in(folder / "result.json")["metrics"]["error"]
    told = f"seed 0 for 1 epoch on the training images. Validation error {100 * error:.2f} % on shapes0, a single run."
    assert told in answer.message
    source = (tmp_path / "out" / "network.py").read_text(encoding="utf-8")
    facts = json_in(folder / "training.json")
    for line in (f"MEAN = ({facts['data']['mean'][0]},)", f"STD = ({facts['data']['std'][0]},)"):
        assert line in source
    assert 'CLASSES = ("circles", "crosses", "stripes")' in source
    assert exported(invoke("export", folder)) == folder / "export"
    evaluated = invoke("evaluate", folder, "--split", "validation", "--noise", "none", "--json")
    assert evaluated.evaluation["error"] == pytest.approx(error)
    # What older versions left out is read from the images.
    del facts["data"]
    (folder / "training.json").write_text(json.dumps(facts), encoding="utf-8")
    invoke("export", folder, "-o", tmp_path / "old").done()
    assert (tmp_path / "old" / "network.py").read_text(encoding="utf-8") == source


def test_trainings_of_an_experiment_are_exported(write_experiment: Callable[..., Path], tmp_path: Path) -> None:
    file, run = write_experiment(tmp_path / "which.toml", seeds=2), tmp_path / "run"
    invoke("experiment", file, "--out", tmp_path, "--study", "run", "--device", "cpu").done()
    folder = run / "trials" / "adds-seed2"
    answer = invoke("export", folder)
    assert same_weights(exported(answer), folder)
    assert 'adds of the pure-nas experiment "which". Trained with seed 2 for 1 epoch. Test accuracy' in answer.message
    assert "; mean of 2 seeds " in answer.message
    assert joined(f"such as {run / 'trials' / 'adds-seed1'}.") in joined(invoke("export", run).refusal(1))
    assert joined(f"such as {run}:adds-seed1.") in joined(invoke("evaluate", run).refusal())


def test_trainings_without_weights_are_refused(finished: Study, tmp_path: Path) -> None:
    folder = trained(finished.dataset, tmp_path / "trained")
    changed(folder / "result.json", {"state": "diverged", "reason": "the loss is nan"})
    assert "is diverged: the loss is nan." in invoke("export", folder).message
    for name in ("result.json", "weights.safetensors"):
        (folder / name).unlink()
    unfinished = invoke("export", folder).refusal(1)
    assert "has not ended. Run the command that started it again to resume it." in unfinished
    assert "run the command that started it again to resume it" in invoke("evaluate", folder).refusal()


def test_folders_with_nothing_to_choose_refuse_a_choice(retrained: Study, tmp_path: Path) -> None:
    folder = seed_folders(retrained)[1]
    for arguments in (("--trial", 1), ("--seed", 1), ("--from", "retrain")):
        refused = invoke("export", folder, *arguments).refusal()
        assert "holds one trained network, so there is nothing to choose." in refused
    by_name = invoke("export", f"{retrained.run}:1").refusal()
    assert joined(f"{retrained.run} --trial 1.") in joined(by_name)
    for place in ((), ("-o", tmp_path / "out")):
        again = invoke("export", exported(export(retrained, *place))).refusal(1)
        assert "does not say which images its network was trained on" in again


def test_retrained_weights_are_not_evaluated_on_images_that_they_saw(retrained: Study) -> None:
    for folder in (seed_folders(retrained)[1], exported(export(retrained))):
        refused = invoke("evaluate", folder, "--split", "validation", "--noise", "none").refusal()
        assert "was trained on these validation images" in refused
        invoke("evaluate", folder, "--noise", "none").done()
    searched = exported(export(retrained, "--from", "search"))
    invoke("evaluate", searched, "--split", "validation", "--noise", "none").done()


def test_evaluate_says_which_weights_of_a_trial_it_takes(retrained: Study) -> None:
    said = invoke("evaluate", f"{retrained.run}:1", "--noise", "none").done().message
    assert f"{retrained.run}:1: the weights of the search (" in said
    named = said.split("; name ")[1].split(" for those weights")[0]
    assert "the weights of the search" not in invoke("evaluate", named, "--noise", "none").message
