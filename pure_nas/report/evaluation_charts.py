"""Charts of evaluations: accuracy under noise and at other intensities, and calibration."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pure_nas.report.chart import Axis, Chart, Dash, Figure, Line, Mark, NetworkStyle, Series
from pure_nas.report.chart_layout import axis_range, with_line_ends
from pure_nas.report.palette import style_of

if TYPE_CHECKING:  # importing it takes PyTorch
    from pure_nas.evaluation import Evaluation

_DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
"""Networks of one kind share a colour and differ in these."""


@dataclass(frozen=True)
class Reading:
    """A measure at one level of noise or factor of intensity: its mean, the lowest and the highest."""

    at: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What one network was evaluated by.

    Attributes:
        label: of the network.
        noise: accuracy in percent at the levels of each kind of noise, the first of which is none.
        accuracy: in percent, at factors of intensity.
        cosine: of the features with those of the unchanged images, at factors of intensity.
    """

    label: str
    style: NetworkStyle
    noise: Mapping[str, Sequence[Reading]]
    accuracy: Sequence[Reading]
    cosine: Sequence[Reading]


def evaluation_charts(networks: Sequence[Readings]) -> dict[str, Chart]:
    """Every chart that there is something to draw for: one for each kind of noise, two of intensity."""
    kinds = dict.fromkeys(kind for each in networks for kind, readings in each.noise.items() if len(readings) > 1)
    accuracy, cosine = Axis(title="accuracy", numbers="percent"), Axis(title="cosine of the features")
    y = _around(accuracy, [point for each in networks for kind in kinds for point in each.noise.get(kind, ())])
    charts = {f"noise-{kind}": _noise_chart(networks, kind, y) for kind in kinds}
    if any(each.accuracy for each in networks):
        charts["intensity"] = _intensity_chart([(each, each.accuracy) for each in networks], accuracy)
    if any(each.cosine for each in networks):
        charts["features"] = _intensity_chart([(each, each.cosine) for each in networks], cosine)
    return charts


def _around(axis: Axis, readings: Sequence[Reading]) -> Axis:
    limits = [limit for each in readings for limit in (each.low, each.mean, each.high)]
    return replace(axis, range=axis_range(limits)) if limits else axis


def evaluation_figures(charts: Mapping[str, Chart]) -> Iterator[Figure]:
    """Those charts as figures."""
    noise = [chart for name, chart in charts.items() if name.startswith("noise-")]
    if noise:
        rows = (len(noise) + 1) // 2
        yield Figure("noise", noise, (7.2, 0.6 + 2.7 * rows) if len(noise) > 1 else (4.8, 3.4))
    intensity = [charts[name] for name in ("intensity", "features") if name in charts]
    if intensity:
        yield Figure("intensity", intensity, (7.2, 3.2))


def _noise_chart(networks: Sequence[Readings], kind: str, y: Axis) -> Chart:
    """Levels are at equal distances, because they are chosen by ratios and 0 is among them."""
    from pure_nas.evaluation.noise import LEVEL_NAMES

    lines = [(each, each.noise[kind]) for each in networks if each.noise.get(kind)]
    ticks = {float(place): f"{point.at:g}" if point.at else "none" for place, point in enumerate(lines[-1][1])}
    chart = Chart(
        title=f"{kind} noise",
        x=Axis(title={str(known): name for known, name in LEVEL_NAMES.items()}.get(kind, "level"), ticks=ticks),
        y=y,
        series=[_line(network, range(len(found)), found) for network, found in lines],
        legend=False,
    )
    return with_line_ends(chart)


def _intensity_chart(lines: Sequence[tuple[Readings, Sequence[Reading]]], y: Axis) -> Chart:
    readings = [point for _, found in lines for point in found]
    factors = sorted({point.at for point in readings})
    chart = Chart(
        x=Axis(title="intensity, multiplied by", log=True, ticks={factor: f"{factor:g}" for factor in factors}),
        y=_around(y, readings),
        series=[_line(network, [point.at for point in found], found) for network, found in lines if found],
        legend=False,
    )
    return with_line_ends(chart)


def _line(network: Readings, xs: Sequence[float], readings: Sequence[Reading]) -> Series:
    """A line of means, and a band from the lowest to the highest."""
    return network.style.line(
        xs,
        [point.mean for point in readings],
        mark=Mark(network.style.shape, 7),
        band=[(point.low, point.high) for point in readings],
        hover=[
            f"{network.label}\n{point.mean:.2f}, seeds from {point.low:.2f} to {point.high:.2f}" for point in readings
        ],
    )


@dataclass(frozen=True)
class Evaluated:
    """A network of a figure.

    Attributes:
        name: for the legend.
        kind: its unit's name, or "hybrid"; decides its colour.
    """

    name: str
    kind: str
    evaluation: Evaluation


def figures_of(networks: Sequence[Evaluated]) -> list[Figure]:
    """The figures that there is something to draw for; the networks were evaluated in the same way."""
    styles = list(_styles(networks))
    readings = [_readings(network, style) for network, style in zip(networks, styles, strict=True)]
    calibration = _calibration_chart(networks, styles)
    return [Figure("calibration", [calibration], (4.4, 4.2)), *evaluation_figures(evaluation_charts(readings))]


def _styles(networks: Sequence[Evaluated]) -> Iterator[NetworkStyle]:
    drawn = Counter[str]()
    for network in networks:
        unit, dash = style_of(network.kind), _DASHES[drawn[network.kind] % len(_DASHES)]
        drawn[network.kind] += 1
        yield NetworkStyle(role=unit.role, shape=unit.symbol, dash=dash, name=network.name)


def _readings(network: Evaluated, style: NetworkStyle) -> Readings:
    evaluation = network.evaluation
    plain = 100 * evaluation.quality.accuracy
    changes = evaluation.intensity
    accuracies = [(1.0, plain), *((each.factor, 100 * each.accuracy) for each in changes)] if changes else []
    cosines = [(1.0, 1.0), *((each.factor, each.cosine) for each in changes if each.cosine is not None)]
    return Readings(
        label=network.name,
        style=style,
        noise={
            curve.kind: [
                Reading(point.noise.level, 100 * point.quality.accuracy, 100 * low, 100 * high)
                for point in curve.points
                for low, high in [point.quality.interval]
            ]
            for curve in evaluation.noise
        },
        accuracy=[Reading(factor, value, value, value) for factor, value in sorted(accuracies)],
        cosine=[Reading(factor, value, value, value) for factor, value in sorted(cosines)] if changes else [],
    )


def _calibration_chart(networks: Sequence[Evaluated], styles: Sequence[NetworkStyle]) -> Chart:
    """Accuracy over confidence; a calibrated network lies on the diagonal. Larger marks stand for more images."""
    diagonal = Series(x=(0, 100), y=(0, 100), role="soft", line=Line("dot", 1.2))
    axis = Axis(title="confidence", numbers="percent", range=(0, 102))
    lines = [_calibration(network, style) for network, style in zip(networks, styles, strict=True)]
    return Chart(x=axis, y=replace(axis, title="accuracy"), series=[diagonal, *lines])


def _calibration(network: Evaluated, style: NetworkStyle) -> Series:
    quality = network.evaluation.quality
    error = quality.calibration_error
    label = network.name if error is None else f"{network.name}, calibration error {100 * error:.1f} %"
    sizes = [math.sqrt(26 + 360 * each.count / quality.images) for each in quality.bins]
    return replace(style, name=label).line(
        [100 * each.confidence for each in quality.bins],
        [100 * each.accuracy for each in quality.bins],
        mark=Mark(style.shape, sizes),
    )
