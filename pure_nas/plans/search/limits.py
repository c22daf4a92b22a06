"""Upper bounds on what a candidate may cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Self

from pure_nas.cost.layers import Cost, cost_of
from pure_nas.errors import UsageError, nearest
from pure_nas.quantities import milliseconds_of, size_of
from pure_nas.space.architecture import Architecture
from pure_nas.space.search_space import SearchSpace

Latency = Callable[[Architecture], float]  # measures the latency of an architecture, milliseconds


@dataclass(frozen=True)
class Limits:
    """Upper bounds; None leaves a cost free.

    Attributes:
        params: parameters.
        flops: flops of one image.
        latency_ms: time of one image on the run's device, milliseconds.

    Example:
        >>> Limits.of({"params": "300k", "latency": "2ms"})
        Limits(params=300000, flops=None, latency_ms=2.0)
    """

    params: int | None = None
    flops: int | None = None
    latency_ms: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, float | str | None]) -> Self:
        """Limits from a mapping such as {"params": "300k", "latency": "2ms"}; a plain number is a count, or ms."""
        known = {"latency": "latency_ms", **{field.name: field.name for field in fields(cls)}}
        if not isinstance(given, Mapping):
            hint = 'For example {"params": "300k"}.'
            raise UsageError(f"Limits are a mapping of costs to bounds, not {given!r}.", hint=hint)
        bounds: dict[str, float | None] = {}
        for name, bound in given.items():
            if name not in known:
                raise UsageError(f"There is no limit on {name!r}; {nearest(str(name), known)}.")
            bounds[known[name]] = None if bound is None else _bound(known[name], bound)
        return cls(**bounds)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for name, bound in self.given.items():
            if not isinstance(bound, Real) or isinstance(bound, bool) or not 0 < bound < math.inf:
                raise UsageError(f"The limit on {name} is a number above 0, not {bound!r}.")

    @property
    def given(self) -> dict[str, float]:
        """The bounds that are set, by cost."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def constraints(self, architecture: Architecture, latency: Latency) -> dict[str, float]:
        """By how much `architecture` breaks each bound, as a share of it: at most 0 where it is kept."""
        costs = self._costs(architecture, latency)
        return {f"max_{name}": costs[name] / bound - 1 for name, bound in self.given.items()}

    def kept_by(self, cost: Cost) -> bool:
        """Whether a network of that cost keeps the bounds on parameters and flops."""
        return all(
            bound is None or value <= bound for bound, value in ((self.params, cost.params), (self.flops, cost.flops))
        )

    def require_possible(self, space: SearchSpace, latency: Latency) -> None:
        """Check that the cheapest networks of `space` keep every bound."""
        smallest = [self._costs(architecture, latency) for architecture in space.smallest_architectures()]
        for name, bound in self.given.items():
            if (least := min(costs[name] for costs in smallest)) > bound:
                raise UsageError(
                    f"No network of this space keeps the limit of {cost_text(name, bound)}: the smallest has "
                    f"{cost_text(name, least)}.",
                    hint="Raise the limit, or choose a space with smaller networks.",
                )

    def _costs(self, architecture: Architecture, latency: Latency) -> Mapping[str, float]:
        cost = cost_of(architecture)
        measured = {} if self.latency_ms is None else {"latency_ms": latency(architecture)}
        return {"params": cost.params, "flops": cost.flops, **measured}


def _bound(name: str, bound: float | str) -> float:
    """A bound, which may be a NumPy number or written as on the command line, as Python's own number."""
    try:
        if isinstance(bound, bool):
            raise TypeError
        if isinstance(bound, str):
            return milliseconds_of(bound) if name == "latency_ms" else size_of(bound)
        return float(bound) if name == "latency_ms" or not math.isfinite(bound) else int(bound)
    except (TypeError, ValueError) as error:
        fault = error if isinstance(bound, str) else f"{bound!r} is no number"
        raise UsageError(f"The limit on {name} cannot be read: {fault}.") from error


def cost_text(name: str, value: float) -> str:
    """A cost with its unit, for messages."""
    return f"{value:.3g} ms" if name == "latency_ms" else f"{value:,.0f} {name}"
