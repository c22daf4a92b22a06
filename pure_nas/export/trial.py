"""The weights of a trial: those of the search's short run, or those it was retrained with."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterable, Mapping
from typing import Literal

from pure_nas.errors import RunError, UsageError
from pure_nas.export.chosen_weights import ChosenWeights, accuracy_of, accuracy_text, epochs_text
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.images import RunImages
from pure_nas.run.results import TrialRecord, load_results
from pure_nas.run.retrained import RETRAIN_FILE, Row, load_retraining, retrained_folder

Origin = Literal["auto", "search", "retrain"]
"""Where weights of a trial come from; auto: the retrained ones where there are some, else those of the search."""


def weights_of_trial(run: RunDirectory, which: str, origin: Origin = "auto", seed: int | None = None) -> ChosenWeights:
    """The weights of a trial of a search.

    Of several retrainings, those of the most epochs. Test scores never decide which weights are taken.

    Args:
        which: "best", "knee", "smallest" or a trial's number.
        seed: take the retrained weights of this seed; where it is left out, those of the seed whose last training
            loss is nearest to the mean of all seeds.

    Raises:
        UsageError: there is no such trial, or it was not retrained as asked for.
        RunError: the run is damaged.
    """
    if seed is not None and origin == "search":
        raise UsageError("--seed chooses among retrained weights, but --from search asks for those of the search.")
    record = load_results(run).select(which)
    retraining = load_retraining(run)
    row = retraining.row_of(record.candidate) if retraining else None
    if origin == "retrain" or seed is not None:
        _require_retrained(run, record, row)
    if row is None or origin == "search":
        return _of_search(run, record)
    if not row.test_accuracy:
        return _of_search(run, record, f"Retrained for {epochs_text(row.epochs)}, it diverged with every seed.")
    return _of_retraining(run, record, row, seed)


def _require_retrained(run: RunDirectory, record: TrialRecord, row: Row | None) -> None:
    if row is None:
        command = f"pure-nas retrain {shlex.quote(str(run.path))} --trials {record.number}"
        raise UsageError(
            f"Trial {record.number} was not retrained.",
            hint=f"Retrain it: {command}; or take the weights of the search: --from search.",
        )
    if not row.test_accuracy:
        raise UsageError(
            f"Trial {record.number} diverged with every seed when it was retrained.",
            hint="Take the weights of the search: --from search.",
        )


def _of_search(run: RunDirectory, record: TrialRecord, *notes: str) -> ChosenWeights:
    images = RunImages.of_run(run)
    trained = record.number if record.replay_of is None else record.replay_of
    return ChosenWeights(
        architecture=record.candidate.architecture,
        path=run.trial(trained).weights,
        images=images.facts,
        title=_title(run, record),
        notes=(
            *notes,
            f"Weights of the search: {epochs_text(record.candidate.recipe.epochs)} on the training images.",
            f"Validation error {record.error * 100:.2f} % on {images.name}, a single run.",
        ),
        directory=run.path / "export" / f"{record.number:04d}",
    )


def _title(run: RunDirectory, record: TrialRecord) -> str:
    return f'Trial {record.number} of the pure-nas study "{run.settings().get("study", run.path.name)}"'


def _of_retraining(run: RunDirectory, record: TrialRecord, row: Row, seed: int | None) -> ChosenWeights:
    folders = {each: retrained_folder(run, row.digest, each) for each in row.seeds}
    complete = {each: folder for each, folder in folders.items() if _is_complete(folder)}
    trial = f"trial {record.number}"
    if seed is not None and seed not in folders:
        raise UsageError(f"{trial.capitalize()} was not retrained with seed {seed}, but with {_listed(folders)}.")
    if seed is not None and seed not in complete:
        raise UsageError(f"Seed {seed} of {trial} diverged.", hint=f"Choose another: {_listed(complete)}.")
    if [accuracy_of(folder) for folder in complete.values()] != list(row.test_accuracy):
        raise RunError(
            f"{run.path / RETRAIN_FILE} does not say of {trial} what the results of its seeds say.",
            hint="Give the pure-nas retrain command again: it reads them anew and trains nothing twice.",
        )
    chosen = _nearest_to_mean(complete, row.epochs) if seed is None else seed
    images = RunImages.of_run(run)
    diverged = f" ({row.diverged} diverged)" if row.diverged else ""
    why = ", the one whose last training loss is nearest to the mean" if seed is None and len(complete) > 1 else ""
    return ChosenWeights(
        architecture=record.candidate.architecture,
        path=complete[chosen].weights,
        images=images.facts,
        title=f"{_title(run, record)}, retrained",
        notes=(
            f"Retrained weights: seed {chosen} of {len(folders)}{diverged}{why}; "
            f"{epochs_text(row.epochs)} on the training and validation images.",
            accuracy_text("test", accuracy_of(complete[chosen]), row.test_accuracy, images.name),
        ),
        directory=run.path / "export" / f"{record.number:04d}-seed{chosen}",
        way_out=f"Choose others with --seed N or --from search; or remove {complete[chosen].path} and give the "
        "pure-nas retrain command again.",
    )


def _is_complete(folder: TrialDirectory) -> bool:
    result = folder.result()
    if result is None:
        raise RunError(
            f"{folder.path} has no result.json, but retrain.json says that it was trained.",
            hint="Give the pure-nas retrain command again: it trains what is missing.",
        )
    return bool(result["state"] == "complete")


def _listed(seeds: Iterable[int]) -> str:
    numbers = [str(seed) for seed in seeds]
    return f"seed {numbers[0]}" if len(numbers) == 1 else f"seeds {', '.join(numbers)}"


def _nearest_to_mean(folders: Mapping[int, TrialDirectory], epochs: int) -> int:
    """The seed whose last training loss is nearest to the mean of all; the first of several."""
    if len(folders) == 1:
        return next(iter(folders))
    losses = {seed: _last_loss(folder, epochs, folders) for seed, folder in folders.items()}
    mean = statistics.fmean(losses.values())
    nearest = min(abs(loss - mean) for loss in losses.values())
    # Two seeds are equally far from their mean but for rounding.
    return next(seed for seed, loss in losses.items() if math.isclose(abs(loss - mean), nearest, rel_tol=1e-6))


def _last_loss(folder: TrialDirectory, epochs: int, seeds: Iterable[int]) -> float:
    """The training loss after the last epoch.

    Raises:
        RunError: the curve does not say it.
    """
    loss = next((record.get("train_loss") for record in folder.curve() if record.get("epoch") == epochs), None)
    if not isinstance(loss, int | float) or not math.isfinite(loss):
        raise RunError(
            f"{folder.metrics} does not say the training loss of epoch {epochs}, so the seed nearest to the mean is "
            "not known.",
            hint=f"Choose one with --seed N: {_listed(seeds)}.",
        )
    return loss
