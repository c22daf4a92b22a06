"""Words for retrained networks."""

from __future__ import annotations

from typing import Any

from pure_nas.quantities import counted
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.unit import HYBRID


def variant_kind(row: Row, kinds: dict[int, str]) -> str:
    """What a retrained network is drawn as: its unit's name, or "hybrid"."""
    return kinds.get(row.trial, HYBRID) if row.variant == "trial" else row.variant.split()[0]


def group_labels(retraining: Retraining) -> list[str]:
    """What each of `Retraining.groups` is called: its trial, with the epochs where they are not all the same."""
    if not retraining.epochs_differ:
        return [f"trial {trial}" for trial, _ in retraining.groups]
    return [f"trial {trial}, {counted(epochs, 'epoch')}" for trial, epochs in retraining.groups]


def interval_text(row: Row) -> str:
    """The 95 % interval of the mean in percent; empty where there is none."""
    return f"{100 * row.interval[0]:.2f} to {100 * row.interval[1]:.2f} %" if row.interval else ""


def came_through(row: Row) -> str:
    """How many seeds there were, and how many of them diverged."""
    seeds = counted(len(row.seeds), "seed")
    return f"{row.diverged} of {seeds} diverged" if row.diverged else seeds


def score_document(row: Row) -> dict[str, Any]:
    """The test accuracy of a retrained network, as JSON files hold it; None where every seed diverged."""
    return {
        "accuracy": row.mean if row.test_accuracy else None,
        "interval": list(row.interval) if row.interval else None,
        "accuracies": list(row.test_accuracy),
        "seeds": len(row.seeds),
        "diverged": row.diverged,
        "epochs": row.epochs,
    }


def seeds_text(row: Row) -> str:
    """Mean, standard deviation and number of seeds, and how many seeds diverged."""
    diverged = f"; {counted(row.diverged, 'seed')} diverged" if row.diverged else ""
    if not row.test_accuracy:
        return f"no seed came through{diverged}"
    spread = f" ± {100 * row.std:.2f}" if len(row.test_accuracy) > 1 else ""
    return f"{100 * row.mean:.2f}{spread} % over {counted(len(row.test_accuracy), 'seed')}{diverged}"
