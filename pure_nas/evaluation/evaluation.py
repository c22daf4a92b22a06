"""Evaluating a trained network on labelled images, and what a search can minimise of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pure_nas.cost.layers import cost_of
from pure_nas.data.image_set import ImageSet
from pure_nas.devices import autocast, computing_on, threads_for
from pure_nas.errors import PureNasError, reason
from pure_nas.evaluation.noise import NOISE_MIXTURE, Noise, NoiseKind, add_noise, noise_seeds
from pure_nas.evaluation.quality import (
    Bin,
    ClassQuality,
    IntensityChange,
    IntensityProbe,
    Quality,
    Tally,
    log_probabilities,
)
from pure_nas.evaluation.views import Views, middle
from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network
from pure_nas.nn.plain.blocks import Classifier
from pure_nas.objectives import Metric
from pure_nas.process_state import global_random_state
from pure_nas.training.scoring import scoring_batch

_Found = TypeVar("_Found", Quality, ClassQuality, IntensityChange)


@dataclass(frozen=True, kw_only=True)
class NoisePoint:
    """A level of noise and the quality under it."""

    noise: Noise
    quality: Quality

    def document(self) -> dict[str, Any]:
        quality = self.quality.document()
        curves = ("accuracy", "interval", "top5", "loss", "calibration_error", "unpredicted")
        return {"level": self.noise.level, **{name: quality[name] for name in curves}}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The evaluation of one network on one set of images."""

    quality: Quality  # on the images as they are
    views: Views  # that `viewed` averages over
    viewed: Quality | None  # of probabilities averaged over the views; None if the only view is the image
    noise: Mapping[NoiseKind, tuple[NoisePoint, ...]]  # from none to strong, each with `noise` and `quality`
    intensity: tuple[IntensityChange, ...]  # by increasing factor
    seed: int  # of the noise
    image_size: int  # of the network's input, pixels
    # Whether each image was classified correctly, (N,), over the views if there are any; None for several seeds.
    hits: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    def document(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "image_size": self.image_size,
            "seed": self.seed,
            **self.quality.document(),
            "views": self.viewed and {"name": self.views.name, "count": self.views.count, **self.viewed.document()},
            "noise": {kind: [point.document() for point in points] for kind, points in self.noise.items()},
            "intensity": [change.document() for change in self.intensity],
        }


def evaluate_network(
    network: Network,
    images: ImageSet,
    device: torch.device,
    *,
    classes: Sequence[str] = (),
    noises: Sequence[Noise] = (),
    views: Views | None = None,
    factors: Sequence[float] = (),
    seed: int = 0,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate `network` on images that fit it, read once; on a CPU the result does not depend on the batch size.

    Args:
        classes: names of the classes (default: their numbers).
        factors: of the intensity, for the invariance probe.
        progress: is told how many images are done, and of how many.
    """
    names = classes or [str(label) for label in range(network.architecture.num_classes)]
    views, shown = views or Views(), images.image_size
    size = batch_size or scoring_batch(views.largest(shown), device)
    flops = cost_of(network.architecture).flops * size
    with torch.inference_mode(), computing_on(device)(), threads_for(flops):
        compute = _computing(network, device)
        mean, std = (
            torch.tensor(values, device=device).view(1, -1, 1, 1)
            for values in (images.normalisation.mean, images.normalisation.std)
        )
        plain, viewed = Tally(len(names), device), Tally(len(names), device)
        seeds = {noise.kind: noise_seeds(seed, noise.kind, len(images)) for noise in noises}
        noisy = {noise: Tally(len(names), device) for noise in noises if not noise.clean}
        probes = [IntensityProbe(factor, device) for factor in sorted(set(factors))]
        hits: list[Tensor] = []
        done = 0
        # Views are cut from the images as the dataset holds them, all else is of the middle.
        for held, labels in images.batches(size, device=device, whole=not views.single):
            batch = held if views.single else middle(held, shown)
            before = compute(batch)
            right = plain.add(before[1], labels)
            if not views.single:
                of_views = torch.stack([compute(view)[1] for view in views.of(held, shown)])
                right = viewed.add(of_views.logsumexp(0) - math.log(len(of_views)), labels)
            hits.append(right)
            if noisy or probes:
                pixels = (batch * std).add_(mean).clamp_(0, 1)
            for noise, tally in noisy.items():
                changed = add_noise(pixels, noise, seeds[noise.kind][done : done + len(labels)])
                tally.add(compute((changed - mean).div_(std))[1], labels)
            for probe in probes:
                probe.add(before, compute((pixels * probe.factor - mean).div_(std)), labels)
            done += len(labels)
            if progress:
                progress(done, len(images))
        quality = plain.quality(names)
        clean = [NoisePoint(noise=Noise(kind, 0.0), quality=quality) for kind in seeds]
        points = [*clean, *(NoisePoint(noise=noise, quality=tally.quality(names)) for noise, tally in noisy.items())]
        points.sort(key=lambda point: point.noise.strength)
        return Evaluation(
            quality=quality,
            views=views,
            viewed=None if views.single else viewed.quality(names),
            noise={kind: tuple(point for point in points if point.noise.kind == kind) for kind in seeds},
            intensity=tuple(probe.result() for probe in probes),
            seed=seed,
            image_size=shown,
            hits=torch.cat(hits).cpu().numpy(),
        )


def noise_error(network: Network, images: ImageSet, device: torch.device, seed: int) -> float:
    """Error of `network`, averaged over `images` and over `NOISE_MIXTURE`; `seed` decides the noise."""
    found = evaluate_network(network, images, device, noises=NOISE_MIXTURE, seed=seed)
    errors = [point.quality.error for points in found.noise.values() for point in points if not point.noise.clean]
    return sum(errors) / len(errors)


def metric_value(metric: Metric, network: Network, images: ImageSet, device: torch.device) -> float:
    """What `metric` finds of a network in evaluation mode, from the same global random state for every network."""
    batches = images.batches(scoring_batch(images.image_size, device), device=device)
    training = network.training
    try:
        with torch.no_grad(), global_random_state(0, device):
            value = float(metric.compute(network.eval(), batches))
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise PureNasError(f'The metric "{metric.name}" cannot be computed: {reason(error)}.') from error
    finally:
        network.train(training)
    if not 0 <= value < math.inf:
        raise PureNasError(f'The metric "{metric.name}" is {value}.', hint="A metric is a number from 0, the best, up.")
    return value


def _computing(network: Network, device: torch.device) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """What gives the features (B, F), float32, and log-probabilities (B, C), float64, of normalised images."""
    *trunk, last = folded(network).to(device).children()
    features_of, classifier = nn.Sequential(*trunk), cast(Classifier, last)

    def compute(batch: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(device):
            features: Tensor = classifier.pool(features_of(batch)).flatten(1)
            logits: Tensor = classifier.linear(features)
        return features.float(), log_probabilities(logits.float())

    return compute


def pooled(seeds: Sequence[Evaluation]) -> Evaluation:
    """Means over evaluations of one or more seeds on the same images in the same ways; images count once per seed."""
    first = seeds[0]
    if len(seeds) == 1:
        return first
    viewed = [each.viewed for each in seeds if each.viewed]
    return replace(
        first,
        hits=None,
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
