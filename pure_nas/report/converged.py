"""The table of how fast networks learn: when each first reached an accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from pure_nas.analysis.convergence import Convergence
from pure_nas.quantities import counted, show_seconds
from pure_nas.report.palette import style_of


@dataclass(frozen=True)
class Learner:
    """A row of the table.

    Attributes:
        kind: its unit, or "hybrid".
        number: what the page marks when the pointer is on the row; None for nothing.
    """

    name: str
    kind: str
    convergence: Sequence[Convergence]
    number: int | None = None


def convergence_table(learners: Sequence[Learner]) -> str:
    """Epochs and seconds, a column for each accuracy that one of them reached; empty where none did."""
    places = [
        place
        for place in range(min((len(each.convergence) for each in learners), default=0))
        if any(each.convergence[place].epochs for each in learners)
    ]
    if not places:
        return ""
    targets = (f"{100 * learners[0].convergence[place].target:g} %" for place in places)
    head = "".join(f'<th scope="col">{title}</th>' for title in ("network", *targets))
    body = "".join(_row(each, places) for each in learners)
    table = f'<table class="convergence"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _row(learner: Learner, places: Sequence[int]) -> str:
    marks = "" if learner.number is None else f' data-trial="{learner.number}"'
    style = style_of(learner.kind)
    glyph = f'<i class="cell {style.role}" title="{escape(learner.kind)}">{escape(style.glyph)}</i>'
    cells = "".join(convergence_cell(learner.convergence[place]) for place in places)
    return f'<tr{marks}><th scope="row">{glyph} {escape(learner.name)}</th>{cells}</tr>'


def convergence_cell(found: Convergence) -> str:
    """Means over seeds; where some never got there, how many did comes first, so that nobody takes it for all."""
    if found.mean_epochs is None:
        return f'<td><span class="sub">{"never" if found.missed else "–"}</span></td>'
    epochs = f"{found.mean_epochs:.3g} {'epoch' if found.mean_epochs == 1 else 'epochs'}"
    epochs += _spread(found.epochs, str)
    seconds = show_seconds(found.mean_seconds or 0.0) + _spread(found.seconds, show_seconds)
    if not found.missed:
        return f'<td class="figure">{epochs}<span class="sub">{seconds}</span></td>'
    part = f"{len(found.epochs)} of {counted(len(found.epochs) + found.missed, 'seed')}"
    return f'<td class="figure verdict diverged">{part}<span class="sub">{epochs}; {seconds}</span></td>'


def _spread(values: Sequence[float], text: Callable[[float], str]) -> str:
    """The lowest and the highest, in brackets; empty where they read the same."""
    low, high = text(min(values)), text(max(values))
    return "" if low == high else f" ({low} to {high})"
