"""Evaluating a trained network on labelled images: `evaluate_network`, and `noise_error` as an objective."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pure_nas.cost.layers import cost_of
from pure_nas.data import ImageSet
from pure_nas.devices import computing_on, threads_for
from pure_nas.errors import DataError, UsageError
from pure_nas.evaluation.invariance import IntensityChange, IntensityProbe
from pure_nas.evaluation.noise import NOISE_MIXTURE, Noise, NoiseKind, add_noise, noise_seeds
from pure_nas.evaluation.quality import Quality, Tally, quality_of
from pure_nas.evaluation.scorer import Intensities, Scorer, log_softmax
from pure_nas.evaluation.views import Views, middle
from pure_nas.nn import Network
from pure_nas.training.evaluation import scoring_batch

SCHEMA_VERSION = 1

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class NoisePoint:
    """A level of noise and the quality under it."""

    noise: Noise
    quality: Quality

    def document(self) -> dict[str, Any]:
        """As JSON holds it: the numbers that make curves."""
        return {
            "level": self.noise.level,
            "accuracy": self.quality.accuracy,
            "interval": list(self.quality.interval),
            "top5": self.quality.top5,
            "loss": self.quality.loss,
            "calibration_error": self.quality.calibration_error,
            "unpredicted": self.quality.unpredicted,
        }


@dataclass(frozen=True, kw_only=True)
class NoiseCurve:
    """Quality over the levels of one kind of noise, from none to strong."""

    kind: NoiseKind
    points: tuple[NoisePoint, ...]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The evaluation of one network on one set of images.

    Attributes:
        quality: on the images as they are.
        views: the test-time views that were asked for.
        viewed: quality of probabilities averaged over the views; None if the only view is the image.
        noise: one curve per kind, without views.
        intensity: the invariance probe, by increasing factor, without views.
        seed: of the noise.
        image_size: height and width of the images, pixels.
    """

    quality: Quality
    views: Views
    viewed: Quality | None
    noise: tuple[NoiseCurve, ...]
    intensity: tuple[IntensityChange, ...]
    seed: int
    image_size: int

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "schema": SCHEMA_VERSION,
            "image_size": self.image_size,
            "seed": self.seed,
            **self.quality.document(),
            "views": {"name": self.views.name, "count": self.views.count, **self.viewed.document()}
            if self.viewed
            else None,
            "noise": {curve.kind: [point.document() for point in curve.points] for curve in self.noise},
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
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate `network` on a set of images, in evaluation mode.

    The images are read once, whatever is asked for. On a CPU the result depends on the seed, but not on the batch size.

    Args:
        classes: names of the classes (default: their numbers).
        noises: noise to evaluate under as well, such as `usual_noises()`.
        views: test-time views to average over (default: the image alone).
        factors: factors of the intensity for the invariance probe, such as `USUAL_FACTORS`.
        seed: decides the noise.
        batch_size: images per batch (default: as suits the device).
        progress: is told how many images are done, and of how many.

    Raises:
        UsageError: images or names do not fit the network.
        DataError: there are no images, or one can no longer be read.
    """
    names = _checked(network, images, classes)
    views = views or Views()
    size = batch_size or scoring_batch(views.largest(images.image_size), device)
    work = cost_of(network.architecture).flops * size
    with torch.inference_mode(), computing_on(device)(), threads_for(work):
        run = _Run(network, images, device, noises, views, factors, seed)
        done = 0
        for held, labels in images.batches(size, device=device, whole=run.cuts_views):
            run.add(held, labels, done)
            done += len(labels)
            if progress:
                progress(done, len(images))
        return run.result(names)


def noise_error(network: Network, images: ImageSet, device: torch.device, seed: int) -> float:
    """Error of `network`, averaged over `images` and over `NOISE_MIXTURE`; `seed` decides the noise.

    A prediction that is not finite counts as wrong.

    Raises:
        DataError: there are no images, or one can no longer be read.
    """
    found = evaluate_network(network, images, device, noises=NOISE_MIXTURE, seed=seed)
    errors = [point.quality.error for curve in found.noise for point in curve.points if not point.noise.clean]
    return sum(errors) / len(errors)


class _Run:
    """One pass over the images: every condition sees a batch before the next one is read."""

    def __init__(
        self,
        network: Network,
        images: ImageSet,
        device: torch.device,
        noises: Sequence[Noise],
        views: Views,
        factors: Sequence[float],
        seed: int,
    ) -> None:
        num_classes = network.architecture.num_classes
        self._scorer = Scorer(network, device)
        self._intensities = Intensities(images.normalisation, device)
        self._image_size = images.image_size
        self._seed = seed
        self._views = views
        self._plain = Tally(num_classes, device)
        self._viewed = None if views.single else Tally(num_classes, device)
        self._noise = {noise: Tally(num_classes, device) for noise in noises if not noise.clean}
        self._kinds = tuple(dict.fromkeys(noise.kind for noise in noises))
        self._seeds = {kind: noise_seeds(seed, kind, len(images)) for kind in self._kinds}
        self._probes = [IntensityProbe(factor, device) for factor in sorted(set(factors))]

    @property
    def cuts_views(self) -> bool:
        """Whether the images are wanted as the dataset holds them."""
        return self._viewed is not None

    def add(self, held: Tensor, labels: Tensor, start: int) -> None:
        """Evaluate a batch, whose first image is at place `start` of the set."""
        batch = middle(held, self._image_size) if self.cuts_views else held
        features, logits = self._scorer.features_and_logits(batch)
        scores = log_softmax(logits)
        self._plain.add(scores, labels)
        if self._viewed is not None:
            self._viewed.add(self._over_views(held), labels)
        if not (self._noise or self._probes):
            return
        images = self._intensities.of(batch)
        for noise, tally in self._noise.items():
            seeds = self._seeds[noise.kind][start : start + len(labels)]
            noisy = self._intensities.normalised(add_noise(images, noise, seeds))
            tally.add(self._scorer.log_probabilities(noisy), labels)
        for probe in self._probes:
            changed = self._intensities.normalised(images * probe.factor)
            new_features, new_logits = self._scorer.features_and_logits(changed)
            probe.add((features, scores), (new_features, log_softmax(new_logits)), labels)

    def _over_views(self, held: Tensor) -> Tensor:
        """Logarithm of the mean probability over the views, (B, C), float64; NaN if one is not finite."""
        views = self._views.of(held, self._image_size)
        scores = torch.stack([self._scorer.log_probabilities(view) for view in views])
        return scores.logsumexp(0) - math.log(len(scores))

    def result(self, names: Sequence[str]) -> Evaluation:
        """What the batches so far give."""
        plain = quality_of(self._plain, names)
        return Evaluation(
            quality=plain,
            views=self._views,
            viewed=quality_of(self._viewed, names) if self._viewed is not None else None,
            noise=tuple(self._curve(kind, plain, names) for kind in self._kinds),
            intensity=tuple(probe.result() for probe in self._probes),
            seed=self._seed,
            image_size=self._image_size,
        )

    def _curve(self, kind: NoiseKind, plain: Quality, names: Sequence[str]) -> NoiseCurve:
        under = [
            NoisePoint(noise=noise, quality=quality_of(tally, names))
            for noise, tally in self._noise.items()
            if noise.kind == kind
        ]
        under.sort(key=lambda point: point.noise.strength)
        return NoiseCurve(kind=kind, points=(NoisePoint(noise=Noise(kind, 0.0), quality=plain), *under))


def _checked(network: Network, images: ImageSet, classes: Sequence[str]) -> Sequence[str]:
    """The names of the classes, after a check that images and names fit the network."""
    architecture = network.architecture
    count = architecture.num_classes
    if not len(images):
        raise DataError("There are no images to evaluate the network on.")
    channels = len(images.normalisation.mean)
    if channels != architecture.in_chans:
        raise UsageError(
            f"The network reads images of {architecture.in_chans} channels, but these have {channels}.",
            hint="Use the dataset that it was trained on, or one with the same channels.",
        )
    names = classes or [str(label) for label in range(count)]
    highest = int(images.labels.max())
    if len(names) != count or highest >= count:
        found = len(names) if len(names) != count else highest + 1
        raise UsageError(
            f"The network tells {count} classes apart, but the images are of {found}.",
            hint="Use the dataset that it was trained on, or one with the same classes.",
        )
    return names
