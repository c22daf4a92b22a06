"""The tables of a search space file: one named field for each axis, named like the field that it fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

from pure_nas.space.architecture import Architecture, Family, Theta
from pure_nas.space.axis import Axis, Fixed
from pure_nas.space.field import (
    AXIS_KEYS,
    AxisOf,
    FieldFaults,
    StageAxis,
    StageAxisOf,
    field_type,
    fixed_default,
    plain_schema,
)
from pure_nas.space.placement import UnitsAxis, UnitsAxisOf, expand
from pure_nas.space.recipe import DecayValue, LearningRate, Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, PRODUCT, ParameterKind

STAGES_OF_FAMILY: Mapping[Family, int] = {"cifar": 3, "imagenet": 4}

_SHARED = Recipe.shared((CONV, PRODUCT))
_RATE = Fixed(_SHARED.learning_rate.trunk)
_DECAY = Fixed(_SHARED.weight_decay.trunk.start)

Model = TypeVar("Model", bound=BaseModel)


class Table(BaseModel):
    """A table of a search space file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class RunTable(Table):
    """Defaults of the space, which the command line overrides.

    Attributes:
        trials: candidates to evaluate.
        epochs: as in `Recipe`.
        batch_size: as in `Recipe`.
    """

    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 128


def _later_default(name: str, model: type[BaseModel] = Architecture) -> Any:
    """The default of a field of `model` that files leave out at that value."""
    default = fixed_default(model, name)
    return Field(default=default, exclude_if=lambda axis: bool(axis == default))


class ArchitectureTable(Table):
    """The axes of an architecture; attributes as in `Architecture`.

    Attributes:
        stages: how many; where it is left out, as many as a list of blocks has entries, else 3 (cifar) or 4 (imagenet).
        blocks_per_stage: residual blocks of each stage.
        units: which unit each block holds.
    """

    family: Family = "cifar"
    stages: Annotated[int, Field(ge=1, le=6)] = 3
    blocks_per_stage: Annotated[StageAxis, StageAxisOf(Annotated[int, Field(ge=1, le=200)])]
    units: Annotated[UnitsAxis, UnitsAxisOf()]
    base_width: Annotated[Axis[int], AxisOf(field_type(Architecture, "base_width"))] = fixed_default(
        Architecture, "base_width"
    )
    bottleneck: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Architecture, "bottleneck")
    shortcut: Annotated[Axis[str], AxisOf(field_type(Architecture, "shortcut"))] = fixed_default(
        Architecture, "shortcut"
    )
    threshold_init: Annotated[StageAxis, StageAxisOf(Theta)] = StageAxis((Fixed(0.0),))
    threshold_trainable: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Architecture, "threshold_trainable")
    # A run from before these fields is taken up with the space that it stored: at their defaults they are not written.
    threshold_per_channel: Annotated[Axis[bool], AxisOf(bool)] = _later_default("threshold_per_channel")
    exponent_cap: Annotated[Axis[float | None], AxisOf(field_type(Architecture, "exponent_cap"))] = fixed_default(
        Architecture, "exponent_cap"
    )
    softening: Annotated[Axis[float], AxisOf(field_type(Architecture, "softening"))] = _later_default("softening")
    relu_in_block: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Architecture, "relu_in_block")
    relu_after_add: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Architecture, "relu_after_add")
    residual_scale: Annotated[Axis[float], AxisOf(field_type(Architecture, "residual_scale"))] = _later_default(
        "residual_scale"
    )
    zero_gamma: Annotated[Axis[bool], AxisOf(bool)] = _later_default("zero_gamma")

    @model_validator(mode="before")
    @classmethod
    def _stages_where_left_out(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or "stages" in data:
            return data
        blocks = data.get("blocks_per_stage")
        if isinstance(blocks, list) and 1 <= len(blocks) <= 6:
            return {**data, "stages": len(blocks)}
        return {**data, "stages": STAGES_OF_FAMILY["imagenet" if data.get("family") == "imagenet" else "cifar"]}

    @model_validator(mode="after")
    def _one_entry_a_stage(self) -> Self:
        faults = FieldFaults()
        for name in ("blocks_per_stage", "threshold_init"):
            entries = len(getattr(self, name).axes)
            if entries not in (1, self.stages):
                faults.add((name,), f"lists {entries} stages, but the network has {self.stages}")
        if self.units.per is None:
            self._check_patterns(faults)
        faults.raise_any()
        return self

    def _check_patterns(self, faults: FieldFaults) -> None:
        longest = self.blocks_of("largest")
        seen: dict[object, str] = {}
        for index, pattern in enumerate(self.units.axis.values):
            path = ("units",) if isinstance(self.units.axis, Fixed) else ("units", "patterns", index)
            parts = pattern.count("|") + 1
            if parts > self.stages:
                faults.add(path, f'"{pattern}" has {parts} stages, but the network has {self.stages}')
            placement = expand(pattern, longest)
            if placement in seen:
                faults.add(path, f'"{pattern}" places the same units as "{seen[placement]}"')
            seen.setdefault(placement, pattern)

    def blocks_of(self, size: Literal["smallest", "middle", "largest"]) -> tuple[int, ...]:
        """The blocks of each stage where every stage is as short, medium or long as it can be."""
        return tuple(getattr(self.blocks_per_stage.at(stage), size) for stage in range(self.stages))


class DecayTable(Table):
    """The axes of a weight decay; a plain value or axis in its place is its `start`."""

    schedule: Annotated[Axis[str], AxisOf(field_type(WeightDecay, "schedule"))] = fixed_default(WeightDecay, "schedule")
    start: Annotated[Axis[float], AxisOf(DecayValue)] = _DECAY
    end: Annotated[Axis[float | None], AxisOf(field_type(WeightDecay, "end"))] = Fixed(None)

    @model_validator(mode="after")
    def _end_needs_a_schedule(self) -> Self:
        if self.schedule.values == ("constant",) and self.end != Fixed(None):
            raise ValueError('end is never used: schedule = "constant" keeps start; choose another schedule')
        return self


def _table(value: Any) -> object:
    return value.model_dump() if isinstance(value, BaseModel) else value.plain()


class _DecayOf:
    """Annotates a `DecayTable` that may also be written as its `start`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return plain_schema(self.read, _table)

    def read(self, raw: object) -> DecayTable:
        if isinstance(raw, DecayTable):
            return raw
        if not isinstance(raw, Mapping) or set(raw) & set(AXIS_KEYS):
            return DecayTable(start=AxisOf(DecayValue).read(raw))
        return DecayTable.model_validate(raw)


class RateKinds(Table):
    """A learning rate for each parameter kind."""

    trunk: Annotated[Axis[float], AxisOf(LearningRate)] = _RATE
    conv: Annotated[Axis[float], AxisOf(LearningRate)] = _RATE
    product_conv: Annotated[Axis[float], AxisOf(LearningRate)] = _RATE
    exponents: Annotated[Axis[float], AxisOf(LearningRate)] = _RATE
    thresholds: Annotated[Axis[float], AxisOf(LearningRate)] = _RATE

    def __getitem__(self, kind: ParameterKind) -> Axis[float]:
        axis: Axis[float] = getattr(self, kind)
        return axis


class DecayKinds(Table):
    """A weight decay for each parameter kind."""

    trunk: Annotated[DecayTable, _DecayOf()] = DecayTable()
    conv: Annotated[DecayTable, _DecayOf()] = DecayTable()
    product_conv: Annotated[DecayTable, _DecayOf()] = DecayTable()
    exponents: Annotated[DecayTable, _DecayOf()] = DecayTable()
    thresholds: Annotated[DecayTable, _DecayOf()] = DecayTable()

    def __getitem__(self, kind: ParameterKind) -> DecayTable:
        table: DecayTable = getattr(self, kind)
        return table


class _KindsOr:
    """Annotates a field that holds a table of parameter kinds, or one axis for all of them."""

    def __init__(self, kinds: type[Table], one: AxisOf | _DecayOf) -> None:
        self._kinds = kinds
        self._one = one

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return plain_schema(self.read, _table)

    def read(self, raw: object) -> Any:
        if isinstance(raw, self._kinds):
            return raw
        if not isinstance(raw, Mapping):
            return self._one.read(raw)
        keys_of_one = {*AXIS_KEYS, *(DecayTable.model_fields if isinstance(self._one, _DecayOf) else ())}
        if set(raw) & keys_of_one and not set(raw) & set(PARAMETER_KINDS):
            return self._one.read(raw)
        return self._kinds.model_validate(raw)


class RecipeTable(Table):
    """The axes of a recipe; attributes as in `Recipe`.

    Attributes:
        learning_rate: one axis a parameter kind, or one for all kinds together.
        weight_decay: likewise.
    """

    optimizer: Annotated[Axis[str], AxisOf(field_type(Recipe, "optimizer"))] = fixed_default(Recipe, "optimizer")
    momentum: Annotated[Axis[float], AxisOf(field_type(Recipe, "momentum"))] = fixed_default(Recipe, "momentum")
    nesterov: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Recipe, "nesterov")
    learning_rate: Annotated[RateKinds | Axis[float], _KindsOr(RateKinds, AxisOf(LearningRate))] = RateKinds()
    learning_rate_schedule: Annotated[Axis[str], AxisOf(field_type(Recipe, "learning_rate_schedule"))] = fixed_default(
        Recipe, "learning_rate_schedule"
    )
    warmup_epochs: Annotated[Axis[float], AxisOf(field_type(Recipe, "warmup_epochs"))] = fixed_default(
        Recipe, "warmup_epochs"
    )
    weight_decay: Annotated[DecayKinds | DecayTable, _KindsOr(DecayKinds, _DecayOf())] = DecayKinds()
    gradient_clip_norm: Annotated[Axis[float | None], AxisOf(field_type(Recipe, "gradient_clip_norm"))] = fixed_default(
        Recipe, "gradient_clip_norm"
    )
    label_smoothing: Annotated[Axis[float], AxisOf(field_type(Recipe, "label_smoothing"))] = fixed_default(
        Recipe, "label_smoothing"
    )
    crop_padding: Annotated[Axis[int], AxisOf(field_type(Recipe, "crop_padding"))] = fixed_default(
        Recipe, "crop_padding"
    )
    flip: Annotated[Axis[bool], AxisOf(bool)] = fixed_default(Recipe, "flip")
    random_resized_crop: Annotated[Axis[float | None], AxisOf(field_type(Recipe, "random_resized_crop"))] = (
        _later_default("random_resized_crop", Recipe)
    )
    vertical_flip: Annotated[Axis[bool], AxisOf(bool)] = _later_default("vertical_flip", Recipe)
    quarter_turns: Annotated[Axis[bool], AxisOf(bool)] = _later_default("quarter_turns", Recipe)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if True in self.nesterov and 0.0 in self.momentum:
            raise ValueError("nesterov = true needs momentum > 0, but momentum can be 0")
        return self
