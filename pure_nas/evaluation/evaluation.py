"""Evaluating a trained network on labelled images, and what a search can minimise of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from pure_nas.cost.layers import cost_of
from pure_nas.data import ImageSet
from pure_nas.devices import autocast, computing_on, threads_for
from pure_nas.errors import DataError, PureNasError, UsageError, reason
from pure_nas.evaluation.invariance import IntensityChange, IntensityProbe
from pure_nas.evaluation.noise import NOISE_MIXTURE, Noise, NoiseKind, add_noise, noise_seeds
from pure_nas.evaluation.quality import Quality, Tally, log_probabilities
from pure_nas.evaluation.views import Views, middle
from pure_nas.nn import Network
from pure_nas.nn.folding import folded
from pure_nas.nn.plain.blocks import Classifier
from pure_nas.objectives import Metric
from pure_nas.process_state import global_random_state
from pure_nas.training.evaluation import scoring_batch


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
class Evaluation:
    """The evaluation of one network on one set of images.

    Attributes:
        viewed: quality of probabilities averaged over the views; None if the only view is the image.
        noise: of each kind, from none to strong, without views.
        intensity: the invariance probe, by increasing factor, without views.
        seed: of the noise.
    """

    quality: Quality
    views: Views
    viewed: Quality | None
    noise: Mapping[NoiseKind, tuple[NoisePoint, ...]]
    intensity: tuple[IntensityChange, ...]
    seed: int
    image_size: int

    def document(self) -> dict[str, Any]:
        """As JSON holds it."""
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
    """Evaluate `network` on a set of images, in evaluation mode.

    The images are read once, whatever is asked for. On a CPU the result depends on the seed, which decides the noise,
    but not on the batch size.

    Args:
        classes: names of the classes (default: their numbers).
        factors: of the intensity, for the invariance probe.
        progress: is told how many images are done, and of how many.

    Raises:
        UsageError: images or names do not fit the network.
        DataError: there are no images, or one can no longer be read.
    """
    names = _checked(network, images, classes)
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
        done = 0
        # Views are cut from the images as the dataset holds them, all else is of the middle.
        for held, labels in images.batches(size, device=device, whole=not views.single):
            batch = held if views.single else middle(held, shown)
            before = compute(batch)
            plain.add(before[1], labels)
            if not views.single:
                of_views = torch.stack([compute(view)[1] for view in views.of(held, shown)])
                viewed.add(of_views.logsumexp(0) - math.log(len(of_views)), labels)
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
        )


def noise_error(network: Network, images: ImageSet, device: torch.device, seed: int) -> float:
    """Error of `network`, averaged over `images` and over `NOISE_MIXTURE`; `seed` decides the noise."""
    found = evaluate_network(network, images, device, noises=NOISE_MIXTURE, seed=seed)
    errors = [point.quality.error for points in found.noise.values() for point in points if not point.noise.clean]
    return sum(errors) / len(errors)


def metric_value(metric: Metric, network: Network, images: ImageSet, device: torch.device) -> float:
    """What `metric` finds of a network in evaluation mode, from the same global random state for every network.

    Raises:
        PureNasError: it fails, or gives no number from 0 upwards.
    """
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


def _checked(network: Network, images: ImageSet, classes: Sequence[str]) -> Sequence[str]:
    """The names of the classes, after a check that images and names fit the network."""
    channels, count = network.architecture.in_chans, network.architecture.num_classes
    if not len(images):
        raise DataError("There are no images to evaluate the network on.")
    if (found := len(images.normalisation.mean)) != channels:
        raise UsageError(
            f"The network reads images of {channels} channels, but these have {found}.",
            hint="Use the dataset that it was trained on, or one with the same channels.",
        )
    names = classes or [str(label) for label in range(count)]
    highest = int(images.labels.max())
    if len(names) != count or highest >= count:
        raise UsageError(
            f"The network tells {count} classes apart, but the images are of "
            f"{len(names) if len(names) != count else highest + 1}.",
            hint="Use the dataset that it was trained on, or one with the same classes.",
        )
    return names
