"""The parameters of a space: suggesting a candidate and finding those of one are one walk with a different `Draw`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pure_nas.space.architecture import SETTINGS, Architecture
from pure_nas.space.axis import Axis, Placement, Spread, StageAxis, UnitsAxis, Value, expand, fixed
from pure_nas.space.candidate import Candidate
from pure_nas.space.field import descriptions
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.toml_tables import UNSEARCHED_RECIPE, DecayTable, Kinds
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, settings_read

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from pure_nas.space.search_space import SearchSpace

ALWAYS_DRAWN, RECIPE_FIELDS = (
    tuple(
        name
        for name, each in descriptions(model).items()
        if each.searched and each.per == "network" and name not in (*SETTINGS, "shortcut")
    )
    for model in (Architecture, Recipe)
)
"""What all have: a shortcut needs a skip that changes its shape, settings a unit that reads them."""

Draw = Callable[[str, Axis[Any], Sequence[str], Spread[Any]], tuple[Any, ...]]
"""Gives the values of some leaves, the places of a candidate that one parameter decides, from the parameter's name and
axis, the paths of the leaves, and what their values are for a value of the parameter."""


@dataclass
class Located:
    """The parameters of a candidate in a space, once a walk was answered by `draw`."""

    candidate: Candidate
    params: dict[str, Value] = field(default_factory=dict)  # those whose value the space contains, by name
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)  # what Optuna records for each of them
    outside: tuple[str, ...] = ()  # paths of values, searched or fixed, that the space does not contain

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        wanted = tuple(self._leaves[leaf] for leaf in leaves)
        try:
            value = axis.standing_for(wanted, spread)
        except LookupError:
            self.outside += (path,)
            return wanted
        if (distribution := axis.distribution()) is not None:
            self.params[path] = value
            self.distributions[path] = distribution
        return wanted

    @cached_property
    def _leaves(self) -> dict[str, Value]:
        architecture, recipe = self.candidate.architecture, self.candidate.recipe
        found = {**dict(_leaves(architecture)), **dict(_leaves(recipe)), "stages": len(architecture.units)}
        for stage, names in enumerate(architecture.units):
            found[f"blocks_per_stage.{stage}"] = len(names)
            found[f"threshold_init.{stage}"] += 0.0
        for kind in PARAMETER_KINDS:
            if found[f"weight_decay.{kind}.end"] is None:
                found[f"weight_decay.{kind}.end"] = found[f"weight_decay.{kind}.start"]
        return found


def _leaves(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel | tuple):
        for key, inner in value if isinstance(value, BaseModel) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield ".".join(map(str, path)), value


@dataclass(frozen=True)
class Walk:
    """One way through a space, on which `draw` answers every question in turn."""

    draw: Draw
    space: SearchSpace

    def candidate(self) -> Candidate:
        architecture = self._architecture()
        kinds = architecture.parameter_kinds
        return Candidate(architecture, self._recipe([kind for kind in PARAMETER_KINDS if kind in kinds]))

    def _one(self, path: str, axis: Axis[Any]) -> Any:
        return self._shared(path, axis, [path])[0]

    def _shared(self, path: str, axis: Axis[Any], leaves: Sequence[str]) -> tuple[Any, ...]:
        return self.draw(path, axis, leaves, lambda value: (value,) * len(leaves))

    def _staged(self, path: str, axis: StageAxis, stages: Sequence[int]) -> tuple[Any, ...]:
        leaves = [f"{path}.{stage}" for stage in stages]
        if axis.per == "network":
            return self._shared(path, axis.at(0), leaves) if leaves else ()
        return tuple(self._one(leaf, axis.at(stage)) for leaf, stage in zip(leaves, stages, strict=True))

    def _architecture(self) -> Architecture:
        axes = self.space.architecture
        fields = {name: self._one(name, fixed(value)) for name, value in self.space.images.items()}
        fields["family"] = self._one("family", fixed(axes.family))
        stages = self._one("stages", fixed(axes.stages))
        blocks = self._staged("blocks_per_stage", axes.blocks_per_stage, range(stages))
        fields |= {name: self._one(name, axes[name]) for name in ALWAYS_DRAWN}
        if len(blocks) > 1 or fields["bottleneck"]:
            fields["shortcut"] = self._one("shortcut", axes["shortcut"])
        units = self._units(axes.units, blocks)
        read = settings_read(name for stage in units for name in stage)
        fields |= {name: self._one(name, axes[name]) for name in SETTINGS if name in read}
        return Architecture(**fields, units=units, threshold_init=self._thresholds(units))

    def _units(self, axis: UnitsAxis, blocks: Sequence[int]) -> Placement:
        stages = [[f"units.{stage}.{index}" for index in range(count)] for stage, count in enumerate(blocks)]
        layers = [leaf for stage in stages for leaf in stage]
        if axis.per is None:
            names = self.draw("units", axis.axis, layers, lambda pattern: sum(expand(pattern, blocks), start=()))
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
        drawn = self._staged("threshold_init", self.space.architecture["threshold_init"], reading)
        values = dict(zip(reading, drawn, strict=True))
        return tuple(values.get(stage, 0.0) for stage in range(len(units)))

    def _recipe(self, kinds: Sequence[ParameterKind]) -> Recipe:
        """Kinds that the network lacks keep the default."""
        fields = {name: self._one(name, self.space.recipe[name]) for name in RECIPE_FIELDS}
        fields |= {name: self._one(name, fixed(getattr(self.space.run, name))) for name in ("epochs", "batch_size")}
        fields["learning_rate"] = self._of_kinds("learning_rate", self._rates, kinds)
        fields["weight_decay"] = self._of_kinds("weight_decay", self._decays, kinds)
        return Recipe(**fields)

    def _of_kinds(self, name: str, values: Callable[..., Any], kinds: Sequence[ParameterKind]) -> Any:
        axes, usual = self.space.recipe[name], dict(getattr(UNSEARCHED_RECIPE, name))
        if not isinstance(axes, Kinds):
            return usual | values(name, axes, kinds)
        return usual | {kind: values(f"{name}.{kind}", axes[kind], [kind])[kind] for kind in kinds}

    def _rates(self, path: str, axis: Axis[Any], kinds: Sequence[ParameterKind]) -> dict[ParameterKind, float]:
        rates = self._shared(path, axis, [f"learning_rate.{kind}" for kind in kinds])
        return dict(zip(kinds, rates, strict=True))

    def _decays(self, path: str, axes: DecayTable, kinds: Sequence[ParameterKind]) -> dict[ParameterKind, WeightDecay]:
        """The decays of `kinds`, which share the axes at `path`."""
        schedules, starts = (
            self._shared(f"{path}.{name}", axes[name], [f"weight_decay.{kind}.{name}" for kind in kinds])
            for name in ("schedule", "start")
        )
        pairs = dict(zip(kinds, zip(schedules, starts, strict=True), strict=True))
        varying = {kind: start for kind, (schedule, start) in pairs.items() if schedule != "constant"}
        ends: tuple[Any, ...] = ()
        if varying:
            # An end that is left out is the start, so a candidate may hold either for the same decay.
            ends = self.draw(
                f"{path}.end",
                axes.end,
                [f"weight_decay.{kind}.end" for kind in varying],
                lambda end: tuple(start if end is None else end for start in varying.values()),
            )
        end_of = {kind: end for (kind, start), end in zip(varying.items(), ends, strict=True) if end != start}
        return {
            kind: WeightDecay(schedule=schedule, start=start, end=end_of.get(kind))
            for kind, (schedule, start) in pairs.items()
        }
