"""Choosing a trained network of a search, of retraining, or of one training, and describing it for an export."""

from __future__ import annotations

import glob
import math
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pure_nas.analysis.statistics import CONFIDENCE, accuracy_interval
from pure_nas.errors import RunError, UsageError
from pure_nas.quantities import counted, show_percent
from pure_nas.run.directory import WEIGHTS_FILE, RunDirectory, TrialDirectory
from pure_nas.run.images import RunImages, run_of
from pure_nas.run.retrained import RETRAIN_FILE, Row, load_retraining, retrained_folder
from pure_nas.run.search_results import TrialRecord, load_results
from pure_nas.run.trained import Trained, is_training, of_search, title_of, trained_at

Origin = Literal["auto", "search", "retrain"]
"""Where weights of a trial come from; auto: the retrained ones where there are some, else those of the search."""


def choose_trained(
    path: Path, which: str | None = None, *, origin: Origin = "auto", seed: int | None = None
) -> Trained:
    """The network of a trial, the knee if left out, or that in the folder of one training, described for an export.

    Of several retrainings of a trial, those of the most epochs, and of their seeds, unless one is named, that whose
    last training loss is nearest to the mean of all. Test scores never decide which weights are taken.
    """
    if not RunDirectory(path).exists and is_training(path):
        if which is not None or seed is not None or origin != "auto":
            raise UsageError(
                f"{path} holds one trained network, so there is nothing to choose.",
                hint="Omit --trial, --seed and --from.",
            )
        return _of_training(path)
    head, colon, tail = str(path).rpartition(":")
    if colon and not path.exists() and RunDirectory(Path(head)).exists:
        raise UsageError(f"{path} is not a folder.", hint=f"Use --trial: {head} --trial {tail}.")
    run = RunDirectory.open(path)
    if run.is_experiment:
        example = next(iter(run.trained_folders), run.path / "trials" / "NETWORK-seed1")
        raise RunError(
            f"{path} holds an experiment, not a search.", hint=f"Use one of its trainings, such as {example}."
        )
    return _of_trial(run, "knee" if which is None else which, origin, seed)


def _of_trial(run: RunDirectory, which: str, origin: Origin, seed: int | None = None) -> Trained:
    if seed is not None and origin == "search":
        raise UsageError("A seed chooses among retrained weights, but those of the search are asked for.")
    record = load_results(run).select(which)
    row = load_retraining(run).row_of(record.candidate, seed)
    if row and row.test_accuracy and origin != "search":
        return _of_retraining(run, record, row, seed)
    if origin == "retrain" or seed is not None:
        if row:
            raise UsageError(
                f"Trial {record.number} diverged with every seed when it was retrained.",
                hint="Use the weights of the search: --from search.",
            )
        command = f"pure-nas retrain {shlex.quote(str(run.path))} --trials {record.number}"
        raise UsageError(
            f"Trial {record.number} was not retrained.",
            hint=f"Retrain it: {command}; or use the weights of the search: --from search.",
        )
    if row and origin != "search":
        return of_search(run, record, f"Retrained for {counted(row.epochs, 'epoch')}, it diverged with every seed.")
    return of_search(run, record)


def _of_retraining(run: RunDirectory, record: TrialRecord, row: Row, seed: int | None) -> Trained:
    again, trial = "Run the pure-nas retrain command again:", f"trial {record.number}"
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
            f"{run.path / RETRAIN_FILE} does not agree with the results of the seeds of {trial}.",
            hint=f"{again} it reads them again and trains nothing twice.",
        )
    chosen = _nearest_to_mean(complete, row.epochs) if seed is None else seed
    folder = complete[chosen]
    diverged = f" ({row.diverged} diverged)" if row.diverged else ""
    why = ", the one whose last training loss is nearest to the mean" if seed is None and len(complete) > 1 else ""
    return replace(
        trained_at(folder.weights),
        title=f"{title_of(run, record)}, retrained",
        notes=(
            f"Retrained weights: seed {chosen} of {len(row.seeds)}{diverged}{why}; {counted(row.epochs, 'epoch')} on "
            "the training and validation images.",
            _accuracy_note("test", folder, row.test_accuracy, RunImages.of_run(run).name),
        ),
        directory=run.path / "export" / f"{record.number:04d}-seed{chosen}",
        way_out=f"Choose others with --seed N or --from search; or remove {folder.path} and run the "
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


def _of_training(folder: Path) -> Trained:
    training = TrialDirectory(folder.resolve(), 0)
    run, images = run_of(training.weights), RunImages.of_weights(training.weights)
    place, name = training.path.parent.name, training.path.name
    if images is None or (run is not None and place not in ("trials", "retrain")):
        raise RunError(
            f"{folder} does not say which images its network was trained on.",
            hint="Use a run, or a folder written by pure-nas train, retrain or experiment.",
        )
    result = training.result()
    if result is None:
        raise RunError(
            f"The training in {folder} has not ended.", hint="Run the command that started it again to resume it."
        )
    if result["state"] != "complete":
        raise RunError(f"The training in {folder} is {result['state']}: {result.get('reason', '')}.")
    if run is not None and place == "trials" and not run.is_experiment:
        return _of_trial(run, name.lstrip("0") or "0", "search")
    epochs = counted(training.candidate().recipe.epochs, "epoch")
    if run is None:
        if "mean" not in images.facts:  # An older training.json leaves the normalisation out.
            images = replace(images, facts=images.require_same(images.loader()(), hint="Restore the old ones.").facts)
        return replace(
            trained_at(folder / WEIGHTS_FILE),
            images=images,
            title=f'"{training.path.name}", a network that pure-nas has trained on {images.name}',
            notes=(
                f"Trained with seed {images.source.seed} for {epochs} on the training images.",
                f"Validation error {show_percent(1 - _accuracy(training))} on {images.name}, a single run.",
            ),
            directory=folder / "export",
            way_out="Run the pure-nas train command again: it trains them again.",
        )
    settings, (label, _, seed) = run.settings(), name.rpartition("-seed")
    title, split = f'A network retrained in the pure-nas study "{settings.get("study")}"', "test"
    if run.is_experiment:
        title = f'{label} of the pure-nas experiment "{settings.get("experiment")}"'
        split = "test" if settings.get("split") == "test" else "validation"
    seeds = (TrialDirectory(each, 0) for each in sorted(training.path.parent.glob(f"{glob.escape(label)}-seed*")))
    accuracies = [_accuracy(each) for each in seeds if (each.result() or {}).get("state") == "complete"]
    return replace(
        trained_at(training.weights),
        title=title,
        notes=(f"Trained with seed {seed} for {epochs}.", _accuracy_note(split, training, accuracies, images.name)),
        directory=run.path / "export" / name,
        way_out=f"Remove {training.path} and run the command that trained it again.",
    )


def _accuracy(training: TrialDirectory) -> float:
    return training.number_in(training.result() or {}, "metrics", "accuracy")


def _accuracy_note(split: str, training: TrialDirectory, seeds: Sequence[float], dataset: str) -> str:
    text = f"{split.capitalize()} accuracy {show_percent(_accuracy(training))} on {dataset}"
    if len(seeds) < 2:
        return f"{text}, a single run."
    text += f"; mean of {len(seeds)} seeds {show_percent(statistics.fmean(seeds))}"
    if interval := accuracy_interval(seeds):
        text += f", {show_percent(CONFIDENCE, 0)} interval {100 * interval[0]:.2f} to {show_percent(interval[1])}"
    return f"{text}."
