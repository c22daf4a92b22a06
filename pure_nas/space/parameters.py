"""The parameters of a space: which ones a candidate has, in which order they are drawn.

Suggesting a candidate and finding the parameters of one are the same walk with a different `Source`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from pure_nas.space.architecture import SETTINGS, Architecture
from pure_nas.space.axis import Axis, Fixed, Spread, StageAxis, Suggester, Value
from pure_nas.space.candidate import Candidate
from pure_nas.space.field import descriptions
from pure_nas.space.placement import Placement, UnitsAxis, expand
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.tables import UNSEARCHED_RECIPE, ArchitectureTable, DecayTable, Kinds, RecipeTable, RunTable
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, settings_read

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_OF_A_NETWORK, _OF_A_TRAINING = (
    [name for name, each in descriptions(model).items() if each.per == "network"] for model in (Architecture, Recipe)
)
ALWAYS_DRAWN = tuple(
    name for name in _OF_A_NETWORK if descriptions(Architecture)[name].searched and name not in (*SETTINGS, "shortcut")
)
"""What every network has: a shortcut needs a skip that changes its shape, settings a unit that reads them."""
RECIPE_FIELDS = tuple(name for name in _OF_A_TRAINING if descriptions(Recipe)[name].searched)


class Source(Protocol):
    """Where a walk gets its values from."""

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        """The values of `leaves`, the places of a candidate that the parameter at `path` decides.

        Args:
            path: the name of the parameter.
            axis: what it may be.
            leaves: paths of single values.
            spread: the values of `leaves` for a value of the parameter.
        """


@dataclass(frozen=True)
class Asking:
    """Draws from an Optuna trial."""

    trial: Suggester

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        return spread(axis.ask(self.trial, path))


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

    candidate: Candidate
    params: dict[str, Value] = field(default_factory=dict)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        wanted = tuple(self._leaves[leaf] for leaf in leaves)
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

    @cached_property
    def _leaves(self) -> dict[str, Value]:
        """Every single value of the candidate by its path."""
        architecture, recipe = self.candidate.architecture, self.candidate.recipe
        found = {name: getattr(architecture, name) for name in _OF_A_NETWORK}
        found |= {name: getattr(recipe, name) for name in _OF_A_TRAINING}
        found["stages"] = len(architecture.units)
        for stage, names in enumerate(architecture.units):
            found[f"blocks_per_stage.{stage}"] = len(names)
            found[f"threshold_init.{stage}"] = architecture.threshold_init[stage] + 0.0
            found |= {f"units.{stage}.{index}": name for index, name in enumerate(names)}
        for kind in PARAMETER_KINDS:
            decay = recipe.weight_decay[kind]
            found[f"learning_rate.{kind}"] = recipe.learning_rate[kind]
            found[f"weight_decay.{kind}.schedule"] = decay.schedule
            found[f"weight_decay.{kind}.start"] = decay.start
            found[f"weight_decay.{kind}.end"] = decay.start if decay.end is None else decay.end
        return found

    @property
    def located(self) -> Located:
        """What was met so far."""
        return Located(self.params, self.distributions, tuple(self.outside))


@dataclass(frozen=True)
class Walk:
    """One way through a space.

    Attributes:
        source: answers every question in turn.
    """

    source: Source
    run: RunTable
    architecture_axes: ArchitectureTable
    recipe_axes: RecipeTable
    images: Mapping[str, int]

    def candidate(self) -> Candidate:
        """The candidate at its end."""
        architecture = self._architecture()
        kinds = [kind for kind in PARAMETER_KINDS if kind in architecture.parameter_kinds]
        return Candidate(architecture, self._recipe(kinds))

    def _one(self, path: str, axis: Axis[Any]) -> Any:
        (value,) = self._shared(path, axis, [path])
        return value

    def _shared(self, path: str, axis: Axis[Any], leaves: Sequence[str]) -> tuple[Any, ...]:
        """One value for all of `leaves`."""
        return self.source.draw(path, axis, leaves, lambda value: (value,) * len(leaves))

    def _architecture(self) -> Architecture:
        axes = self.architecture_axes
        images = {name: self._one(name, Fixed(value)) for name, value in self.images.items()}
        family = self._one("family", Fixed(axes.family))
        stages = self._one("stages", Fixed(axes.stages))
        blocks = self._staged("blocks_per_stage", axes.blocks_per_stage, range(stages))
        plain = {name: self._one(name, axes[name]) for name in ALWAYS_DRAWN}
        if len(blocks) > 1 or plain["bottleneck"]:
            plain["shortcut"] = self._one("shortcut", axes["shortcut"])
        units = self._units(axes.units, blocks)
        read = settings_read(name for stage in units for name in stage)
        settings = {name: self._one(name, axes[name]) for name in SETTINGS if name in read}
        return Architecture.model_validate(
            {
                "family": family,
                "units": units,
                "threshold_init": self._thresholds(units),
                **plain,
                **settings,
                **images,
            }
        )

    def _staged(self, path: str, axis: StageAxis, stages: Sequence[int]) -> tuple[Any, ...]:
        """A value for each of `stages`."""
        leaves = [f"{path}.{stage}" for stage in stages]
        if axis.per == "network":
            return self._shared(path, axis.at(0), leaves) if leaves else ()
        return tuple(self._one(leaf, axis.at(stage)) for stage, leaf in zip(stages, leaves, strict=True))

    def _units(self, axis: UnitsAxis, blocks: Sequence[int]) -> Placement:
        stages = [[f"units.{stage}.{index}" for index in range(count)] for stage, count in enumerate(blocks)]
        layers = [leaf for stage in stages for leaf in stage]
        if axis.per is None:
            names = self.source.draw("units", axis.axis, layers, lambda pattern: sum(expand(pattern, blocks), start=()))
        else:
            groups = {
                "layer": [(leaf, [leaf]) for leaf in layers],
                "stage": [(f"units.{stage}", leaves) for stage, leaves in enumerate(stages)],
                "network": [("units", layers)],
            }[axis.per]
            names = tuple(name for path, leaves in groups for name in self._shared(path, axis.axis, leaves))
        left = iter(names)
        return tuple(tuple(islice(left, count)) for count in blocks)

    def _thresholds(self, units: Placement) -> tuple[float, ...]:
        """Zero where no unit reads it, as in `Architecture.canonical`."""
        reading = [stage for stage, names in enumerate(units) if "threshold_init" in settings_read(names)]
        drawn = self._staged("threshold_init", self.architecture_axes["threshold_init"], reading)
        values = dict(zip(reading, drawn, strict=True))
        return tuple(values.get(stage, 0.0) for stage in range(len(units)))

    def _recipe(self, kinds: Sequence[ParameterKind]) -> Recipe:
        """Kinds that the network lacks keep the default."""
        default = UNSEARCHED_RECIPE
        fields = {name: self._one(name, self.recipe_axes[name]) for name in RECIPE_FIELDS}
        return Recipe.model_validate(
            {
                "epochs": self._one("epochs", Fixed(self.run.epochs)),
                "batch_size": self._one("batch_size", Fixed(self.run.batch_size)),
                "learning_rate": {**default.learning_rate.model_dump(), **self._rates(kinds)},
                "weight_decay": {**default.weight_decay.model_dump(), **self._decays(kinds)},
                **fields,
            }
        )

    def _rates(self, kinds: Sequence[ParameterKind]) -> dict[str, float]:
        axes = self.recipe_axes["learning_rate"]
        leaves = [f"learning_rate.{kind}" for kind in kinds]
        if isinstance(axes, Kinds):
            rates = tuple(self._one(leaf, axes[kind]) for kind, leaf in zip(kinds, leaves, strict=True))
        else:
            rates = self._shared("learning_rate", axes, leaves)
        return dict(zip(kinds, rates, strict=True))

    def _decays(self, kinds: Sequence[ParameterKind]) -> dict[str, WeightDecay]:
        axes = self.recipe_axes["weight_decay"]
        if isinstance(axes, DecayTable):
            return self._decays_of("weight_decay", axes, kinds)
        decays: dict[str, WeightDecay] = {}
        for kind in kinds:
            decays |= self._decays_of(f"weight_decay.{kind}", axes[kind], [kind])
        return decays

    def _decays_of(self, path: str, axes: DecayTable, kinds: Sequence[ParameterKind]) -> dict[str, WeightDecay]:
        """The decays of `kinds`, which share the axes at `path`."""
        schedules = self._shared(f"{path}.schedule", axes.schedule, [f"weight_decay.{kind}.schedule" for kind in kinds])
        starts = self._shared(f"{path}.start", axes.start, [f"weight_decay.{kind}.start" for kind in kinds])
        decays = {
            kind: {"schedule": schedule, "start": start}
            for kind, schedule, start in zip(kinds, schedules, starts, strict=True)
        }
        varying = {kind: decay["start"] for kind, decay in decays.items() if decay["schedule"] != "constant"}
        if varying:
            # An end that is left out is the start, so a candidate may hold either for the same decay.
            ends = self.source.draw(
                f"{path}.end",
                axes.end,
                [f"weight_decay.{kind}.end" for kind in varying],
                lambda end: tuple(start if end is None else end for start in varying.values()),
            )
            for (kind, start), end in zip(varying.items(), ends, strict=True):
                decays[kind]["end"] = None if end == start else end
        return {kind: WeightDecay.model_validate(decay) for kind, decay in decays.items()}
