"""The table of a retraining."""

from __future__ import annotations

from rich.table import Table

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.run.retrained import Retraining, Row
from pure_nas_cli.console import stdout
from pure_nas_cli.quantities import show_count, show_size


def print_retraining(found: Retraining) -> None:
    """Print the test accuracy of each network beside its twins, and what follows."""
    seeds = {len(row.seeds) for row in found.rows}
    many = show_count(len(found.rows[0].seeds), "seed") if len(seeds) == 1 else "several seeds"
    title = f"Test accuracy{' of' if seeds == {1} else ', mean and standard deviation of'} {many}"
    if not found.epochs_differ:
        title += f", {show_count(found.rows[0].epochs, 'epoch')}"
    stdout.print(title, style="italic")
    stdout.print(_table(found, show_seeds=len(seeds) > 1))
    for verdict in found.verdicts:
        stdout.print(verdict.text)
    if found.one_seed:
        stdout.print(ONE_SEED)


def _table(found: Retraining, *, show_seeds: bool) -> Table:
    table = Table()
    table.add_column("trial", justify="right")
    table.add_column("network")
    if found.epochs_differ:
        table.add_column("epochs", justify="right")
    if show_seeds:
        table.add_column("seeds", justify="right")
    table.add_column("test accuracy", justify="right")
    table.add_column("flops", justify="right")
    table.add_column("params", justify="right")
    group = None
    for row in found.rows:
        if group is not None and (row.trial, row.epochs) != group:
            table.add_section()
        group = row.trial, row.epochs
        cells = [str(row.trial), row.variant]
        cells += [f"{row.epochs:,}"] if found.epochs_differ else []
        cells += [str(len(row.seeds))] if show_seeds else []
        cells += [_accuracy(row), show_size(row.flops), show_size(row.params)]
        table.add_row(*cells, style="bold" if row.variant == "trial" else None)
    return table


def _accuracy(row: Row) -> str:
    if not row.test_accuracy:
        return "diverged"
    spread = f" ± {row.std * 100:.2f}" if len(row.test_accuracy) > 1 else ""
    text = f"{row.mean * 100:.2f}{spread} %"
    return f"{text} ({row.diverged} diverged)" if row.diverged else text
