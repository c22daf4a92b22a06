"""Training chosen networks from scratch on train + validation and evaluating them once on the test split."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pure_nas.analysis.convergence import USUAL_TARGETS, convergence_of
from pure_nas.analysis.statistics import CONFIDENCE, Difference, Tested, Untested, compared, holm, verdict_of
from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError, UsageError
from pure_nas.files import write_whole
from pure_nas.plans.budget import Budget
from pure_nas.plans.driver import Driver
from pure_nas.plans.plan import FixedPlan, Listener, Trained, Training
from pure_nas.quantities import show_percent, show_points
from pure_nas.run.directory import RunDirectory
from pure_nas.run.images import RunImages
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
from pure_nas.run.search_results import Results, TrialRecord
from pure_nas.workers.executor import HERE, Execution, device_for
from pure_nas.workers.resources import Resources, Work, Workers, check_workers

_UNTESTED: dict[Untested, str] = {
    "seeds diverged": "Seeds diverged, so nothing is tested",
    "too few seeds": "Not enough seeds to compare",
    "no spread to judge by": "Not enough spread to compare, every seed gave the same accuracy",
}
_TESTED: dict[Tested, str] = {
    "better": "Better than its twin",
    "worse": "Worse than its twin",
    "no difference shown": "No difference shown",
}


def select_trials(results: Results, which: str) -> list[TrialRecord]:
    """The trials called "front", or listed by name or number as in "best,3,7"."""
    if which == "front":
        results.require_complete()
        return list(results.front)
    if not which:
        raise UsageError("No trial is named.", hint="Name front, or trials such as best,3.")
    found = [results.select(name.strip()) for name in which.split(",")]
    return list({record.number: record for record in found}.values())


class Retrain:
    """A retraining of trials and their twins, in a run that is locked.

    What was already retrained is taken from its folder. retrain.json keeps what others found: other trials, other
    epochs, further seeds.
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
        execution: Execution = HERE,
        dataset: str | None = None,  # where the images of the run are now; None: where they were
    ) -> None:
        check_workers(workers, execution)
        self._earlier = load_retraining(run)
        images = RunImages.of_run(run)
        load = images.loader(dataset, data_dir=data_dir)
        found = images.require_same(load(), hint="Restore the old ones, or search again with another --study.")
        variants = [variant for trial in trials for variant in variants_of(trial.number, trial.candidate, epochs)]
        self._wanted = [(variant, _trainings(run, variant, seeds, self._earlier)) for variant in variants]
        # Trials may share their twins.
        trainings = {each.directory.path: each for _, of_variant in self._wanted for each in of_variant}
        self.plan = FixedPlan("retraining", tuple(trainings.values()), final=True, insists=True)
        distinct = {each.candidate.digest: each.candidate for each in trainings.values()}
        resources = Resources(
            dataset=found,
            load=load,
            device=device_for(execution, device),
            train_images=len(found.train_and_validation),
            workers=workers,
            execution=execution,
            tests=True,
            work=partial(Work.of_candidates, list(distinct.values())),
        )
        self.resources = resources
        self.driver = Driver(run, resources, Budget())

    def go(self, listener: Listener[Trained]) -> Retraining:
        """Train what is missing, and compare everything that was retrained in the run so far."""
        self.driver.go(self.plan, listener)
        now = [_row(variant, trained) for variant, trained in self._wanted]
        # Rows of now take the place of those of the same trial and epochs.
        replaced = {(row.trial, row.epochs) for row in now}
        rows = [row for row in self._earlier.rows if (row.trial, row.epochs) not in replaced] + now
        rows = sorted(rows, key=lambda row: (row.trial, row.epochs))
        found = Retraining(rows=tuple(rows), verdicts=tuple(_verdicts(rows)))
        write_whole(self.driver.run.path / RETRAIN_FILE, json.dumps(found.document(), indent=2) + "\n")
        return found


def _trainings(run: RunDirectory, variant: Variant, seeds: int, earlier: Retraining) -> list[Training]:
    """The trainings of a network: from the first seeds, and from those further ones that it already has."""
    digest = variant.candidate.digest
    known = {seed for row in earlier.rows if row.digest == digest and row.trial == variant.trial for seed in row.seeds}
    label = f"trial {variant.trial}, {variant.name}"
    folders = {seed: retrained_folder(run, digest, seed) for seed in sorted({*range(1, seeds + 1), *known})}
    return [
        Training(label, variant.candidate, seed, folder)
        for seed, folder in folders.items()
        if seed <= seeds or folder.result() is not None
    ]


def _row(variant: Variant, trained: Sequence[Training]) -> Row:
    cost = cost_of(variant.candidate.architecture)
    kept = [accuracy for each in trained if (accuracy := _test_accuracy(each)) is not None]
    curves = [each.directory.curve() for each in trained]
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
        convergence=tuple(convergence_of(curves, target, "training") for target in USUAL_TARGETS),
    )


def _test_accuracy(trained: Training) -> float | None:
    """What a training found; None where it diverged."""
    result = trained.directory.result()
    if result is None:
        raise RunError(f"{trained.directory.path} was removed while it was retrained.")
    return trained.directory.number_in(result, "metrics", "accuracy") if result["state"] == "complete" else None


def _verdicts(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Compare each trial with the better recipe of each twin, at each number of epochs, unless all have one seed."""
    retraining = Retraining(rows=tuple(rows))
    if retraining.one_seed:
        return
    several = max(Counter(trial for trial, _ in retraining.groups).values(), default=0) > 1
    comparisons = [(row, *found) for row in rows if row.variant == "trial" for found in _comparisons(row, rows)]
    tested = [found.p for _, _, found in comparisons if found is not None and found.p is not None]
    corrected = iter(holm(tested))
    for row, facts, found in comparisons:
        text = facts if found is None else _in_words(facts, found, next(corrected), len(tested))
        yield Verdict(trial=row.trial, text=f"With --epochs {row.epochs}: {text}" if several else text)


def _comparisons(row: Row, rows: Sequence[Row]) -> Iterator[tuple[str, Difference | None]]:
    """Each twin's accuracies and their difference, or why there is no test of it."""
    for unit in TWIN_UNITS:
        same = (each for each in rows if (each.trial, each.epochs) == (row.trial, row.epochs))
        twins = [each for each in same if each.variant.startswith(f"{unit} twin")]
        if not twins:
            continue
        trained = [twin for twin in twins if twin.test_accuracy]
        if not trained:
            yield f"Every {unit} twin of trial {row.trial} diverged.", None
            continue
        if not row.test_accuracy:
            yield f"Trial {row.trial} diverged with every seed.", None
            return
        twin = max(trained, key=lambda twin: twin.mean)
        facts = f"trial {row.trial} {_mean(row)}, {twin.variant} {_mean(twin)}"
        found = compared(row.test_accuracy, twin.test_accuracy, diverged=row.diverged + twin.diverged)
        yield (facts, found) if isinstance(found, Difference) else (f"{_UNTESTED[found]}: {facts}.", None)


def _mean(row: Row) -> str:
    """Of the seeds that came through; how many did not."""
    lost = f" ({row.diverged} of {row.diverged + len(row.test_accuracy)} seeds diverged)" if row.diverged else ""
    return f"{show_percent(row.mean)}{lost}"


def _in_words(facts: str, found: Difference, p: float, tests: int) -> str:
    corrected = f"p {p:.3f} corrected for {tests} comparisons" if tests > 1 else f"p {p:.3f}"
    return (
        f"{_TESTED[verdict_of(found.value, p)]}: {facts} (difference {show_points(found.value)} points, "
        f"{show_percent(CONFIDENCE, 0)} interval {show_points(found.low)} to {show_points(found.high)}, {corrected})."
    )
