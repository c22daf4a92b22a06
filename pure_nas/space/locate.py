"""Where a candidate lies in a space: the parameters that would suggest it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pure_nas.space.architecture import Architecture
from pure_nas.space.axis import Axis, Spread, Value
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS
from pure_nas.space.walk import IMAGE_FIELDS, PLAIN_ARCHITECTURE_FIELDS, PLAIN_RECIPE_FIELDS, SETTINGS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Located:
    """The parameters of a candidate in a space.

    Attributes:
        params: those whose value the space contains, by name.
        distributions: what Optuna records for each of `params`.
        outside: paths of values, searched or fixed, that the space does not contain.
    """

    params: Mapping[str, Value]
    distributions: Mapping[str, BaseDistribution]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Lookup:
    """Answers a walk with the values of a candidate and notes the parameters that it meets."""

    leaves: Mapping[str, Value]
    params: dict[str, Value] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        wanted = tuple(self.leaves[leaf] for leaf in leaves)
        try:
            value = axis.standing_for(wanted, spread)
        except LookupError:
            self.outside.append(path)
            return wanted
        distribution = axis.distribution()
        if distribution is not None:
            self.params[path] = value
            self.distributions[path] = distribution
        return wanted

    @property
    def located(self) -> Located:
        """What was met so far."""
        return Located(self.params, self.distributions, tuple(self.outside))


def leaves_of(candidate: Candidate) -> dict[str, Value]:
    """Every single value of a candidate by its path."""
    return {**dict(_architecture_leaves(candidate.architecture)), **dict(_recipe_leaves(candidate.recipe))}


def _architecture_leaves(architecture: Architecture) -> Iterator[tuple[str, Value]]:
    for name in ("family", *IMAGE_FIELDS, *PLAIN_ARCHITECTURE_FIELDS, "shortcut", *SETTINGS):
        yield name, getattr(architecture, name)
    yield "stages", len(architecture.units)
    for stage, names in enumerate(architecture.units):
        yield f"blocks_per_stage.{stage}", len(names)
        yield f"threshold_init.{stage}", architecture.threshold_init[stage] + 0.0
        yield from ((f"units.{stage}.{index}", name) for index, name in enumerate(names))


def _recipe_leaves(recipe: Recipe) -> Iterator[tuple[str, Value]]:
    for name in ("epochs", "batch_size", *PLAIN_RECIPE_FIELDS):
        yield name, getattr(recipe, name)
    for kind in PARAMETER_KINDS:
        decay = recipe.weight_decay[kind]
        yield f"learning_rate.{kind}", recipe.learning_rate[kind]
        yield f"weight_decay.{kind}.schedule", decay.schedule
        yield f"weight_decay.{kind}.start", decay.start
        yield f"weight_decay.{kind}.end", decay.start if decay.end is None else decay.end
