"""How fast networks learn as a table: when each first reached an accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pure_nas.analysis.convergence import Convergence
from pure_nas.quantities import counted, show_seconds
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table


@dataclass(frozen=True)
class Learner:
    """A row of the table.

    Attributes:
        kind: its unit, or "hybrid".
        identity: see `Row`.
    """

    name: str
    kind: str
    convergence: Sequence[Convergence]
    identity: str = ""


def convergence_table(learners: Sequence[Learner]) -> Table | None:
    """Epochs and seconds, a column for each accuracy that one of them reached; None where none did."""
    places = [
        place
        for place in range(min((len(each.convergence) for each in learners), default=0))
        if any(each.convergence[place].epochs for each in learners)
    ]
    if not places:
        return None
    targets = [f"{100 * learners[0].convergence[place].target:g} %" for place in places]
    columns = (Column("network", "network", "left"), *(Column(target, target) for target in targets))
    rows = (
        Row.of(
            columns,
            [
                Cell(each.name, each.name, unit=each.kind),
                *(convergence_cell(each.convergence[place]) for place in places),
            ],
            identity=each.identity,
        )
        for each in learners
    )
    return Table("convergence", columns, tuple(rows))


def convergence_cell(found: Convergence) -> Cell:
    """Means over seeds; where some never got there, how many did comes first, so that nobody takes it for all."""
    if found.mean_epochs is None:
        return Cell(text="never", tone="dim") if found.missed else NOTHING
    epochs = f"{found.mean_epochs:.3g} {'epoch' if found.mean_epochs == 1 else 'epochs'}"
    epochs += _spread(found.epochs, str)
    seconds = show_seconds(found.mean_seconds or 0.0) + _spread(found.seconds, show_seconds)
    if not found.missed:
        return Cell(found.mean_epochs, epochs, seconds)
    part = f"{len(found.epochs)} of {counted(len(found.epochs) + found.missed, 'seed')}"
    return Cell(found.mean_epochs, part, f"{epochs}; {seconds}", tone="warning")


def _spread(values: Sequence[float], text: Callable[[float], str]) -> str:
    """The lowest and the highest, in brackets; empty where they read the same."""
    low, high = text(min(values)), text(max(values))
    return "" if low == high else f" ({low} to {high})"
