"""The evaluations of a network that was trained with several seeds, as one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from pure_nas.evaluation.evaluation import Evaluation, NoiseCurve, NoisePoint
from pure_nas.evaluation.invariance import IntensityChange
from pure_nas.evaluation.quality import Bin, ClassQuality, Quality


def pooled(seeds: Sequence[Evaluation]) -> Evaluation:
    """Means over the evaluations of one or more seeds, on the same images, with the same noise, views and factors.

    An interval is then from the lowest accuracy of a seed to the highest. Images count once per seed.
    """
    first = seeds[0]
    if len(seeds) == 1:
        return first
    viewed = [each.viewed for each in seeds if each.viewed]
    return replace(
        first,
        quality=_quality([each.quality for each in seeds]),
        viewed=_quality(viewed) if viewed else None,
        noise=tuple(_curve(curves) for curves in zip(*(each.noise for each in seeds), strict=True)),
        intensity=tuple(_change(changes) for changes in zip(*(each.intensity for each in seeds), strict=True)),
    )


def _quality(seeds: Sequence[Quality]) -> Quality:
    bins = sorted((each for quality in seeds for each in quality.bins), key=lambda each: each.low)
    return Quality(
        images=sum(each.images for each in seeds),
        hits=sum(each.hits for each in seeds),
        accuracies=tuple(each.accuracy for each in seeds),
        top5=_mean_of_all([each.top5 for each in seeds]),
        loss=_mean_of_all([each.loss for each in seeds]),
        calibration_error=_mean_of_all([each.calibration_error for each in seeds]),
        bins=tuple(_joined(list(same)) for _, same in groupby(bins, key=lambda each: each.low)),
        unpredicted=sum(each.unpredicted for each in seeds),
        classes=tuple(_class(classes) for classes in zip(*(each.classes for each in seeds), strict=True)),
        confusion=tuple(
            tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*(each.confusion for each in seeds), strict=True)
        ),
    )


def _joined(bins: Sequence[Bin]) -> Bin:
    count = sum(each.count for each in bins)
    confidence = sum(each.count * each.confidence for each in bins) / count
    return replace(
        bins[0], count=count, confidence=confidence, accuracy=sum(each.count * each.accuracy for each in bins) / count
    )


def _class(seeds: Sequence[ClassQuality]) -> ClassQuality:
    return ClassQuality(
        name=seeds[0].name,
        count=sum(each.count for each in seeds),
        precision=_mean(each.precision for each in seeds),
        recall=_mean(each.recall for each in seeds),
        f1=_mean(each.f1 for each in seeds),
    )


def _curve(seeds: Sequence[NoiseCurve]) -> NoiseCurve:
    points = (
        NoisePoint(noise=level[0].noise, quality=_quality([each.quality for each in level]))
        for level in zip(*(curve.points for curve in seeds), strict=True)
    )
    return NoiseCurve(kind=seeds[0].kind, points=tuple(points))


def _change(seeds: Sequence[IntensityChange]) -> IntensityChange:
    return IntensityChange(
        factor=seeds[0].factor,
        images=sum(each.images for each in seeds),
        hits=sum(each.hits for each in seeds),
        accuracies=tuple(each.accuracy for each in seeds),
        agreement=statistics.fmean(each.agreement for each in seeds),
        cosine=_mean(each.cosine for each in seeds),
        norm_ratio=_mean(each.norm_ratio for each in seeds),
        relative_change=_mean(each.relative_change for each in seeds),
        unmeasured=sum(each.unmeasured for each in seeds),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    return None if None in values else _mean(values)
