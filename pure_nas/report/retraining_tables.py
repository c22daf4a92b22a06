"""Retrained networks as a table, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pure_nas.quantities import cost_label, counted, show_number
from pure_nas.report.convergence_table import Learner, convergence_table
from pure_nas.report.table import NETWORK, Cell, Column, Table, mean_text
from pure_nas.report.table import Row as TableRow
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.unit import HYBRID


def retrained_table(retraining: Retraining, kinds: Mapping[int, str]) -> Table:
    """The test accuracy of each network next to its twins; `kinds` are those of the trials, by number."""
    rows, counts = retraining.rows, {len(row.seeds) for row in retraining.rows}
    columns = (
        Column("trial", "trial"),
        NETWORK,
        Column("epochs", "epochs" if retraining.epochs_differ else ""),
        Column("seeds", "seeds" if len(counts) > 1 else ""),
        Column("accuracy", "test accuracy"),
        Column("flops", cost_label("flops"), detail=1),
        Column("params", "params", detail=1),
    )
    lines = []
    for row in rows:
        network = Cell(row.variant, row.variant, unit=variant_kind(row, kinds))
        costs = (Cell(value, show_number(value)) for value in (row.flops, row.params))
        cells = [row.trial, network, row.epochs, len(row.seeds), _accuracy_cell(row), *costs]
        tone = "strong" if row.variant == "trial" else ""
        lines.append(TableRow.of(columns, cells, tone=tone, section=f"{row.trial}, {row.epochs}"))
    seeds = "several seeds" if len(counts) > 1 else counted(max(counts), "seed")
    epochs = "" if retraining.epochs_differ else f", {counted(rows[0].epochs, 'epoch')}"
    title = f"Test accuracy{', mean ± standard deviation of' if max(counts) > 1 else ' of'} {seeds}{epochs}"
    return Table("retrained", columns, tuple(lines), title)


def _accuracy_cell(row: Row) -> Cell:
    if not row.test_accuracy:
        return Cell(text="diverged", tone="warning")
    return Cell(row.mean, mean_text(row.test_accuracy), came_through(row) if row.diverged else "")


def retrained_convergence(retraining: Retraining, kinds: Mapping[int, str]) -> Table | None:
    """When the training accuracy of each network first reached usual values; None where none did."""
    labels = dict(zip(retraining.groups, group_labels(retraining), strict=True))
    return convergence_table(
        [
            Learner(f"{labels[row.trial, row.epochs]}, {row.variant}", variant_kind(row, kinds), row.convergence)
            for row in retraining.rows
        ]
    )


def variant_kind(row: Row, kinds: Mapping[int, str]) -> str:
    """What a retrained network is drawn as: its unit's name, or "hybrid"."""
    return kinds.get(row.trial, HYBRID) if row.variant == "trial" else row.variant.split()[0]


def group_labels(retraining: Retraining) -> list[str]:
    """What each of `Retraining.groups` is called: its trial, with the epochs where they are not all the same."""
    if retraining.epochs_differ:
        return [f"trial {trial}, {counted(epochs, 'epoch')}" for trial, epochs in retraining.groups]
    return [f"trial {trial}" for trial, _ in retraining.groups]


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
