"""Choosing trained weights, of a search, of retraining, or of one training, and describing them."""

from __future__ import annotations

import glob
import math
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

from pure_nas.analysis.statistics import CONFIDENCE, accuracy_interval
from pure_nas.errors import RunError, UsageError
from pure_nas.export.files import About, ExportFormat, write_export
from pure_nas.nn import Network
from pure_nas.quantities import counted
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE, RunImages, run_of, trained_on
from pure_nas.run.results import TrialRecord, load_results
from pure_nas.run.retrained import RETRAIN_FILE, Row, load_retraining, retrained_folder
from pure_nas.run.weights import load_trained
from pure_nas.space.architecture import Architecture

Origin = Literal["auto", "search", "retrain"]
"""Where weights of a trial come from; auto: the retrained ones where there are some, else those of the search."""


@dataclass(frozen=True, kw_only=True)
class ChosenWeights:
    """The weights of a trained network, and what is known of them.

    Attributes:
        path: the safetensors file.
        images: those that the network was trained on, as `Dataset.facts` has them.
        notes: which weights these are, and how well the network does with them.
        directory: where exports of them go by default.
        way_out: what to do if the file is missing.
    """

    architecture: Architecture
    path: Path
    images: Mapping[str, Any]
    title: str
    notes: tuple[str, ...]
    directory: Path
    way_out: str = ""

    def load(self) -> Network:
        """The network, on the CPU and in evaluation mode."""
        if self.way_out and not self.path.is_file():
            raise RunError(f"The weights {self.path} are missing.", hint=self.way_out)
        return load_trained(self.path, self.architecture).eval()

    def export(
        self,
        *,
        format: ExportFormat = "python",  # noqa: A002 - the word of the command line
        directory: Path | None = None,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write the network to `directory`, by default `self.directory`, and return the files."""
        weights = None if format == "json" else self.load().state_dict()
        about = About(
            title=self.title,
            notes=self.notes,
            classes=self.images.get("classes"),
            mean=self.images.get("mean"),
            std=self.images.get("std"),
            decoded_size=self.images.get("decoded_size"),
            stored_size=self.images.get("stored_size"),
        )
        folder = directory or self.directory
        return write_export(folder, self.architecture, weights, about, format=format, overwrite=overwrite)


def choose_weights(
    path: Path, which: str | None = None, *, origin: Origin = "auto", seed: int | None = None
) -> ChosenWeights:
    """The weights of a trial, or those in the folder of one training.

    Of several retrainings of a trial, those of the most epochs. Test scores never decide which weights are taken.

    Args:
        path: the folder of a search, or of one training.
        which: of a search: "best" (default), "knee", "smallest" or a trial's number.
        origin: of a search: whose weights.
        seed: of the retrained weights (default: the one whose last training loss is nearest to the mean of all).

    Raises:
        RunError: there is no such run or training, or it is damaged or not complete.
        UsageError: there is no such trial, it was not retrained as asked for, or the folder has no trials.
    """
    run = RunDirectory(path)
    if not run.exists and ((path / TRAINING_FILE).is_file() or TrialDirectory(path, 0).has_candidate):
        if which is not None or seed is not None or origin != "auto":
            raise UsageError(
                f"{path} holds one trained network, so there is nothing to choose.",
                hint="Leave --trial, --seed and --from out.",
            )
        return _of_training(path)
    head, colon, tail = str(path).rpartition(":")
    if colon and not path.exists() and RunDirectory(Path(head)).exists:
        raise UsageError(f"{path} is no folder.", hint=f"Name the trial with an option: {head} --trial {tail}.")
    run = RunDirectory.open(path)
    if run.is_experiment:
        example = next(iter(run.trained_folders), run.path / "trials" / "NETWORK-seed1")
        raise RunError(
            f"{path} holds an experiment, not a search.",
            hint=f"Name one of its trainings, such as {example}.",
        )
    return _of_trial(run, "best" if which is None else which, origin, seed)


def _of_trial(run: RunDirectory, which: str, origin: Origin, seed: int | None = None) -> ChosenWeights:
    if seed is not None and origin == "search":
        raise UsageError("--seed chooses among retrained weights, but --from search asks for those of the search.")
    record = load_results(run).select(which)
    retraining = load_retraining(run)
    row = retraining.row_of(record.candidate, seed) if retraining else None
    if row and row.test_accuracy and origin != "search":
        return _of_retraining(run, record, row, seed)
    if origin == "retrain" or seed is not None:
        if row:
            raise UsageError(
                f"Trial {record.number} diverged with every seed when it was retrained.",
                hint="Take the weights of the search: --from search.",
            )
        command = f"pure-nas retrain {shlex.quote(str(run.path))} --trials {record.number}"
        raise UsageError(
            f"Trial {record.number} was not retrained.",
            hint=f"Retrain it: {command}; or take the weights of the search: --from search.",
        )
    images, recipe = RunImages.of_run(run), record.candidate.recipe
    diverged = [f"Retrained for {counted(row.epochs, 'epoch')}, it diverged with every seed."] if row else []
    return ChosenWeights(
        architecture=record.candidate.architecture,
        path=run.trial(record.trained).weights,
        images=images.facts,
        title=_title(run, record),
        notes=(
            *(diverged if origin != "search" else []),
            f"Weights of the search: {counted(recipe.epochs, 'epoch')} on the training images.",
            f"Validation error {record.error * 100:.2f} % on {images.name}, a single run.",
        ),
        directory=run.path / "export" / f"{record.number:04d}",
    )


def _title(run: RunDirectory, record: TrialRecord) -> str:
    return f'Trial {record.number} of the pure-nas study "{run.settings().get("study", run.path.name)}"'


def _of_retraining(run: RunDirectory, record: TrialRecord, row: Row, seed: int | None) -> ChosenWeights:
    again, trial = "Give the pure-nas retrain command again:", f"trial {record.number}"
    complete: dict[int, TrialDirectory] = {}
    for each in row.seeds:
        folder = retrained_folder(run, row.digest, each)
        result = folder.result()
        if result is None:
            raise RunError(
                f"{folder.path} has no result.json, but retrain.json says that it was trained.",
                hint=f"{again} it trains what is missing.",
            )
        if result["state"] == "complete":
            complete[each] = folder
    if seed is not None and seed not in row.seeds:
        raise UsageError(f"{trial.capitalize()} was not retrained with seed {seed}, but with {_listed(row.seeds)}.")
    if seed is not None and seed not in complete:
        raise UsageError(f"Seed {seed} of {trial} diverged.", hint=f"Choose another: {_listed(complete)}.")
    if [_accuracy(folder) for folder in complete.values()] != list(row.test_accuracy):
        raise RunError(
            f"{run.path / RETRAIN_FILE} does not say of {trial} what the results of its seeds say.",
            hint=f"{again} it reads them anew and trains nothing twice.",
        )
    chosen = _nearest_to_mean(complete, row.epochs) if seed is None else seed
    images, folder = RunImages.of_run(run), complete[chosen]
    diverged = f" ({row.diverged} diverged)" if row.diverged else ""
    why = ", the one whose last training loss is nearest to the mean" if seed is None and len(complete) > 1 else ""
    return ChosenWeights(
        architecture=record.candidate.architecture,
        path=folder.weights,
        images=images.facts,
        title=f"{_title(run, record)}, retrained",
        notes=(
            f"Retrained weights: seed {chosen} of {len(row.seeds)}{diverged}{why}; "
            f"{counted(row.epochs, 'epoch')} on the training and validation images.",
            _accuracy_note("test", folder, row.test_accuracy, images.name),
        ),
        directory=run.path / "export" / f"{record.number:04d}-seed{chosen}",
        way_out=f"Choose others with --seed N or --from search; or remove {folder.path} and give the "
        "pure-nas retrain command again.",
    )


def _listed(seeds: Iterable[int]) -> str:
    numbers = [str(seed) for seed in seeds]
    return f"seed {numbers[0]}" if len(numbers) == 1 else f"seeds {', '.join(numbers)}"


def _nearest_to_mean(folders: Mapping[int, TrialDirectory], epochs: int) -> int:
    """The seed whose last training loss is nearest to the mean of all; the first of several."""
    if len(folders) == 1:
        return next(iter(folders))
    losses: dict[int, float] = {}
    for seed, folder in folders.items():
        loss = next((record.get("train_loss") for record in folder.curve() if record.get("epoch") == epochs), None)
        if not isinstance(loss, int | float) or not math.isfinite(loss):
            raise RunError(
                f"{folder.metrics} does not say the training loss of epoch {epochs}, so the seed nearest to the mean "
                "is not known.",
                hint=f"Choose one with --seed N: {_listed(folders)}.",
            )
        losses[seed] = loss
    mean = statistics.fmean(losses.values())
    nearest = min(abs(loss - mean) for loss in losses.values())
    # Two seeds are equally far from their mean but for rounding.
    return next(seed for seed, loss in losses.items() if math.isclose(abs(loss - mean), nearest, rel_tol=1e-6))


def _of_training(folder: Path) -> ChosenWeights:
    """The weights in the folder of one training: of `pure-nas train`, an experiment, retraining or a search."""
    training = TrialDirectory(folder.resolve(), 0)
    run, (images, _) = run_of(training.weights), trained_on(training.weights)
    place, name = training.path.parent.name, training.path.name
    if images is None or (run is not None and place not in ("trials", "retrain")):
        raise RunError(
            f"{folder} does not say which images its network was trained on.",
            hint="Name a run, or a folder that pure-nas train, retrain or experiment has written.",
        )
    result = training.result()
    if result is None:
        raise RunError(
            f"The training in {folder} has not ended.", hint="Give the command that began it again: it goes on."
        )
    if result["state"] != "complete":
        raise RunError(f"The training in {folder} is {result['state']}: {result.get('reason', '')}.")
    if run is None:
        return _of_train(TrialDirectory(folder, 0), images)
    if place == "trials" and not run.is_experiment:
        return _of_trial(run, name.lstrip("0") or "0", "search")
    return _of_seed(training, run, images)


def _of_train(training: TrialDirectory, images: RunImages) -> ChosenWeights:
    candidate, facts = training.candidate(), images.facts
    if "mean" not in facts:  # An older training.json leaves the normalisation out.
        facts = images.require_same(images.loader()(), hint="Put the old ones back.").facts
    return ChosenWeights(
        architecture=candidate.architecture,
        path=training.weights,
        images=facts,
        title=f"A network that pure-nas has trained on {images.name}",
        notes=(
            f"Trained with seed {images.seed} for {counted(candidate.recipe.epochs, 'epoch')} on the training images.",
            f"Validation error {100 * (1 - _accuracy(training)):.2f} % on {images.name}, a single run.",
        ),
        directory=training.path / "export",
        way_out="Give the pure-nas train command again: it trains them again.",
    )


def _of_seed(training: TrialDirectory, run: RunDirectory, images: RunImages) -> ChosenWeights:
    """One of the seeds of a network that was retrained, or is part of an experiment."""
    settings, candidate = run.settings(), training.candidate()
    name, _, seed = training.path.name.rpartition("-seed")
    if run.is_experiment:
        title = f'{name} of the pure-nas experiment "{settings.get("experiment")}"'
        split = "test" if settings.get("split") == "test" else "validation"
    else:
        title, split = f'A network retrained in the pure-nas study "{settings.get("study")}"', "test"
    folders = map(TrialDirectory, sorted(training.path.parent.glob(f"{glob.escape(name)}-seed*")), repeat(0))
    accuracies = [_accuracy(each) for each in folders if each.is_complete]
    return ChosenWeights(
        architecture=candidate.architecture,
        path=training.weights,
        images=images.facts,
        title=title,
        notes=(
            f"Trained with seed {seed} for {counted(candidate.recipe.epochs, 'epoch')}.",
            _accuracy_note(split, training, accuracies, images.name),
        ),
        directory=run.path / "export" / training.path.name,
        way_out=f"Remove {training.path} and give the command that trained it again.",
    )


def _accuracy(training: TrialDirectory) -> float:
    return training.number_in(training.result() or {}, "metrics", "accuracy")


def _accuracy_note(split: str, training: TrialDirectory, seeds: Sequence[float], dataset: str) -> str:
    """The accuracy of the weights, and the mean of all seeds where there are several."""
    text = f"{split.capitalize()} accuracy {100 * _accuracy(training):.2f} % on {dataset}"
    if len(seeds) < 2:
        return f"{text}, a single run."
    text += f"; mean of {len(seeds)} seeds {100 * statistics.fmean(seeds):.2f} %"
    if interval := accuracy_interval(seeds):
        text += f", {100 * CONFIDENCE:.0f} % interval {100 * interval[0]:.2f} to {100 * interval[1]:.2f} %"
    return f"{text}."
