"""The evaluations of a network that was trained with several seeds, as one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, TypeVar

from pure_nas.evaluation.evaluation import Evaluation
from pure_nas.evaluation.invariance import IntensityChange
from pure_nas.evaluation.quality import Bin, ClassQuality, Quality

_Found = TypeVar("_Found", Quality, ClassQuality, IntensityChange)


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
        noise={
            kind: tuple(
                replace(points[0], quality=_quality([point.quality for point in points]))
                for points in zip(*(each.noise[kind] for each in seeds), strict=True)
            )
            for kind in first.noise
        },
        intensity=tuple(
            _pooled(changes, factor=changes[0].factor, accuracies=tuple(each.accuracy for each in changes))
            for changes in zip(*(each.intensity for each in seeds), strict=True)
        ),
    )


def _quality(seeds: Sequence[Quality]) -> Quality:
    bins = sorted((each for quality in seeds for each in quality.bins), key=lambda each: each.low)
    return _pooled(
        seeds,
        accuracies=tuple(each.accuracy for each in seeds),
        # A seed without them has predictions that are not finite, which a mean of the others would hide.
        **{name: None for name in ("loss", "calibration_error") if any(getattr(each, name) is None for each in seeds)},
        bins=tuple(_joined(list(same)) for _, same in groupby(bins, key=lambda each: each.low)),
        classes=tuple(map(_pooled, zip(*(each.classes for each in seeds), strict=True))),
        confusion=tuple(
            tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*(each.confusion for each in seeds), strict=True)
        ),
    )


def _joined(bins: Sequence[Bin]) -> Bin:
    count = sum(each.count for each in bins)
    confidence, accuracy = (
        sum(each.count * share for each, share in zip(bins, shares, strict=True)) / count
        for shares in ([each.confidence for each in bins], [each.accuracy for each in bins])
    )
    return replace(bins[0], count=count, confidence=confidence, accuracy=accuracy)


def _pooled(seeds: Sequence[_Found], **given: Any) -> _Found:
    """One of them with the fields that are `given`, the sum of each count, and the mean of each other known number."""
    rest = {name: [vars(each)[name] for each in seeds] for name in vars(seeds[0]) if name not in given}
    return replace(seeds[0], **{name: _sum_or_mean(values) for name, values in rest.items()}, **given)


def _sum_or_mean(values: Sequence[Any]) -> Any:
    if all(isinstance(value, int) for value in values):
        return sum(values)
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and isinstance(known[0], float) else values[0]
