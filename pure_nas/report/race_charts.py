"""The charts of a race: hypervolume by what was paid for it, a line for each search."""

from __future__ import annotations

from collections.abc import Iterator

from pure_nas.analysis.course import Payment
from pure_nas.findings.race import Race
from pure_nas.plans.race import OURS
from pure_nas.quantities import show_number, show_seconds
from pure_nas.report.chart import Axis, Chart, Dash, Figure, Line, Series
from pure_nas.report.race_tables import PAYMENTS

_SIZE = 9.6, 6.4  # of the figure, inches


def page_charts(race: Race) -> dict[str, Chart]:
    """A chart for each kind of cost, by the id of the element of the page that it fills."""
    return {f"by-{kind}": _chart(race, kind, title) for kind, title in PAYMENTS.items()}


def paper_figures(race: Race) -> Iterator[Figure]:
    """The same charts as one figure."""
    yield Figure("race", list(page_charts(race).values()), _SIZE)


def _chart(race: Race, kind: Payment, title: str) -> Chart:
    text = show_seconds if kind == "time" else show_number
    paid = [each for search in race.searches for each in search.course.paid[kind]]
    series = []
    looks: tuple[tuple[str, str, Dash], ...] = ((OURS, "other-1", "solid"), (race.against, "soft", "dash"))
    for sampler, role, dash in looks:  # both begin with the same baselines: through a dashed line the other is seen
        for place, search in enumerate(race.of(sampler)):
            x, y = search.course.paid[kind], search.course.volume
            series.append(
                Series(
                    name="" if place else sampler,
                    group=sampler,
                    x=x,
                    y=y,
                    role=role,
                    line=Line(dash, 1.75, steps=True),
                    hover=[
                        f"{sampler}, seed {search.seed}\n{title}: {text(each)}\nhypervolume {found:.4f}"
                        for each, found in zip(x, y, strict=True)
                    ],
                )
            )
    return Chart(
        x=Axis(title=title).fitted(paid, text),
        y=Axis(title="hypervolume"),
        series=series,
        title=f"by {title}",
    )
