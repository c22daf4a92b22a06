"""The network that was picked next to those that it was picked over."""

from __future__ import annotations

import math
import shlex
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from pure_nas.analysis.standing import Standing
from pure_nas.findings.pick import COSTS, Costs, Pick
from pure_nas.quantities import cost_label, show_cost, show_percent, show_points
from pure_nas.report.data import ReportData
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table, p_value
from pure_nas.run.search_results import TrialRecord

SCHEMA = 1


def pick_table(pick: Pick, costs: Costs) -> Table:
    """A row for the pick, and one for each rival, with what it would cost more and save."""
    columns = (
        Column("trial", "trial", "left"),
        Column("role", "is", "left"),
        Column("error", "error"),
        Column("difference", "points"),
        Column("p", "p", detail=1),
        *(Column(name, cost_label(name)) for name in pick.costs),
        Column("placement", "placement", "left"),
    )
    rows = [_row(pick.trial, "picked", pick, costs, strong=True)]
    for rival in pick.rivals:
        difference = rival.trial.error - pick.trial.error
        row = _row(rival.trial, rival.role, pick, costs)
        row["difference"] = Cell(difference, show_points(difference))
        row["p"] = p_value(rival.paired.p) if rival.paired else NOTHING
        rows.append(row)
    notes = (
        "Points: error above or below that of the pick, in percentage points.",
        "p: McNemar's exact test on the same validation images, uncorrected.",
    )
    return Table("pick", columns, tuple(Row(each, identity=str(each["trial"])) for each in rows), notes=notes)


def _row(trial: TrialRecord, role: str, pick: Pick, costs: Costs, *, strong: bool = False) -> dict[str, Any]:
    units = trial.candidate.architecture.units
    found: dict[str, Any] = {
        "trial": trial.number,
        "role": role,
        "error": Cell(trial.error, show_percent(trial.error), tone="strong" if strong else ""),
        "placement": Cell(" | ".join(map(" ".join, units)), stages=units),
    }
    for name, own in pick.costs.items():
        value = costs(trial, name)
        ratio = "" if strong or not own else f"x {value / own:.2g}"
        found[name] = Cell(value, show_cost(name, value), ratio)
    return found


def pick_document(pick: Pick) -> dict[str, Any]:
    """What --json prints."""
    return {
        "schema": SCHEMA,
        "run": pick.run,
        "trial": pick.trial.number,
        "why": pick.why.rstrip(","),
        "error": pick.trial.error,
        "costs": dict(pick.costs),
        "limits": dict(pick.limits),
        "complete": pick.complete,
        "keeping": pick.keeping,
        "beaten": pick.beaten,
        "architecture": pick.trial.candidate.architecture.model_dump(mode="json"),
        "rivals": [
            {
                "role": rival.role,
                "trial": rival.trial.number,
                "error": rival.trial.error,
                "p": rival.paired.p if rival.paired else None,
            }
            for rival in pick.rivals
        ],
        "standing": _standing(pick.standing),
    }


def pick_control(data: ReportData) -> dict[str, Any]:
    """What the page needs to choose as `pure-nas pick` does: complete trials, by what they cost.

    Costs are places in the sorted values of all trials, over which a slider moves; trials are ordered by cost.
    """
    names = dict.fromkeys([*(name for name in data.objectives if name in COSTS), "flops", "params"])
    own = [each for each in data.complete if each.trial.replay_of is None]
    costs = {name: [float({**each.trial.cost, **each.objectives}[name]) for each in own] for name in names}
    values = {name: sorted(set(found)) for name, found in costs.items()}
    order = sorted(range(len(own)), key=lambda place: (data.results.costs(own[place].trial), own[place].error))
    return {
        "knee": next((row.number for row in data.front if "knee" in row.tags), None),
        "run": shlex.quote(data.path),
        "costs": [
            {
                "label": cost_label(name),
                "option": f"--max-{name}",
                "texts": [show_cost(name, value) for value in found],
                "limits": [f"{value:g}ms" if name == "latency" else f"{math.ceil(value)}" for value in found],
            }
            for name, found in values.items()
        ],
        "trials": [
            {
                "number": own[place].number,
                "error": own[place].error,
                "text": show_percent(own[place].error),
                "costs": [bisect_left(values[name], costs[name][place]) for name in names],
            }
            for place in order
        ],
    }


def _standing(standing: Standing | None) -> Mapping[str, Any] | None:
    if standing is None:
        return None
    low, high = standing.low, standing.high
    return {"error": standing.error, "low": low, "high": high, "seeds": standing.seeds, "on_front": standing.on_front}
