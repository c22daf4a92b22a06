"""What an exported network was found to do: loaded again by its own runtime, next to the network that was trained."""

from __future__ import annotations

import json
import logging
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pure_nas.errors import PureNasError
from pure_nas.quantities import counted, show_bytes, show_percent
from pure_nas.run.schema import SCHEMA
from pure_nas.run.trained import Trained

Floats: TypeAlias = NDArray[np.float32]
Predict: TypeAlias = Callable[[Floats], Floats]
"""Normalised images (N, C, H, W) to logits (N, classes)."""

RECEIPT_FILE = "receipt.json"
_MOST_IMAGES, _BATCH = 1_000, 50
_TOLERANCE = 1e-3  # of logits, of the largest of them
_LEAST_AGREEMENT = 0.995
_MOST_LOST = 0.05  # accuracy, by quantizing
_WARMUP, _LATENCIES, _SECONDS = 10, 200, 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Images on which an export is compared with the network that was trained.

    Attributes:
        images: (N, C, H, W), normalised.
        labels: (N,); None where they are noise.
        training: (M, C, H, W), what quantizing is calibrated on.
        title: what they are, in words.
    """

    images: Floats
    labels: NDArray[np.int64] | None
    training: Floats
    title: str

    @classmethod
    def of(cls, trained: Trained) -> Sample:
        """Of the images that the network was validated on, or noise where they are not there any more."""
        if trained.images is not None:
            try:
                dataset = trained.images.require_same(trained.images.loader()(), hint="")
            except PureNasError as error:
                _log.warning(f"{error.message} So the export is compared on noise, and its accuracy is not known.")
            else:
                images, labels = _spread(dataset.validation)
                seen = ", which it was retrained on" if trained.images.validation_too else ""
                title = f"{counted(len(images), 'validation image')} of {dataset.name}{seen}"
                return cls(images=images, labels=labels, training=_spread(dataset.train)[0], title=title)
        architecture = trained.architecture
        shape = (_BATCH, architecture.in_chans, architecture.image_size, architecture.image_size)
        noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        return cls(images=noise, labels=None, training=noise, title=f"{_BATCH} images of noise")

    def accuracy(self, logits: Floats) -> float | None:
        return None if self.labels is None else float((logits.argmax(1) == self.labels).mean())


def _spread(images: Any) -> tuple[Floats, NDArray[np.int64]]:
    """At most so many of an image set, from all over it."""
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), _MOST_IMAGES)).astype(int))
    parts = list(images.subset(torch.from_numpy(chosen)).batches(_BATCH))
    pixels, labels = (torch.cat(each).contiguous().numpy() for each in zip(*parts, strict=True))
    return pixels, labels


def predictor(network: nn.Module) -> Predict:
    """A network of PyTorch as a function of arrays."""

    def predict(images: Floats) -> Floats:
        with torch.inference_mode():
            found: Floats = network(torch.from_numpy(images)).float().numpy()
        return found

    return predict


def in_batches(predict: Predict, images: Floats) -> Floats:
    """What a function gives, a few images at a time."""
    return np.concatenate([predict(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)])


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """An exported network next to the one that was trained.

    Attributes:
        images, count: on which both were compared, and how many they are.
        difference: largest of their logits; `scale`: the largest logit.
        agreement: share of images that both classify alike.
        accuracy, trained_accuracy: of both; None where the images are noise.
        latency_ms: of one image, p50 and p95, milliseconds; `device` and `threads` say of what.
        size_bytes: of the files.
        settings: of the format, such as its opset.
    """

    format: str
    runtime: str
    images: str
    count: int
    difference: float
    scale: float
    agreement: float
    accuracy: float | None
    trained_accuracy: float | None
    latency_ms: tuple[float, float]
    device: str
    threads: int
    size_bytes: int
    quantized: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        """What is wrong with the export; empty where nothing is."""
        if self.quantized:
            lost = (self.trained_accuracy or 0.0) - (self.accuracy or 0.0)
            if lost > _MOST_LOST:
                return (
                    f"Quantized, the network classifies {show_percent(self.accuracy or 0.0)} of {self.images} "
                    f"correctly, trained {show_percent(self.trained_accuracy or 0.0)}."
                )
            return ""
        if not self.difference <= _TOLERANCE * max(self.scale, 1.0) or self.agreement < _LEAST_AGREEMENT:
            return (
                f"{self.runtime} gives other logits than the network that was trained: up to {self.difference:.3g} "
                f"apart, of at most {self.scale:.3g}; {show_percent(self.agreement)} of {self.images} are classified "
                "alike."
            )
        return ""

    @property
    def lines(self) -> list[str]:
        """What a terminal says."""
        p50, p95 = self.latency_ms
        found = [
            f"{self.runtime}, {self.images}: {show_percent(self.agreement)} classified as by the trained network, "
            f"logits up to {self.difference:.2g} apart"
        ]
        if self.accuracy is not None and self.trained_accuracy is not None:
            found[0] += f"; accuracy {show_percent(self.accuracy)}, trained {show_percent(self.trained_accuracy)}"
        if scores := self.settings.get("accuracy_by_method"):
            listed = ", ".join(f"{name} {show_percent(share)}" for name, share in scores.items())
            found.append(f"8 bits by {self.settings['method']}; of all methods: {listed}")
        threads = counted(self.threads, "thread")
        return [*found, f"one image takes {p50:.2f} ms (p95 {p95:.2f}) with {threads}; {show_bytes(self.size_bytes)}"]

    @property
    def json(self) -> bytes:
        """What receipt.json holds."""
        return (json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n").encode()


def receipt_of(
    format_name: str,
    runtime: str,
    network: nn.Module,
    predict: Predict,
    sample: Sample,
    files: Sequence[bytes],
    *,
    quantized: bool = False,
    settings: dict[str, Any] | None = None,
) -> Receipt:
    """Compare an export with the network that was trained."""
    ours, theirs = (in_batches(each, sample.images) for each in (predictor(network), predict))
    if theirs.shape != ours.shape:
        raise PureNasError(f"{runtime} gives logits of {theirs.shape}, the network that was trained of {ours.shape}.")
    finite = np.isfinite(theirs).all()
    return Receipt(
        format=format_name,
        runtime=runtime,
        images=sample.title,
        count=len(sample.images),
        difference=float(np.abs(ours - theirs).max()) if finite else float("inf"),
        scale=float(np.abs(ours).max()),
        agreement=float((ours.argmax(1) == theirs.argmax(1)).mean()),
        accuracy=sample.accuracy(theirs),
        trained_accuracy=sample.accuracy(ours),
        latency_ms=latency_of(predict, sample.images[:1]),
        device=platform.processor() or platform.machine(),
        threads=torch.get_num_threads(),
        size_bytes=sum(map(len, files)),
        quantized=quantized,
        settings=settings or {},
    )


def latency_of(predict: Predict, image: Floats) -> tuple[float, float]:
    """Time of one image, p50 and p95 of a few hundred, milliseconds."""
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < _WARMUP + _LATENCIES and (len(times) <= 2 * _WARMUP or time.perf_counter() - begun < _SECONDS):
        start = time.perf_counter()
        predict(image)
        times.append(1000 * (time.perf_counter() - start))
    kept = sorted(times[_WARMUP:])
    return statistics.median(kept), kept[min(len(kept) - 1, int(0.95 * len(kept)))]
