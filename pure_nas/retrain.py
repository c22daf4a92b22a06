"""Training chosen networks from scratch on train + validation and scoring them, once, on the test split."""

from __future__ import annotations

import json
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pure_nas.candidate import Candidate
from pure_nas.comparison import CONFIDENCE, SIGNIFICANCE, Difference, difference, holm
from pure_nas.convergence import USUAL_TARGETS, Convergence, convergence_of
from pure_nas.cost.layers import cost_of
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError, UsageError
from pure_nas.recipe import Recipe
from pure_nas.results import Results, TrialRecord
from pure_nas.run_directory import RunDirectory, TrialDirectory, write_whole
from pure_nas.run_images import RunImages
from pure_nas.runner import Ended, Executor, Job, Outcome
from pure_nas.search.workers import Work, Workers, check_workers, plan_workers, start_workers
from pure_nas.units import get_unit

TWIN_UNITS = ("conv", "product")


@dataclass(frozen=True)
class Variant:
    """One network to retrain.

    Attributes:
        trial: number of the trial that it is, or is a twin of.
        name: "trial", or such as "conv twin, usual recipe".
    """

    trial: int
    name: str
    candidate: Candidate


@dataclass(frozen=True)
class Row:
    """A network and its test accuracies.

    Attributes:
        test_accuracy: one for each seed that did not diverge.
        diverged: seeds that did.
        convergence: when the training accuracy first reached usual values.
    """

    trial: int
    variant: str
    params: int
    flops: int
    test_accuracy: list[float]
    diverged: int = 0
    convergence: tuple[Convergence, ...] = ()

    @property
    def mean(self) -> float:
        """Mean test accuracy; NaN where every seed diverged."""
        return statistics.fmean(self.test_accuracy) if self.test_accuracy else float("nan")

    @property
    def std(self) -> float:
        """Standard deviation over seeds (n - 1); 0 for a single one."""
        return statistics.stdev(self.test_accuracy) if len(self.test_accuracy) > 1 else 0.0


@dataclass(frozen=True)
class Retraining:
    """What `retrain` found.

    Attributes:
        verdicts: for each trial, a sentence on it and each of its twins.
    """

    seeds: int
    epochs: int
    rows: list[Row] = field(default_factory=list)
    verdicts: list[tuple[int, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As retrain.json holds it."""
        return {
            "schema": 1,
            "seeds": self.seeds,
            "epochs": self.epochs,
            "rows": [{**asdict(row), "mean": _or_none(row.mean), "std": row.std} for row in self.rows],
            "verdicts": [{"trial": trial, "text": text} for trial, text in self.verdicts],
        }


class Listener(Protocol):
    """Is told how far retraining is."""

    def begin(self, done: int, total: int) -> None:
        """`done` of `total` trainings have ended before."""

    def training_started(self, variant: Variant, seed: int) -> None:
        """A network begins to train."""

    def training_ended(self, variant: Variant, seed: int, outcome: Outcome) -> None:
        """A network was trained and scored, or diverged."""


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


def variants_of(trial: TrialRecord, epochs: int | None) -> list[Variant]:
    """The trial's network and its all-conv and all-product twins, each by its usual recipe and by the trial's.

    Both recipes, because the learning rate alone can decide such a race; a twin that is the trial itself is left
    out.
    """
    recipe = trial.candidate.recipe if epochs is None else trial.candidate.recipe.model_copy(update={"epochs": epochs})
    own = Candidate(trial.candidate.architecture, recipe)
    found = [Variant(trial.number, "trial", own)]
    for unit in TWIN_UNITS:
        twin = own.architecture.with_unit(unit)
        usual = Recipe.usual(get_unit(unit))
        usual = recipe.model_copy(update={"learning_rate": usual.learning_rate, "weight_decay": usual.weight_decay})
        found.append(Variant(trial.number, f"{unit} twin, usual recipe", Candidate(twin, usual)))
        found.append(Variant(trial.number, f"{unit} twin, same recipe", Candidate(twin, recipe)))
    return [variant for variant in found if variant.name == "trial" or variant.candidate.digest != own.digest]


def retrained_folder(run: RunDirectory, candidate: Candidate, seed: int) -> TrialDirectory:
    """Where a network of a run that is retrained with this seed has its files."""
    return TrialDirectory(run.path / "retrain" / f"{candidate.digest}-seed{seed}", seed)


@dataclass(frozen=True)
class _Wanted:
    """One training."""

    variant: Variant
    seed: int
    directory: TrialDirectory


def retrain(
    run: RunDirectory,
    trials: Sequence[TrialRecord],
    *,
    seeds: int,
    epochs: int | None,
    device: str,
    data_dir: Path | None,
    listener: Listener,
    workers: Workers = 1,
    dataset: str | None = None,
) -> Retraining:
    """Retrain trials of a run and their twins, write retrain.json, and compare them.

    What was already retrained is taken from its folder, so that the same call again goes on where it stopped. The
    run must be locked.

    Args:
        workers: networks trained at once.
        dataset: where the images of the run are now; None for where they were.

    Raises:
        UsageError: there are no seeds, or the number of workers makes no sense.
        RunError: a file cannot be written, the images changed, or the device ran out of memory.
    """
    if seeds < 1:
        raise UsageError(f"Retraining needs at least one seed, but --seeds is {seeds}.")
    check_workers(workers)
    images = RunImages.of_run(run)
    load = images.loader(data_dir, dataset=dataset)
    found_images = images.require_same(load(), hint="Put the old ones back, or search again with another --study.")
    variants = [variant for trial in trials for variant in variants_of(trial, epochs)]
    distinct = {variant.candidate.digest: variant for variant in variants}
    wanted = {
        digest: [_Wanted(variant, seed, retrained_folder(run, variant.candidate, seed)) for seed in range(1, seeds + 1)]
        for digest, variant in distinct.items()
    }
    missing = [each for of_digest in wanted.values() for each in of_digest if each.directory.result() is None]
    if missing:
        on = resolve_device(device)
        work = Work.of_candidates([variant.candidate for variant in distinct.values()], len(missing))
        executor, _ = start_workers(plan_workers(workers, work, on), work, found_images, load, on)
        total = len(distinct) * seeds
        listener.begin(total - len(missing), total)
        with closing(executor):
            _train(missing, executor, listener)
    rows = [_row(variant, wanted[variant.candidate.digest]) for variant in variants]
    used = variants[0].candidate.recipe.epochs
    found = Retraining(seeds, used, rows, list(_verdicts(rows)))
    write_whole(run.path / "retrain.json", json.dumps(found.document(), indent=2) + "\n")
    return found


def _train(missing: Sequence[_Wanted], executor: Executor, listener: Listener) -> None:
    """Train what is missing and write the results."""
    waiting, running = deque(enumerate(missing)), dict[int, _Wanted]()
    while waiting or running:
        while waiting and executor.free > 0:
            number, each = waiting.popleft()
            listener.training_started(each.variant, each.seed)
            running[number] = each
            candidate = each.variant.candidate
            each.directory.write_candidate(candidate)
            executor.submit(
                Job(number=number, candidate=candidate, directory=each.directory.path, seed=each.seed, final=True)
            )
        event = executor.next_event()
        if isinstance(event, Ended):
            ended = running.pop(event.number)
            _keep(ended, event.outcome)
            listener.training_ended(ended.variant, ended.seed, event.outcome)


def _keep(trained: _Wanted, outcome: Outcome) -> None:
    folder = trained.directory.path
    if outcome.state == "failed":
        raise RunError(
            f"{folder.name} cannot be trained: {outcome.reason}.",
            hint="Free the device or choose another with --device, then give the same command again.",
        )
    trained.directory.write_result({"schema": 1, "seed": trained.seed, **asdict(outcome)})


def _test_accuracy(trained: _Wanted) -> float | None:
    """What a training found; None where it diverged."""
    result = trained.directory.result()
    if result is None:
        raise RunError(f"{trained.directory.path} was removed while it was retrained.")
    return float(result["metrics"]["accuracy"]) if result["state"] == "complete" else None


def _row(variant: Variant, trained: Sequence[_Wanted]) -> Row:
    cost = cost_of(variant.candidate.architecture)
    kept = [accuracy for each in trained if (accuracy := _test_accuracy(each)) is not None]
    curves = [each.directory.curve() for each in trained]
    convergence = tuple(convergence_of(curves, target, "training") for target in USUAL_TARGETS)
    return Row(variant.trial, variant.name, cost.params, cost.flops, kept, len(trained) - len(kept), convergence)


@dataclass(frozen=True)
class _Comparison:
    """A trial beside a twin; `text` where they cannot be told apart by a test."""

    row: Row
    twin: Row | None = None
    found: Difference | None = None
    text: str = ""


def _verdicts(rows: Sequence[Row]) -> Iterator[tuple[int, str]]:
    """Compare each trial with the better recipe of each twin, by Welch's test, corrected for the number of tests.

    Nothing is tested where seeds diverged.
    """
    comparisons = [comparison for row in rows if row.variant == "trial" for comparison in _comparisons(row, rows)]
    tested = [each.found.p for each in comparisons if each.found is not None and each.found.p is not None]
    corrected = iter(holm(tested))
    for each in comparisons:
        text = each.text
        if each.twin is not None and each.found is not None and each.found.p is not None:
            text = _in_words(each.row, each.twin, each.found, next(corrected), len(tested))
        yield each.row.trial, text


def _comparisons(row: Row, rows: Sequence[Row]) -> Iterator[_Comparison]:
    for unit in TWIN_UNITS:
        twins = [each for each in rows if each.trial == row.trial and each.variant.startswith(f"{unit} twin")]
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
    seeds = row.diverged + len(row.test_accuracy)
    lost = f" ({row.diverged} of {seeds} seeds diverged)" if row.diverged else ""
    return f"{100 * row.mean:.2f} %{lost}"


def _in_words(row: Row, twin: Row, found: Difference, p: float, tests: int) -> str:
    corrected = f" corrected for {tests} comparisons" if tests > 1 else ""
    detail = (
        f"difference {100 * found.value:+.2f} points, {CONFIDENCE:.0%} interval {100 * found.low:+.2f} to "
        f"{100 * found.high:+.2f}, p {p:.3f}{corrected}"
    )
    verdict = "No difference shown"
    if p < SIGNIFICANCE:
        verdict = "Better than its twin" if found.value > 0 else "Worse than its twin"
    return f"{verdict}: {_facts(row, twin)} ({detail})."


def _or_none(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 - NaN, which JSON has not
