"""What a search can minimise: the error, costs, and metrics of other packages or of a notebook. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field

from pure_nas.errors import UsageError, nearest
from pure_nas.plugins import Registry
from pure_nas.validation import checked_fields

if TYPE_CHECKING:
    from torch import Tensor, nn

    Compute: TypeAlias = Callable[[nn.Module, Iterable[tuple[Tensor, Tensor]]], float]
else:
    Compute = Callable

ERRORS = ("error", "noise_error")  # the objectives that are shares of images which are classified wrongly
COST_KEYS = {"flops": "flops", "params": "params", "latency": "latency_ms", "memory": "memory_bytes"}
"""Where an objective that is a cost stands among the costs of a trial; the others stand among its metrics."""

CLOSED_FORM = ("flops", "params")
"""Objectives that are known before a training begins."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Metric:
    """Something that is measured of each trained network, and minimised in addition to its error.

    Attributes:
        name: as written in `objectives` and in files.
        compute: takes the network in evaluation mode and the validation images in batches, normalised and on the
            network's device, with their labels; returns a number from 0, which is best, upwards.
        worst: the corner of the hypervolume: what a useless network gets. 1 for a share.

    Example:
        >>> def confidence(network, batches):
        ...     return float(max(network(images).softmax(1).max() for images, labels in batches))
        >>> pure_nas.Metric(name="confidence", compute=confidence).worst
        1.0
    """

    name: str
    compute: Compute
    worst: Annotated[float, Field(gt=0)] = 1.0

    def __post_init__(self) -> None:
        if self.name in (*ERRORS, *COST_KEYS):
            raise UsageError(f'The metric "{self.name}" has the name of an objective that there is.')


METRICS = Registry("pure_nas.metrics", Metric, {})


def register_metric(metric: Metric) -> None:
    """Let searches of this process use `metric` by its name.

    Packages declare metrics under the entry-point group `pure_nas.metrics` instead, which the command line sees too:
    `pure-nas search --objectives error,flops,NAME`.

    Raises:
        UsageError: the name cannot be used or is taken.

    Example:
        >>> pure_nas.register_metric(pure_nas.Metric(name="constant", compute=lambda network, batches: 0.5))
    """
    METRICS.register(metric)


def objective_names() -> tuple[str, ...]:
    """Every objective that can be asked for."""
    return ("error", *COST_KEYS, "noise_error", *METRICS.names)


def require_objective(name: str) -> str:
    """`name`, unless there is no objective of that name: that is a `UsageError`."""
    if name not in objective_names():
        raise UsageError(f'There is no objective "{name}"; {nearest(name, objective_names())}.')
    return name
