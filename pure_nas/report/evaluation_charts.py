"""Charts of evaluations: accuracy under noise and at other intensities, and calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pure_nas.analysis.statistics import Spread
from pure_nas.quantities import show_percent
from pure_nas.report.chart import Axis, Chart, Dash, Figure, Line, Mark, NetworkStyle, Series
from pure_nas.report.palette import style_of

if TYPE_CHECKING:  # importing it takes PyTorch
    from pure_nas.evaluation.evaluation import Evaluation
    from pure_nas.evaluation.quality import Quality

DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
"""Networks of one kind share a colour and differ in these."""

Points = Mapping[float, Spread]  # a measure at each level of noise or factor of intensity


class Readings(NamedTuple):
    """What one network was evaluated by."""

    label: str
    style: NetworkStyle
    by_chart: Mapping[str, Points]  # percent for "intensity" and "noise-gaussian", ...; cosines for "features"


def evaluation_charts(networks: Sequence[Readings]) -> dict[str, Chart]:
    """Every chart that there is something to draw for."""
    names = dict.fromkeys(name for each in networks for name, found in each.by_chart.items() if len(found) > 1)
    return {name: _chart(networks, name) for name in names}


def noise_and_intensity_figures(charts: Mapping[str, Chart]) -> Iterator[Figure]:
    """Those charts as figures."""
    noise = [chart for name, chart in charts.items() if name.startswith("noise-")]
    if noise:
        rows = (len(noise) + 1) // 2
        yield Figure("noise", noise, (7.2, 0.6 + 2.7 * rows) if len(noise) > 1 else (4.8, 3.4))
    intensity = [charts[name] for name in ("intensity", "features") if name in charts]
    if intensity:
        yield Figure("intensity", intensity, (7.2, 3.2))


def spread_line(style: NetworkStyle, points: Points, **more: Any) -> Series:
    """A line of the means, in a band from the lowest value to the highest; `more` are attributes of the series."""
    spreads = list(points.values())
    return style.line(
        list(points), [each.mean for each in spreads], band=[(each.low, each.high) for each in spreads], **more
    )


def limits_of(points: Iterable[Points]) -> list[float]:
    """The ends of all bands."""
    return [limit for each in points for spread in each.values() for limit in (spread.low, spread.high)]


def _chart(networks: Sequence[Readings], name: str) -> Chart:
    what, _, noise = name.partition("-")
    drawn = [(each, points) for each in networks if (points := each.by_chart.get(name))]
    # All kinds of noise have the same limits.
    alike = (found for each in networks for other, found in each.by_chart.items() if other.startswith(what))
    axis = Axis(title="cosine of the features") if what == "features" else Axis(title="accuracy", numbers="percent")
    lines = [
        spread_line(
            each.style,
            points,
            hover=[
                f"{each.label}\n{found.mean:.2f}, seeds from {found.low:.2f} to {found.high:.2f}"
                for found in points.values()
            ],
            mark=Mark(each.style.shape, 7),
        )
        for each, points in drawn
    ]
    factors = {factor: f"{factor:g}" for factor in sorted({at for _, points in drawn for at in points})}
    intensity = Axis(title="intensity, multiplied by", log=True, ticks=factors)
    return Chart(
        title=f"{noise} noise" if noise else "",
        x=_level_axis(noise, drawn[-1][1]) if noise else intensity,
        y=axis.around(limits_of(alike)),
        series=[replace(line, x=range(len(line.x))) for line in lines] if noise else lines,
        legend=False,
    ).with_line_ends()


def _level_axis(noise: str, levels: Iterable[float]) -> Axis:
    """Levels at equal distances, because they are chosen by ratios and 0 is among them."""
    from pure_nas.evaluation.noise import LEVEL_NAMES

    names = {str(kind): name for kind, name in LEVEL_NAMES.items()}
    ticks = {float(place): f"{level:g}" if level else "none" for place, level in enumerate(levels)}
    return Axis(title=names.get(noise, "level"), ticks=ticks)


class Evaluated(NamedTuple):
    """A network of a figure; its `kind`, a unit's name or "hybrid", decides its colour."""

    name: str
    kind: str
    evaluation: Evaluation


def evaluation_figures(networks: Sequence[Evaluated]) -> list[Figure]:
    """The figures that there is something to draw for; the networks were evaluated in the same way."""
    styles = list(_styles(networks))
    axis = Axis(title="confidence", numbers="percent", range=(0, 102))
    # A calibrated network lies on the diagonal. Larger marks stand for more images.
    lines = [Series(x=(0, 100), y=(0, 100), role="soft", line=Line("dot", 1.2)), *map(_calibration, networks, styles)]
    calibration = Chart(x=axis, y=replace(axis, title="accuracy"), series=lines)
    further = evaluation_charts(list(map(_readings, networks, styles)))
    return [Figure("calibration", [calibration], (4.4, 4.2)), *noise_and_intensity_figures(further)]


def _styles(networks: Sequence[Evaluated]) -> Iterator[NetworkStyle]:
    drawn = Counter[str]()
    for network in networks:
        unit, dash = style_of(network.kind), DASHES[drawn[network.kind] % len(DASHES)]
        drawn[network.kind] += 1
        yield NetworkStyle(role=unit.role, shape=unit.symbol, dash=dash, name=network.name)


def _readings(network: Evaluated, style: NetworkStyle) -> Readings:
    evaluation = network.evaluation
    found: dict[str, Points] = {
        f"noise-{kind}": {point.noise.level: _interval(point.quality) for point in points}
        for kind, points in evaluation.noise.items()
    }
    accuracies = {1.0: evaluation.quality.accuracy, **{each.factor: each.accuracy for each in evaluation.intensity}}
    cosines = {1.0: 1.0, **{each.factor: each.cosine for each in evaluation.intensity if each.cosine is not None}}
    found["intensity"] = {at: Spread.of([accuracy]).percent for at, accuracy in sorted(accuracies.items())}
    found["features"] = {at: Spread.of([cosine]) for at, cosine in sorted(cosines.items())}
    return Readings(network.name, style, found)


def _interval(quality: Quality) -> Spread:
    low, high = quality.interval
    return Spread(mean=quality.accuracy, low=low, high=high).percent


def _calibration(network: Evaluated, style: NetworkStyle) -> Series:
    quality = network.evaluation.quality
    error = quality.calibration_error
    label = network.name if error is None else f"{network.name}, calibration error {show_percent(error, 1)}"
    sizes = [math.sqrt(26 + 360 * each.count / quality.images) for each in quality.bins]
    return replace(style, name=label).line(
        [100 * each.confidence for each in quality.bins],
        [100 * each.accuracy for each in quality.bins],
        mark=Mark(style.shape, sizes),
    )
