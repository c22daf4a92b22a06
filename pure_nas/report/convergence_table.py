"""How fast networks learn as a table: when each first reached an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pure_nas.analysis.convergence import Convergence, span_text
from pure_nas.quantities import show_seconds
from pure_nas.report.table import NETWORK, NOTHING, Cell, Column, Row, Table


class Learner(NamedTuple):
    """A row of the table: `kind` is its unit, or "hybrid"; for `identity` see `Row`."""

    name: str
    kind: str
    convergence: Sequence[Convergence]
    identity: str = ""


def convergence_table(learners: Sequence[Learner]) -> Table | None:
    """Epochs and training time, a column for each accuracy that one of them reached; None where none did."""
    by_target = zip(*(each.convergence for each in learners), strict=False)
    reached = [place for place, found in enumerate(by_target) if any(each.epochs for each in found)]
    if not reached:
        return None
    targets = [f"{100 * learners[0].convergence[place].target:g} %" for place in reached]
    columns = (NETWORK, *(Column(target, target, brief=True) for target in targets))
    rows = (
        Row.of(columns, [Cell(name, name, unit=kind), *(_cell(found[place]) for place in reached)], identity=identity)
        for name, kind, found, identity in learners
    )
    return Table("convergence", columns, tuple(rows))


def _cell(found: Convergence) -> Cell:
    """Means over seeds; where some never got there, how many did comes first, so that nobody takes it for all."""
    if found.mean_epochs is None:
        return Cell(text="never", tone="dim") if found.missed else NOTHING
    text = f"{found.mean_epochs:.3g} / {show_seconds(found.mean_seconds or 0.0)}"
    epochs, seconds = span_text(found.epochs), span_text(found.seconds, show_seconds)
    spread = f"{epochs} / {seconds}" if " to " in epochs + seconds else ""
    if not found.missed:
        return Cell(found.mean_epochs, text, spread)
    ended = len(found.epochs)
    return Cell(found.mean_epochs, f"{ended} of {ended + found.missed}: {text}", spread, tone="warning")
