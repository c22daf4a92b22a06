"""How the fields of a search space are written, and every fault of one of them at once.

A plain value fixes a field; `{ choices = [...] }` or `{ low = ..., high = ..., log = true }` search it. Each
value and bound is checked against the field of `Architecture` or `Recipe` that it will fill, so that no
suggestion can be refused later. "none" stands for None, which TOML cannot write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from pure_nas.errors import nearest
from pure_nas.space.axis import Axis, Choices, Fixed, FloatRange, IntRange
from pure_nas.validation import quoted, shown

RANGE_KEYS = ("low", "high", "log")
AXIS_KEYS = ("choices", *RANGE_KEYS)
SHAPES = "a value, { choices = [...] } or { low = ..., high = ... }"

Per = Literal["stage", "network"]
Path = tuple[str | int, ...]


class FieldFaults:
    """Collects the faults of one field, to raise them together."""

    def __init__(self) -> None:
        self._found: list[InitErrorDetails] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, message: str) -> None:
        """Note a fault in words."""
        self._found.append(
            InitErrorDetails(type="value_error", loc=path, input=None, ctx={"error": ValueError(message)})
        )

    def extend(self, path: Path, error: ValidationError) -> None:
        """Note what Pydantic found in the value at `path`."""
        for details in error.errors():
            self._found.append(
                InitErrorDetails(
                    type=details["type"],
                    loc=(*path, *details["loc"]),
                    input=details["input"],
                    ctx=details.get("ctx", {}),
                )
            )

    def unknown_keys(self, table: Mapping[str, object], known: Sequence[str], path: Path = ()) -> None:
        """Note the keys of `table` that are not known."""
        for key in table:
            if key not in known:
                self.add((*path, key), f"unknown key {quoted(key)}; {nearest(key, known)}")

    def raise_any(self) -> None:
        """Raise what was noted.

        Raises:
            ValidationError: there was a fault; Pydantic puts the path of the field before each.
        """
        if self._found:
            raise ValidationError.from_exception_data("field", self._found)


class AxisOf:
    """Annotates a model's `Axis` field with the type that each of its values must have."""

    def __init__(self, value_type: Any) -> None:
        self._values: TypeAdapter[Any] = TypeAdapter(value_type, config=ConfigDict(strict=True, allow_inf_nan=False))
        self._nullable = type(None) in get_args(value_type)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return plain_schema(self.read)

    def read(self, raw: object) -> Axis[Any]:
        """The axis that a file writes as `raw`.

        Raises:
            ValidationError: it breaks a rule; every fault is listed.
        """
        if isinstance(raw, Axis):
            return raw
        faults = FieldFaults()
        axis = self.parse(raw, faults)
        faults.raise_any()
        return axis

    def parse(self, raw: object, faults: FieldFaults, path: Path = ()) -> Axis[Any]:
        """The axis that a file writes as `raw`; what is wrong goes to `faults` and the axis is then of no use."""
        if isinstance(raw, list):
            faults.add(path, "a list of values to choose from is written { choices = [...] }")
            return Fixed(None)
        if not isinstance(raw, Mapping):
            return Fixed(self._value(raw, faults, path))
        if "choices" in raw:
            faults.unknown_keys(raw, ("choices",), path)
            return self._choices(raw["choices"], faults, (*path, "choices"))
        if "low" in raw or "high" in raw:
            return self._range(raw, faults, path)
        faults.unknown_keys(raw, AXIS_KEYS, path)
        faults.add(path, f"must be {SHAPES}")
        return Fixed(None)

    def _value(self, raw: object, faults: FieldFaults, path: Path) -> Any:
        if self._nullable and raw == "none":
            return None
        try:
            value = self._values.validate_python(raw)
        except ValidationError as error:
            faults.extend(path, error)
            return None
        return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0.0 are one value

    def _choices(self, raw: object, faults: FieldFaults, path: Path) -> Axis[Any]:
        if not isinstance(raw, list) or not raw:
            faults.add(path, "must be a list of at least one value")
            return Fixed(None)
        noted = len(faults)
        values = tuple(self._value(item, faults, (*path, index)) for index, item in enumerate(raw))
        note_repeats(values, faults, path, ignore_none=len(faults) > noted)
        return Choices(values) if len(values) > 1 else Fixed(values[0])

    def _range(self, raw: Mapping[str, object], faults: FieldFaults, path: Path) -> Axis[Any]:
        noted = len(faults)
        faults.unknown_keys(raw, RANGE_KEYS, path)
        if len(faults) == noted:  # a misspelt key is not also a missing one
            for key in {"low", "high"} - set(raw):
                faults.add((*path, key), "is missing")
        low: Any = self._value(raw["low"], faults, (*path, "low")) if "low" in raw else None
        high: Any = self._value(raw["high"], faults, (*path, "high")) if "high" in raw else None
        log = raw.get("log", False)
        if not isinstance(log, bool):
            faults.add((*path, "log"), f"must be true or false, got {shown(log)}")
        if len(faults) > noted:
            return Fixed(None)
        if any(isinstance(bound, bool | str | None) for bound in (low, high)):
            faults.add(path, "a range needs two numbers; give a value or { choices = [...] }")
            return Fixed(None)
        if low > high:
            faults.add(path, f"low <= high must hold, but got low = {low} and high = {high}")
        if log and low <= 0:
            faults.add((*path, "low"), f"log = true needs low > 0, got {low}")
        if low == high:
            return Fixed(low)
        return IntRange(low, high, bool(log)) if isinstance(low, int) else FloatRange(low, high, bool(log))


def note_repeats(values: Sequence[object], faults: FieldFaults, path: Path, *, ignore_none: bool = False) -> None:
    """Note each of `values` that occurred before; `ignore_none` where None may stand for a faulty one."""
    seen: set[object] = set()
    for index, value in enumerate(values):
        if value in seen and not (ignore_none and value is None):
            faults.add((*path, index), f"{value!r} is listed twice")
        seen.add(value)


def note_per(per: object, known: Sequence[str], faults: FieldFaults) -> None:
    """Note a `per` that is not known."""
    if per not in known:
        faults.add(("per",), f"{shown(per)} is not valid; {nearest(per if isinstance(per, str) else '', known)}")


def field_type(model: type[BaseModel], name: str) -> Any:
    """What a field of `model` accepts, with its bounds."""
    field = model.model_fields[name]
    if not field.metadata:
        return field.annotation
    return Annotated[(field.annotation, *field.metadata)]


def fixed_default(model: type[BaseModel], name: str) -> Fixed[Any]:
    """The default of a field of `model`, as an axis."""
    return Fixed(model.model_fields[name].default)


def plain_schema(read: Any, write: Callable[[Any], object] = lambda axis: axis.plain()) -> CoreSchema:
    """A schema in which `read` turns what a file holds into an object, and `write` turns it back."""
    return core_schema.no_info_plain_validator_function(
        read, serialization=core_schema.plain_serializer_function_ser_schema(write)
    )


@dataclass(frozen=True)
class StageAxis:
    """One axis for every stage, or one a stage.

    Attributes:
        axes: one for all stages, or one for each.
        per: "stage" draws a value for each stage, "network" one for all.
    """

    axes: tuple[Axis[Any], ...]
    per: Per = "stage"

    def at(self, stage: int) -> Axis[Any]:
        """The axis of `stage`; the last one's for stages that the space does not have."""
        return self.axes[min(stage, len(self.axes) - 1)]

    def plain(self) -> object:
        """The axis as a search space file writes it."""
        written = [axis.plain() for axis in self.axes]
        if len(written) > 1:
            return written
        return {**written[0], "per": self.per} if isinstance(written[0], dict) else written[0]


class StageAxisOf(AxisOf):
    """Annotates a model's `StageAxis` field; a file may also write a list with one entry a stage."""

    def read(self, raw: object) -> Any:
        if isinstance(raw, StageAxis):
            return raw
        faults = FieldFaults()
        axis = self._list(raw, faults) if isinstance(raw, list) else self._one(raw, faults)
        faults.raise_any()
        return axis

    def _list(self, raw: list[object], faults: FieldFaults) -> StageAxis:
        if not raw:
            faults.add((), "must list one value a stage")
        return StageAxis(tuple(self.parse(item, faults, (stage,)) for stage, item in enumerate(raw)))

    def _one(self, raw: object, faults: FieldFaults) -> StageAxis:
        if not isinstance(raw, Mapping):
            return StageAxis((self.parse(raw, faults),))
        per = raw.get("per", "stage")
        note_per(per, get_args(Per), faults)
        axis = self.parse({key: value for key, value in raw.items() if key != "per"}, faults)
        return StageAxis((axis,)) if isinstance(axis, Fixed) else StageAxis((axis,), per)
