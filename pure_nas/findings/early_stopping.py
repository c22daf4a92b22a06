"""What early stopping saved a search, and how often it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pure_nas.analysis.statistics import wilson_interval
from pure_nas.run.search_results import Results, TrialRecord


@dataclass(frozen=True)
class Rung:
    """An epoch after which trials may end.

    Attributes:
        reached: trials that were trained so far, and could have ended here.
        stopped: those of them that did.
        tau: Kendall's tau-b between the errors here and at the end, over complete trials; None where it says nothing.
    """

    epoch: int
    reached: int
    stopped: int
    tau: float | None


@dataclass(frozen=True)
class EarlyStopping:
    """How it went.

    Attributes:
        stopped: trials that ended early.
        audited: trials that were to end early and were trained to their end all the same.
        wrong: those of `audited` that entered the front.
        interval: 95 % of the share of wrong stops (Wilson's); None without an audit.
        epochs_saved, flops_saved: of what training all of these trials to their end takes, as shares; the second is of
            flops x epochs.
    """

    rungs: tuple[Rung, ...]
    stopped: int
    audited: int
    wrong: int
    interval: tuple[float, float] | None
    epochs_saved: float
    flops_saved: float


def early_stopping_of(results: Results) -> EarlyStopping | None:
    """What early stopping did in a search; None where no trial could have ended early."""
    trained = [each for each in results.trials if each.curve and each.replay_of is None]
    decided = [each for each in trained if each.stopping is not None and each.stopping.errors]
    if not decided:
        return None
    audited = [each for each in decided if each.state == "complete" and _would_have_stopped(each)]
    wrong = sum(_entered_the_front(each, results.complete) for each in audited)
    stopped = [each for each in trained if each.state == "stopped"]
    whole, saved = (
        [(each.candidate.recipe.epochs - less, each.cost.get("flops", 0.0)) for each, less in pairs]
        for pairs in ([(each, 0) for each in trained], [(each, len(each.curve)) for each in stopped])
    )
    return EarlyStopping(
        rungs=tuple(_rungs(decided, results.complete)),
        stopped=len(stopped),
        audited=len(audited),
        wrong=wrong,
        interval=wilson_interval(wrong, len(audited)) if audited else None,
        epochs_saved=sum(epochs for epochs, _ in saved) / sum(epochs for epochs, _ in whole),
        flops_saved=_cost(saved) / _cost(whole) if _cost(whole) else 0.0,
    )


def _cost(trainings: Sequence[tuple[int, float]]) -> float:
    return sum(epochs * flops for epochs, flops in trainings)


def _error(trial: TrialRecord, epoch: int) -> float:
    error = trial.curve[epoch - 1]["validation_error"]
    return 1.0 if error is None else float(error)


def _would_have_stopped(trial: TrialRecord) -> bool:
    """Whether a complete trial, an audit, was to end early."""
    return trial.stopping is not None and any(
        _error(trial, epoch) > most for epoch, most in trial.stopping.errors.items()
    )


def _entered_the_front(trial: TrialRecord, complete: Sequence[TrialRecord]) -> bool:
    """Whether no earlier trial was as good in every objective."""
    earlier = (each.objectives for each in complete if each.number < trial.number)
    return not any(all(a <= b for a, b in zip(each, trial.objectives, strict=True)) for each in earlier)


def _rungs(decided: Sequence[TrialRecord], complete: Sequence[TrialRecord]) -> list[Rung]:
    epochs = sorted({epoch for each in decided if each.stopping for epoch in each.stopping.errors})
    return [
        Rung(
            epoch,
            sum(len(each.curve) >= epoch for each in decided),
            sum(each.stopped_after == epoch for each in decided),
            _tau(complete, epoch),
        )
        for epoch in epochs
    ]


def _tau(complete: Sequence[TrialRecord], epoch: int) -> float | None:
    from scipy.stats import kendalltau

    pairs = [(_error(each, epoch), each.error) for each in complete if len(each.curve) >= epoch]
    if min(len(set(values)) for values in zip(*pairs, strict=True)) < 2 if pairs else True:
        return None
    return float(kendalltau(*zip(*pairs, strict=True)).statistic)
