"""Limits on what a candidate may cost, checked before any training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pure_nas.architecture import Architecture
from pure_nas.cost.layers import cost_of
from pure_nas.errors import UsageError
from pure_nas.search.space import SearchSpace

Latency = Callable[[Architecture], float]
"""Measures the latency of an architecture, milliseconds."""


@dataclass(frozen=True)
class Limits:
    """Upper bounds; None leaves a cost free.

    Attributes:
        params: parameters.
        flops: flops of one image.
        latency_ms: time of one image on the run's device, milliseconds.
    """

    params: int | None = None
    flops: int | None = None
    latency_ms: float | None = None

    @property
    def given(self) -> dict[str, float]:
        """The bounds that are set, by cost."""
        values = {"params": self.params, "flops": self.flops, "latency_ms": self.latency_ms}
        return {name: value for name, value in values.items() if value is not None}

    def constraints(self, architecture: Architecture, latency: Latency) -> dict[str, float]:
        """By how much `architecture` breaks each bound, as a share of it: at most 0 where it is kept."""
        costs = self._costs(architecture, latency)
        return {f"max_{name}": costs[name] / bound - 1 for name, bound in self.given.items()}

    def require_possible(self, space: SearchSpace, latency: Latency) -> None:
        """Check that the cheapest networks of `space` keep every bound.

        Raises:
            UsageError: nothing in the space can; the message says the smallest cost.
        """
        smallest = [self._costs(architecture, latency) for architecture in space.smallest_architectures()]
        for name, bound in self.given.items():
            least = min(costs[name] for costs in smallest)
            if least > bound:
                flag = "--max-" + name.removesuffix("_ms")
                raise UsageError(
                    f"No network of this space keeps {flag} {shown(name, bound)}: "
                    f"the smallest has {shown(name, least)}.",
                    hint=f"Raise {flag}, or choose a space with smaller networks.",
                )

    def _costs(self, architecture: Architecture, latency: Latency) -> Mapping[str, float]:
        cost = cost_of(architecture)
        costs: dict[str, float] = {"params": cost.params, "flops": cost.flops}
        if self.latency_ms is not None:
            costs["latency_ms"] = latency(architecture)
        return costs


def shown(name: str, value: float) -> str:
    """A cost with its unit, for messages."""
    return f"{value:.3g} ms" if name == "latency_ms" else f"{value:,.0f} {name}"
