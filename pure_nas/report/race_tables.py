"""The tables of a race, for people and as race.csv and race.json."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from pure_nas.analysis.course import Payment
from pure_nas.files import without_nan
from pure_nas.findings.race import SHARES, Race, RacedSearch
from pure_nas.plans.race import OURS
from pure_nas.quantities import counted, show_number, show_seconds
from pure_nas.report.notes import notes
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table, number, share

SCHEMA = 1
PAYMENTS: dict[Payment, str] = {"time": "time", "epochs": "epochs", "work": "FLOPs × epochs"}
"""What searches are paid in, and what people see of it."""
_VOLUMES = (
    *(Column(f"hypervolume_{100 * each:g}", f"after {100 * each:g} %", detail=3) for each in SHARES[:-1]),
    Column("hypervolume", "hypervolume"),
)
_FOUND = (
    Column("best_error", "lowest error"),
    Column("front", "on the front", detail=2),
    Column("trials", "trials", detail=1),
)
_RATIOS = tuple(Column(f"{kind}_ratio", f"{title} ratio") for kind, title in PAYMENTS.items())


def race_table(race: Race) -> Table:
    """A line for each sampler, means over its seeds, and what the forecasts paid for what both found."""
    columns = (Column("search", "search", "left"), *_VOLUMES, *_FOUND, *_RATIOS)
    lines = []
    for sampler in (OURS, race.against):
        found = race.of(sampler)
        values = [[row.cell(column).value for column in (*_VOLUMES, *_FOUND)] for row in _rows(race, found)]
        means = [statistics.fmean(each) for each in zip(*values, strict=True)]
        first = len(_VOLUMES)
        cells = [number(mean, 3) for mean in means[:first]]
        cells += [share(means[first]), *(Cell(mean, f"{mean:,.4g}") for mean in means[first + 1 :])]
        prices = [_prices(race.prices(kind)) if sampler == OURS else Cell(1.0, "1") for kind in PAYMENTS]
        lines.append(Row.of(columns, [sampler, *cells, *prices]))
    each = counted(race.trials, "trial") if race.trials else show_seconds(race.time_seconds or 0.0)
    title = f"{race.dataset}: {counted(len(race.pairs), 'seed')}, {each} for each search"
    return Table("race", columns, tuple(lines), title, notes("race", race))


def _prices(prices: Sequence[float]) -> Cell:
    """The median, and the range over seeds."""
    if any(map(math.isnan, prices)):
        return NOTHING
    more = f"{min(prices):.2f} to {max(prices):.2f}" if len(prices) > 1 else ""
    median = statistics.median(prices)
    return Cell(median, f"{median:.2f}", more, tone="strong")


def searches_table(race: Race) -> Table:
    """A line for each search, with all that it paid and found."""
    columns = (
        Column("search", "search", "left"),
        Column("seed", "seed"),
        *_VOLUMES,
        *_FOUND,
        Column("stopped", "stopped early"),
        Column("seconds", "time"),
        Column("epochs", "epochs"),
        Column("work", "FLOPs × epochs"),
        *_RATIOS,
    )
    return Table("searches", columns, tuple(_rows(race, race.searches)))


def _rows(race: Race, searches: Sequence[RacedSearch]) -> list[Row]:
    longest = {ours.seed: max(ours.seconds, other.seconds) for ours, other in race.pairs}
    prices = {kind: race.prices(kind) for kind in PAYMENTS}
    rows = []
    for each in searches:
        course, results = each.course, each.results
        volumes = [course.volume_at(part * longest[each.seed], "time") for part in SHARES]
        epochs, work = course.paid["epochs"][-1], course.paid["work"][-1]
        cells: dict[str, Any] = {
            "search": each.sampler,
            "seed": each.seed,
            **{column.key: number(value, 3) for column, value in zip(_VOLUMES, volumes, strict=True)},
            "best_error": share(each.best_error),
            "front": len(results.front),
            "trials": len(results.trials),
            "stopped": sum(trial.state == "stopped" for trial in results.trials),
            "seconds": Cell(each.seconds, show_seconds(each.seconds)),
            "epochs": Cell(epochs, show_number(epochs)),
            "work": Cell(work, show_number(work)),
        }
        for kind, values in prices.items():
            cells[f"{kind}_ratio"] = _prices([values[each.seed]]) if each.sampler == OURS else Cell(1.0, "1")
        rows.append(Row(cells))
    return rows


def race_document(race: Race) -> dict[str, Any]:
    """The race as JSON holds it: every search with its course and its front."""
    document: dict[str, Any] = without_nan(
        {
            "schema": SCHEMA,
            "race": str(race.path),
            "dataset": race.dataset,
            "space": race.space,
            "against": race.against,
            "time_seconds": race.time_seconds,
            "trials": race.trials,
            "verdict": race.verdict,
            "ratios": {kind: race.prices(kind) for kind in PAYMENTS},
            "samplers": race_table(race).records(),
            "searches": [
                {
                    **record,
                    "run": str(each.path),
                    "course": {**each.course.paid, "hypervolume": each.course.volume},
                    "front": [
                        {
                            "trial": trial.number,
                            **dict(zip(each.results.objective_names, trial.objectives, strict=True)),
                        }
                        for trial in each.results.front
                    ],
                }
                for each, record in zip(race.searches, searches_table(race).records(), strict=True)
            ],
        }
    )
    return document
