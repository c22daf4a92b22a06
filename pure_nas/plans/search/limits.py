"""Upper bounds on what a candidate may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Self

from pydantic import Field

from pure_nas.cost.layers import cost_of
from pure_nas.errors import UsageError, nearest
from pure_nas.quantities import milliseconds_of, size_of
from pure_nas.run.schema import Positive
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.validation import checked, checked_fields

Latency = Callable[[Architecture], float]  # measures the latency of an architecture, milliseconds


@checked_fields
@dataclass(frozen=True)
class Limits:
    """Upper bounds; None leaves a cost free.

    Attributes:
        params: parameters.
        flops: FLOPs of one image.
        latency_ms: time of one image on the run's device, milliseconds.

    Example:
        >>> Limits.of({"params": "300k", "latency": "2ms"})
        Limits(params=300000, flops=None, latency_ms=2.0)
    """

    params: Positive | None = None
    flops: Positive | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None

    @classmethod
    @checked
    def of(cls, given: Mapping[str, float | str | None]) -> Self:
        """Limits from a mapping such as {"params": "300k", "latency": "2ms"}; a plain number is a count, or ms."""
        known = {"latency": "latency_ms", **{field.name: field.name for field in fields(cls)}}
        bounds: dict[str, float | None] = {}
        for name, bound in given.items():
            if name not in known:
                raise UsageError(f"There is no limit on {name!r}; {nearest(str(name), known)}.")
            read = milliseconds_of if (key := known[name]) == "latency_ms" else size_of
            value = read(bound) if isinstance(bound, str) else bound
            bounds[key] = value if value is None or key == "latency_ms" else int(value)
        return cls(**bounds)  # type: ignore[arg-type]

    @property
    def given(self) -> dict[str, float]:
        """The bounds that are set, by cost."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def constraints(self, architecture: Architecture, latency: Latency) -> dict[str, float]:
        """By how much `architecture` breaks each bound, as a share of it: at most 0 where it is kept."""
        costs = self._costs(architecture, latency)
        return {f"max_{name}": costs[name] / bound - 1 for name, bound in self.given.items()}

    def kept_by(self, architecture: Architecture) -> bool:
        """Whether `architecture` keeps the bounds on parameters and FLOPs."""
        if self.params is None and self.flops is None:
            return True
        cost = cost_of(architecture)
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


def cost_text(name: str, value: float) -> str:
    """A cost with its unit, for messages."""
    return f"{value:.3g} ms" if name == "latency_ms" else f"{value:,.0f} {name}"


def how_broken(limits: Limits, constraints: Mapping[str, float]) -> str:
    """By how much the limits are broken that `constraints` say are, in words."""
    return "; ".join(
        f"{cost_text(name, bound * (1 + constraints[f'max_{name}']))} is over {cost_text(name, bound)}"
        for name, bound in limits.given.items()
        if constraints[f"max_{name}"] > 0
    )


def needs_as_much_memory(candidate: Candidate, other: Candidate) -> bool:
    """Whether training it needs as much memory as another one, or more: for weights, and for what a batch activates."""
    costs = [(each.recipe.batch_size, cost_of(each.architecture)) for each in (candidate, other)]
    (weights, active), (fewer, less) = ((cost.params, batch * (cost.norm + cost.elementwise)) for batch, cost in costs)
    return weights >= fewer and active >= less
