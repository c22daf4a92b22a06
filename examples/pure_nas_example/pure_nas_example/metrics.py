"""The metric "worst-class-error": a network is as good as its worst class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pure_nas import Metric

if TYPE_CHECKING:
    from torch import Tensor, nn


def _worst_class_error(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    wrong: dict[int, list[bool]] = {}
    for images, labels in batches:
        missed = network(images).argmax(1) != labels
        for label, miss in zip(labels.tolist(), missed.tolist(), strict=True):
            wrong.setdefault(label, []).append(miss)
    return max(sum(misses) / len(misses) for misses in wrong.values())


WORST_CLASS_ERROR = Metric(name="worst-class-error", compute=_worst_class_error)
