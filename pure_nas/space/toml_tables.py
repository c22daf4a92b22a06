"""The tables of a search space file: an axis for every field that can be searched, named like the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, create_model, model_validator

from pure_nas.space.architecture import Architecture, Family
from pure_nas.space.axis import AXIS_KEYS, Axis, AxisOf, Size, StageAxis, UnitsAxis, expand, fixed, read_units
from pure_nas.space.field import FieldFaults, ReadBy, default_of, descriptions, field_type, later, with_fields_of
from pure_nas.space.recipe import EXCLUDED, BatchSize, Epochs, Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, PRODUCT, DecayValue, LearningRate
from pure_nas.validation import FrozenModel

UNSEARCHED_RECIPE = Recipe.shared((CONV, PRODUCT))  # has the rates and decays that a space does not mention


class Axes(FrozenModel):
    """A table with an axis for each of its fields, or most."""

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)

    def plain(self) -> object:
        return self.model_dump()


def _axis_field(model: type[BaseModel], name: str) -> tuple[Any, Any]:
    """Annotation and default of an axis; what files of `model` leave out at its default, those of spaces do too."""
    usual, values = fixed(default_of(model, name)), field_type(model, name)
    per_stage = descriptions(model)[name].per == "stage"
    annotation: Any = Annotated[StageAxis if per_stage else Axis[Any], AxisOf(values, per_stage=per_stage)]
    default = StageAxis((usual,)) if per_stage else usual
    came_later = model.model_fields[name].exclude_if is not None
    return Annotated[annotation, later(default)] if came_later else annotation, default


class RunTable(FrozenModel):
    """Defaults of the space, which the command line overrides."""

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    epochs: Epochs = 30
    batch_size: BatchSize = 128


@with_fields_of(Architecture, _axis_field, where=lambda each: each.searched)
class ArchitectureTable(Axes):
    """The axes of an architecture, named like the fields of `Architecture`."""

    family: Family = "cifar"
    stages: Annotated[int, Field(ge=1, le=6)] = 3
    blocks_per_stage: Annotated[StageAxis, AxisOf(Annotated[int, Field(ge=1, le=200)], per_stage=True)]
    units: Annotated[UnitsAxis, ReadBy(read_units)]

    @model_validator(mode="before")
    @classmethod
    def _stages_where_left_out(cls, data: Any) -> Any:
        """As many as a list of blocks has entries, else 3 (cifar) or 4 (imagenet)."""
        if not isinstance(data, Mapping) or "stages" in data:
            return data
        blocks = data.get("blocks_per_stage")
        if isinstance(blocks, list) and 1 <= len(blocks) <= 6:
            return {**data, "stages": len(blocks)}
        return {**data, "stages": 4 if data.get("family") == "imagenet" else 3}

    @model_validator(mode="after")
    def _one_entry_a_stage(self) -> Self:
        faults = FieldFaults()
        for name in ("blocks_per_stage", "threshold_init"):
            entries = len(self[name].axes)
            if entries not in (1, self.stages):
                faults.add((name,), f"lists {entries} stages, but the network has {self.stages}")
        if self.units.per is None:
            self._check_patterns(faults)
        faults.raise_any()
        return self

    def _check_patterns(self, faults: FieldFaults) -> None:
        longest = self.blocks_of("large")
        seen: dict[object, str] = {}
        for index, pattern in enumerate(self.units.axis.values):
            path = ("units",) if self.units.axis.fixed else ("units", "patterns", index)
            parts = pattern.count("|") + 1
            if parts > self.stages:
                faults.add(path, f'"{pattern}" has {parts} stages, but the network has {self.stages}')
            placement = expand(pattern, longest)
            if placement in seen:
                faults.add(path, f'"{pattern}" places the same units as "{seen[placement]}"')
            seen.setdefault(placement, pattern)

    def blocks_of(self, size: Size) -> tuple[int, ...]:
        """The blocks of each stage where every stage is as short, medium or long as it can be."""
        return tuple(self.blocks_per_stage.at(stage).sized(size) for stage in range(self.stages))


class DecayTable(Axes):
    """The axes of a weight decay; a plain value or axis in its place is its `start`."""

    schedule: Annotated[Axis[str], AxisOf(field_type(WeightDecay, "schedule"))] = fixed("constant")
    start: Annotated[Axis[float], AxisOf(DecayValue)] = fixed(UNSEARCHED_RECIPE.weight_decay.trunk.start)
    end: Annotated[Axis[float | None], AxisOf(field_type(WeightDecay, "end"))] = fixed(None)

    @model_validator(mode="after")
    def _end_needs_a_schedule(self) -> Self:
        if self.schedule.values == ("constant",) and self.end != fixed(None):
            raise ValueError('end is never used: schedule = "constant" keeps start; choose another schedule')
        return self


def _read_decay(raw: object, faults: FieldFaults) -> DecayTable:
    if not isinstance(raw, Mapping) or set(raw) & set(AXIS_KEYS):
        return DecayTable.model_construct(start=AxisOf(DecayValue).parse(raw, faults))
    return DecayTable.model_validate(raw)


class Kinds(Axes):
    """An axis, or a table of axes, for each parameter kind."""


def _kinds(name: str, annotation: Any, default: Any) -> type[Kinds]:
    fields: dict[str, Any] = dict.fromkeys(PARAMETER_KINDS, (annotation, default))
    return create_model(name, __base__=Kinds, __module__=__name__, **fields)


def _kinds_or(kinds: type[Kinds], one: ReadBy, keys_of_one: Sequence[str]) -> ReadBy:
    """How a field is read that holds a table of parameter kinds, or what `one` reads for all of them."""

    def read(raw: object, faults: FieldFaults) -> Any:
        is_one = not isinstance(raw, Mapping) or (set(raw) & set(keys_of_one) and not set(raw) & set(PARAMETER_KINDS))
        return one.read(raw, faults) if is_one else kinds.model_validate(raw)

    return ReadBy(read)


_RATES = AxisOf(LearningRate)
_DECAYS = ReadBy(_read_decay)
_RateKinds = _kinds("_RateKinds", Annotated[Axis[float], _RATES], fixed(UNSEARCHED_RECIPE.learning_rate.trunk))
_DecayKinds = _kinds("_DecayKinds", Annotated[DecayTable, _DECAYS], DecayTable())
_KEYS_OF_DECAYS = (*AXIS_KEYS, *DecayTable.model_fields)


@with_fields_of(
    Recipe,
    _axis_field,
    where=lambda each: each.searched,
    learning_rate=(Annotated[_RateKinds | Axis[float], _kinds_or(_RateKinds, _RATES, AXIS_KEYS)], _RateKinds()),
    weight_decay=(Annotated[_DecayKinds | DecayTable, _kinds_or(_DecayKinds, _DECAYS, _KEYS_OF_DECAYS)], _DecayKinds()),
)
class RecipeTable(Axes):
    """The axes of a recipe, named like the fields of `Recipe`; rates and decays for each parameter kind, or for all."""

    @model_validator(mode="after")
    def _no_values_exclude_each_other(self) -> Self:
        for values, reason in EXCLUDED:
            if all(value in self[name] for name, value in values.items()):
                raise ValueError(f"{reason}, but these axes hold recipes without")
        return self
