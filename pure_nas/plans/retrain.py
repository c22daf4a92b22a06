"""Training chosen networks from scratch on train + validation and scoring them, once, on the test split."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pure_nas.analysis.convergence import USUAL_TARGETS, convergence_of
from pure_nas.analysis.statistics import CONFIDENCE, SIGNIFICANCE, Difference, difference, holm
from pure_nas.cost.layers import cost_of
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError, UsageError
from pure_nas.files import write_whole
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver, Listener
from pure_nas.plans.fixed import FixedPlan, Scoring, Trained, Training, distinct
from pure_nas.quantities import show_points
from pure_nas.run.directory import RunDirectory
from pure_nas.run.images import RunImages
from pure_nas.run.results import Results, TrialRecord
from pure_nas.run.retrained import (
    RETRAIN_FILE,
    TWIN_UNITS,
    Retraining,
    Row,
    Variant,
    Verdict,
    load_retraining,
    retrained_folder,
    variants_of,
)
from pure_nas.workers import Executor
from pure_nas.workers.count import Work, WorkerPlan, Workers, check_workers, plan_workers, start_workers


def select_trials(results: Results, which: str) -> list[TrialRecord]:
    """The trials called "front", or listed by name or number as in "best,3,7".

    Raises:
        UsageError: there is no such trial.
        RunError: no trial is complete.
    """
    if which == "front":
        results.require_complete()
        return list(results.front)
    return list(
        {record.number: record for name in which.split(",") for record in [results.select(name.strip())]}.values()
    )


class Retrain:
    """A retraining of trials and their twins, in a run that is locked.

    What was already retrained is taken from its folder, so that the same again goes on where it stopped. retrain.json
    keeps what others found: other trials, other epochs, further seeds.

    Args:
        workers: networks trained at once.
        dataset: where the images of the run are now; None for where they were.

    Raises:
        UsageError: there are no seeds, or the number of workers makes no sense.
        RunError: retrain.json is damaged, or the images changed.
    """

    def __init__(
        self,
        run: RunDirectory,
        trials: Sequence[TrialRecord],
        *,
        seeds: int,
        epochs: int | None,
        device: str,
        data_dir: Path | None,
        workers: Workers = 1,
        dataset: str | None = None,
    ) -> None:
        if seeds < 1:
            raise UsageError(f"Retraining needs at least one seed, but --seeds is {seeds}.")
        check_workers(workers)
        self._earlier = load_retraining(run) or Retraining()
        images = RunImages.of_run(run)
        load = images.loader(data_dir, dataset=dataset)
        found = images.require_same(load(), hint="Put the old ones back, or search again with another --study.")
        self._variants = [variant for trial in trials for variant in variants_of(trial.number, trial.candidate, epochs)]
        self._wanted = [_trainings(run, variant, seeds, self._earlier) for variant in self._variants]
        trainings = distinct(each for of_variant in self._wanted for each in of_variant)
        self.plan = FixedPlan("retraining", trainings, Scoring(final=True), insists=True)
        on = resolve_device(device)
        candidates = list({each.digest: each.candidate for each in trainings}.values())

        def start(left: int) -> tuple[Executor, WorkerPlan]:
            work = Work.of_candidates(candidates, left)
            return start_workers(plan_workers(workers, work, on), work, found, load, on)

        self._driver = Driver(run, start, Budget(), epoch_images=len(found.train_and_validation()))

    def go(self, listener: Listener[Trained]) -> Retraining:
        """Train what is missing, and compare everything that was retrained in the run so far.

        Raises:
            RunError: a file cannot be written, or the device ran out of memory.
        """
        run = self._driver.run
        with self._driver:
            self._driver.go(self.plan, listener)
        now = [_row(variant, each) for variant, each in zip(self._variants, self._wanted, strict=True)]
        rows = _merged(self._earlier.rows, now)
        found = Retraining(rows=rows, verdicts=tuple(_verdicts(rows)))
        write_whole(run.path / RETRAIN_FILE, json.dumps(found.document(), indent=2) + "\n")
        return found


def _trainings(run: RunDirectory, variant: Variant, seeds: int, earlier: Retraining) -> list[Training]:
    """The trainings of a network: from the first seeds, and from those further ones that it already has."""
    digest = variant.candidate.digest
    known = {seed for row in earlier.rows if row.digest == digest and row.trial == variant.trial for seed in row.seeds}
    label = f"trial {variant.trial}, {variant.name}"
    return [
        Training(label, variant.candidate, seed, folder)
        for seed in sorted({*range(1, seeds + 1), *known})
        for folder in [retrained_folder(run, digest, seed)]
        if seed <= seeds or folder.result() is not None
    ]


def _merged(earlier: Sequence[Row], rows: Sequence[Row]) -> tuple[Row, ...]:
    """All rows by trial and epochs; of the same trial and epochs, those of now."""
    replaced = {(row.trial, row.epochs) for row in rows}
    kept = [row for row in earlier if (row.trial, row.epochs) not in replaced]
    return tuple(sorted([*kept, *rows], key=lambda row: (row.trial, row.epochs)))


def _test_accuracy(trained: Training) -> float | None:
    """What a training found; None where it diverged."""
    result = trained.directory.result()
    if result is None:
        raise RunError(f"{trained.directory.path} was removed while it was retrained.")
    return trained.directory.number_in(result, "metrics", "accuracy") if result["state"] == "complete" else None


def _row(variant: Variant, trained: Sequence[Training]) -> Row:
    cost = cost_of(variant.candidate.architecture)
    kept = [accuracy for each in trained if (accuracy := _test_accuracy(each)) is not None]
    curves = [each.directory.curve() for each in trained]
    convergence = tuple(convergence_of(curves, target, "training") for target in USUAL_TARGETS)
    return Row(
        trial=variant.trial,
        variant=variant.name,
        digest=variant.candidate.digest,
        epochs=variant.candidate.recipe.epochs,
        seeds=tuple(each.seed for each in trained),
        params=cost.params,
        flops=cost.flops,
        test_accuracy=tuple(kept),
        diverged=len(trained) - len(kept),
        convergence=convergence,
    )


@dataclass(frozen=True)
class _Comparison:
    """A trial beside a twin; `text` where they cannot be told apart by a test."""

    row: Row
    twin: Row | None = None
    found: Difference | None = None
    text: str = ""


def _verdicts(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Compare each trial with the better recipe of each twin, by Welch's test, corrected for the number of tests.

    Nothing is tested where seeds diverged, and nothing is said where every network has one seed: see `ONE_SEED`. A
    trial retrained for several numbers of epochs is compared at each.
    """
    retraining = Retraining(rows=tuple(rows))
    if retraining.one_seed:
        return
    retrainings = Counter(trial for trial, _ in retraining.groups)
    comparisons = [comparison for row in rows if row.variant == "trial" for comparison in _comparisons(row, rows)]
    tested = [each.found.p for each in comparisons if each.found is not None and each.found.p is not None]
    corrected = iter(holm(tested))
    for each in comparisons:
        text = each.text
        if each.twin is not None and each.found is not None and each.found.p is not None:
            text = _in_words(each.row, each.twin, each.found, next(corrected), len(tested))
        epochs = f"With --epochs {each.row.epochs}: " if max(retrainings.values()) > 1 else ""
        yield Verdict(trial=each.row.trial, text=epochs + text)


def _comparisons(row: Row, rows: Sequence[Row]) -> Iterator[_Comparison]:
    for unit in TWIN_UNITS:
        beside = (each for each in rows if (each.trial, each.epochs) == (row.trial, row.epochs))
        twins = [each for each in beside if each.variant.startswith(f"{unit} twin")]
        trained = [twin for twin in twins if twin.test_accuracy]
        if not trained:
            if twins:
                yield _Comparison(row, text=f"Every {unit} twin of trial {row.trial} diverged.")
            continue
        if not row.test_accuracy:
            yield _Comparison(row, text=f"Trial {row.trial} diverged with every seed.")
            break
        yield _compared(row, max(trained, key=lambda twin: twin.mean))


def _compared(row: Row, twin: Row) -> _Comparison:
    if row.diverged or twin.diverged:
        return _Comparison(row, text=f"Seeds diverged, so nothing is tested: {_facts(row, twin)}.")
    if min(len(row.test_accuracy), len(twin.test_accuracy)) < 2:
        return _Comparison(row, text=f"Not enough seeds to compare: {_facts(row, twin)}.")
    found = difference(row.test_accuracy, twin.test_accuracy)
    if found.p is None:
        return _Comparison(
            row, text=f"Not enough spread to compare, every seed gave the same accuracy: {_facts(row, twin)}."
        )
    return _Comparison(row, twin, found)


def _facts(row: Row, twin: Row) -> str:
    return f"trial {row.trial} {_mean(row)}, {twin.variant} {_mean(twin)}"


def _mean(row: Row) -> str:
    """Of the seeds that came through; how many did not."""
    lost = f" ({row.diverged} of {row.diverged + len(row.test_accuracy)} seeds diverged)" if row.diverged else ""
    return f"{100 * row.mean:.2f} %{lost}"


def _in_words(row: Row, twin: Row, found: Difference, p: float, tests: int) -> str:
    corrected = f" corrected for {tests} comparisons" if tests > 1 else ""
    detail = (
        f"difference {show_points(found.value)} points, {CONFIDENCE:.0%} interval {show_points(found.low)} to "
        f"{show_points(found.high)}, p {p:.3f}{corrected}"
    )
    verdict = "No difference shown"
    if p < SIGNIFICANCE:
        verdict = "Better than its twin" if found.value > 0 else "Worse than its twin"
    return f"{verdict}: {_facts(row, twin)} ({detail})."
