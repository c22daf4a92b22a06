"""How soon networks of an experiment learned, as HTML: epochs and seconds, and how many times fewer than others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pure_nas.analysis.convergence import Speed, TimesFewer
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.rows import Row
from pure_nas.report.convergence_table import convergence_cell
from pure_nas.report.experiment.parts import name, table

_FEW = 6
"""Comparisons that are listed without being asked for."""


def convergence(findings: Findings) -> str:
    """A column for each accuracy that was asked for; empty where none was, or no training has ended."""
    rows = findings.rows
    if not any(found.epochs or found.missed for row in rows for found in row.convergence):
        return ""
    targets = (f"{100 * found.target:g} %" for found in rows[0].convergence)
    lines = (_line(place, row) for place, row in enumerate(rows))
    return table(("network", *targets), lines, "convergence") + _speeds(findings.comparisons)


def _line(place: int, row: Row) -> str:
    found = map(convergence_cell, row.convergence)
    cells = "".join(
        f'<td class="figure {cell.tone}">{escape(cell.text)}<span class="sub">{escape(cell.more)}</span></td>'
        for cell in found
    )
    return f'<tr data-trial="{place}"><th scope="row">{name(row)}</th>{cells}</tr>'


def _speeds(compared: Sequence[Comparison]) -> str:
    items = [
        f"<li><b>{escape(each.label)}</b> beside {escape(each.reference)}: "
        + "; ".join(f"{100 * speed.target:g} % in {_sooner(speed)}" for speed in each.speeds)
        + "</li>"
        for each in compared
        if each.speeds
    ]
    if not items:
        return ""
    listed = f'<ul class="verdicts">{"".join(items)}</ul>'
    summary = "Epochs and seconds beside the network that each is compared with"
    return listed if len(items) <= _FEW else f"<details><summary>{summary}</summary>{listed}</details>"


def _sooner(speed: Speed) -> str:
    text = f"{_times(speed.epochs, 'epochs')} ({speed.against})"
    return f"{text}, {_times(speed.seconds, 'seconds')}" if speed.seconds else text


def _times(found: TimesFewer, what: str) -> str:
    """How means compare, in words: "2.0 times fewer epochs"."""
    if abs(found.mean - 1) < 0.05:
        return f"as many {what}"
    return f"{found.mean:.1f} times fewer {what}" if found.mean > 1 else f"{1 / found.mean:.1f} times more {what}"
