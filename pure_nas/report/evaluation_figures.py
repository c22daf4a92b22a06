"""Figures of evaluations: accuracy under noise, calibration, and accuracy at other intensities, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pure_nas.report.any_backend  # noqa: F401 - before Matplotlib

# isort: split
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pure_nas.evaluation import Evaluation, NoiseCurve, NoiseKind
from pure_nas.evaluation.noise import LEVEL_NAMES
from pure_nas.report.figures import log_axis, saved
from pure_nas.report.legend import legend_below
from pure_nas.report.palette import LIGHT, style_of

_LINES = ("-", "--", ":", "-.")
"""Networks of one kind share a colour and differ in these."""


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


def evaluation_figures(networks: Sequence[Evaluated]) -> dict[str, bytes]:
    """The figures that there is something to draw for, by file name; the networks were judged in the same way."""
    drawings: dict[str, tuple[tuple[float, float], Callable[[Figure], None]]] = {
        "calibration": ((4.4, 4.2), partial(_draw_calibration, networks=networks))
    }
    first = networks[0].evaluation
    kinds = [curve.kind for curve in first.noise if len(curve.points) > 1]
    if kinds:
        size = (7.2, 2.9 * ((len(kinds) + 1) // 2)) if len(kinds) > 1 else (4.8, 3.4)
        drawings["noise"] = (size, partial(_draw_noise, networks=networks, kinds=kinds))
    if first.intensity:
        drawings["intensity"] = ((7.2, 3.0), partial(_draw_intensity, networks=networks))
    return {
        f"{name}.{ending}": content
        for name, (size, drawing) in drawings.items()
        for ending, content in saved(size, drawing).items()
    }


def _draw_noise(figure: Figure, networks: Sequence[Evaluated], kinds: Sequence[NoiseKind]) -> None:
    """One plot a kind, no noise at the left; the bands are intervals: 95 %, or from the lowest seed to the highest."""
    columns = min(2, len(kinds))
    plots = figure.subplots((len(kinds) + 1) // 2, columns, squeeze=False, sharey=True).flat
    for axes, kind in zip(plots, kinds, strict=False):
        for place, network in enumerate(networks):
            curve = next(each for each in network.evaluation.noise if each.kind == kind)
            _draw_curve(axes, curve, network, _line(networks, place))
        _label_levels(axes, next(each for each in networks[0].evaluation.noise if each.kind == kind))
        axes.set_title(f"{kind} noise", fontsize=9, color=LIGHT["ink"])
    for axes in list(plots):
        axes.remove()
    _legend(figure)


def _draw_curve(axes: Axes, curve: NoiseCurve, network: Evaluated, line: str) -> None:
    # Levels are drawn at equal distances: they are chosen by ratios, and 0 is among them.
    places = range(len(curve.points))
    intervals = [point.quality.interval for point in curve.points]
    style = style_of(network.kind)
    axes.plot(
        places,
        [100 * point.quality.accuracy for point in curve.points],
        color=LIGHT[style.role],
        linestyle=line,
        marker=style.marker,
        markersize=4,
        linewidth=1.4,
        label=network.name,
    )
    axes.fill_between(
        places,
        [100 * low for low, _ in intervals],
        [100 * high for _, high in intervals],
        color=LIGHT[style.role],
        alpha=0.15,
        linewidth=0,
    )


def _label_levels(axes: Axes, curve: NoiseCurve) -> None:
    texts = ["none", *(f"{point.noise.level:g}" for point in curve.points[1:])]
    axes.set_xticks(range(len(texts)), texts)
    axes.set_xlabel(LEVEL_NAMES[curve.kind])
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.set_ylabel("accuracy")


def _draw_calibration(figure: Figure, networks: Sequence[Evaluated]) -> None:
    """Accuracy over confidence; a calibrated network lies on the diagonal. Larger marks stand for more images."""
    axes = figure.subplots()
    axes.plot([0, 100], [0, 100], color=LIGHT["soft"], linewidth=0.8, linestyle=":")
    for place, network in enumerate(networks):
        style, quality = style_of(network.kind), network.evaluation.quality
        spots = [(100 * each.confidence, 100 * each.accuracy) for each in quality.bins]
        error = quality.calibration_error
        label = network.name if error is None else f"{network.name}, calibration error {100 * error:.1f} %"
        xs, ys = [x for x, _ in spots], [y for _, y in spots]
        axes.plot(xs, ys, color=LIGHT[style.role], linestyle=_line(networks, place), linewidth=1.2)
        sizes = [8 + 110 * each.count / quality.images for each in quality.bins]
        axes.scatter(xs, ys, s=sizes, color=LIGHT[style.role], marker=style.marker, linewidths=0)
        axes.plot([], [], color=LIGHT[style.role], linestyle=_line(networks, place), marker=style.marker, label=label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g} %")
    axes.set(xlim=(0, 102), ylim=(0, 102))
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    _legend(figure)


def _draw_intensity(figure: Figure, networks: Sequence[Evaluated]) -> None:
    """Accuracy and direction of the features over the factor of the images' intensity."""
    accuracy, cosine = figure.subplots(1, 2)
    for place, network in enumerate(networks):
        style, changes = style_of(network.kind), network.evaluation.intensity
        plain = network.evaluation.quality.accuracy
        scores = sorted([(1.0, plain, 1.0), *((each.factor, each.accuracy, each.cosine) for each in changes)])
        look = {"color": LIGHT[style.role], "linestyle": _line(networks, place), "marker": style.marker}
        factors = [factor for factor, _, _ in scores]
        accuracy.plot(factors, [100 * value for _, value, _ in scores], markersize=4, label=network.name, **look)
        cosines = [float("nan") if value is None else value for _, _, value in scores]
        cosine.plot(factors, cosines, markersize=4, **look)
    for axes, text in ((accuracy, "accuracy"), (cosine, "cosine of the features")):
        log_axis(axes, factors)
        axes.set_xlabel("intensity, multiplied by")
        axes.set_ylabel(text)
    accuracy.yaxis.set_major_formatter("{x:g} %")
    _legend(figure)


def _line(networks: Sequence[Evaluated], place: int) -> str:
    """The line of a network: another one for each of its kind."""
    earlier = sum(each.kind == networks[place].kind for each in networks[:place])
    return _LINES[earlier % len(_LINES)]


def _legend(figure: Figure) -> None:
    legend_below(figure, figure.axes[0], columns=3, fontsize=8)
