"""A trained network on the command line: a trial of a run, or a file of weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pure_nas.architecture import Architecture
from pure_nas.data import Dataset
from pure_nas.errors import RunError, UsageError, nearest
from pure_nas.evaluation import load_trained
from pure_nas.evaluation.trained import ARCHITECTURE_FILE
from pure_nas.experiment.images import saw_validation
from pure_nas.experiment.results import is_experiment
from pure_nas.nn import Network
from pure_nas.report.retraining import load_retraining
from pure_nas.results import load_results
from pure_nas.retrain import Variant, retrained_folder, variants_of
from pure_nas.run_directory import RunDirectory, read_json
from pure_nas_cli.architectures import find_architecture, fitted_to

WEIGHTS_FILE = "weights.safetensors"
_ABOVE = 4
"""Folders between weights and the run they belong to, at most: RUN/retrain/DIGEST/weights.safetensors."""


@dataclass(frozen=True)
class Trained:
    """A network with weights, and what is known of its training.

    Attributes:
        name: what it is called: as it was asked for, but the folder where its file has the usual name.
        run: the run it belongs to; None where it belongs to none.
        training: what `pure-nas train` left beside the weights; empty where it was something else.
        saw_validation: whether it was trained on the validation images too.
    """

    name: str
    weights: Path
    network: Network
    run: RunDirectory | None
    training: dict[str, Any]
    saw_validation: bool

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self.network.architecture

    @property
    def split_seed(self) -> int | None:
        """The seed that split the images it was trained on; None where that is not known."""
        found = self.run.settings().get("seed") if self.run else self.training.get("seed")
        return found if isinstance(found, int) else None

    @property
    def of_experiment(self) -> bool:
        """Whether an experiment trained it."""
        return self.run is not None and is_experiment(self.run)

    @property
    def fingerprint(self) -> str | None:
        """Of the images it was trained on; None where that is not known."""
        facts = self.run.settings().get("data", {}) if self.run else self.training
        found = facts.get("fingerprint")
        return found if isinstance(found, str) else None


def find_all_trained(texts: Sequence[str]) -> list[Trained]:
    """The networks that `texts` name, each as `find_trained` has it; their names lack the folders that all share.

    Raises:
        UsageError: a text names no trained network.
        RunError: weights or a run are missing or damaged.
    """
    if not texts:
        return []
    found = [find_trained(text) for text in texts]
    names = [os.path.abspath(each.name) for each in found]
    shared = os.path.commonpath([os.path.dirname(name) for name in names])
    return [replace(each, name=os.path.relpath(name, shared)) for each, name in zip(found, names, strict=True)]


def find_trained(text: str) -> Trained:
    """The network that RUN:TRIAL, a .safetensors file, or a folder with weights names.

    Raises:
        UsageError: it names no trained network.
        RunError: the weights or the run are missing or damaged.
    """
    path = Path(text).expanduser()
    if text.endswith(".safetensors"):
        return _from_file(path)
    # A folder, or the architecture.json in it.
    for within in (path, path.parent if path.name == ARCHITECTURE_FILE else path):
        if (within / WEIGHTS_FILE).is_file():
            return _from_file(within / WEIGHTS_FILE)
    folder, colon, which = text.rpartition(":")
    if colon:
        return _from_trial(text, RunDirectory.open(Path(folder)), which)
    if path.is_dir():
        raise UsageError(
            f"{text} is a folder without {WEIGHTS_FILE}.", hint=f"Name a trial of a run, such as {text}:best."
        )
    find_architecture(text)
    raise UsageError(
        f"{text} is a network without weights: there is nothing to judge.",
        hint=f"Train it, for example with pure-nas train {text} --dataset NAME, and name the folder that it writes; "
        "or give its weights with --weights FILE; or name a trial of a run as RUN:TRIAL, such as runs/digits:best.",
    )


def find_beside_conv_twin(text: str) -> list[Trained]:
    """The trial RUN:TRIAL and its all-conv twins, all as `pure-nas retrain` trained them, with their first seeds.

    Raises:
        UsageError: it is no trial of a search, is all-conv itself, or was not retrained.
        RunError: weights or the run are missing or damaged.
    """
    folder, _, which = text.rpartition(":")
    if not folder or is_experiment(run := RunDirectory.open(Path(folder))):
        raise UsageError(
            f"--conv-twin takes a trial of a search, such as runs/digits:best, but {text} is none.",
            hint="Name what to compare with by --against.",
        )
    trial = load_results(run).select(which)
    retraining = load_retraining(run)
    if retraining is None or trial.number not in retraining.trials:
        raise UsageError(
            f"{text} and its conv twin were not retrained, so that there is nothing to compare.",
            hint=f"Train them first: pure-nas retrain {folder} --trials {trial.number} --seeds 3",
        )
    own, *twins = variants_of(trial, retraining.epochs)
    conv = [twin for twin in twins if twin.name.startswith("conv twin")]
    if not conv:
        raise UsageError(f"{text} is all-conv with its usual recipe: it is its own conv twin.")
    found = [(f"{text}, retrained", own), *((twin.name, twin) for twin in conv)]
    return [_retrained(run, name, variant, retraining.seeds) for name, variant in found]


def _retrained(run: RunDirectory, name: str, variant: Variant, seeds: int) -> Trained:
    for seed in range(1, seeds + 1):
        weights = retrained_folder(run, variant.candidate, seed).weights
        if weights.is_file():
            return replace(_from_file(weights), name=f"{name}, seed {seed}")
    raise RunError(f"{name} has no weights: every seed diverged, or they were removed.")


def with_weights(text: str, weights: Path, dataset: Dataset) -> Trained:
    """The network that ARCH names, fitted to the dataset's images as `pure-nas train` fits it, with these weights.

    Raises:
        UsageError: nothing is called that.
        RunError: the weights are missing, damaged, or those of another network.
    """
    fitted = fitted_to(find_architecture(text), dataset)
    return Trained(text, weights, load_trained(weights, fitted), None, {}, False)


def _from_trial(text: str, run: RunDirectory, which: str) -> Trained:
    if is_experiment(run):
        files = {path.parent.name: path for path in (run.path / "trials").glob(f"*/{WEIGHTS_FILE}")}
        if which not in files:
            raise UsageError(f'There is no trained network "{which}" in {run.path}; {nearest(which, files)}.')
        return _from_file(files[which])
    record = load_results(run).select(which)
    trained = record.number if record.replay_of is None else record.replay_of
    weights = run.trial(trained).weights
    return Trained(text, weights, load_trained(weights, record.candidate.architecture), run, {}, False)


def _from_file(weights: Path) -> Trained:
    network = load_trained(weights)
    folders = weights.resolve().parents[:_ABOVE]
    run = next((RunDirectory(folder) for folder in folders if (folder / "run.toml").is_file()), None)
    facts = weights.parent / "training.json"
    training = read_json(facts) if facts.is_file() else {}
    if not isinstance(training, dict):
        raise RunError(f"{facts} is damaged: it is no JSON object.")
    within = weights.resolve().relative_to(run.path).parts if run else ()
    name = str(weights.parent if weights.name == WEIGHTS_FILE and weights.parent.name else weights)
    saw = saw_validation(run) if run and is_experiment(run) else within[:1] == ("retrain",)
    return Trained(name, weights, network, run, training, saw)
