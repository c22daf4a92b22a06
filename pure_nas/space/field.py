"""What a field of an architecture or recipe is, written once, and how files that set such fields are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from pure_nas.errors import nearest
from pure_nas.validation import FrozenModel, faults_explained, quoted, read_text

KeyPath = tuple[str | int, ...]
Per = Literal["network", "stage", "block", "kind"]
T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Described:
    """Says in the annotation of a field of an architecture or recipe what is unusual about it."""

    text: str = ""  # what it is, if that does not stand below the field
    _: KW_ONLY
    per: Per = "network"  # what has a value of its own: the network (or its training), a stage, a block, a kind
    elsewhere: str = ""  # what decides it, as an experiment file that sets it is told; empty where such files may
    fixed: bool = False  # whether no search space may have an axis for it, though experiment files may list it
    of_units: bool = False  # whether only the units that name it among what they read take it
    of_blocks: bool = False  # whether the class of a residual block takes it, under its name and with its default
    in_place: bool = False  # whether tables show it in a place of its own, not among the settings
    costs: bool = True  # whether parameters or flops depend on it
    free: tuple[object, ...] = ()  # the value that costs nothing, where all others cost the same

    @property
    def searched(self) -> bool:
        return not self.elsewhere and not self.fixed


class DescribedDocument(FrozenModel):
    """A model of described fields, which its docstring lists; it is a JSON file of its own, with a schema version."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        lines = [f"    {name}: {each.text}." for name, each in descriptions(cls).items()]
        before, example, after = cleandoc(cls.__doc__ or "").partition("\n\nExample:")
        cls.__doc__ = "\n".join([before, "", "Attributes:", *lines]) + example + after

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "") -> Self:
        """Read JSON as `to_json` writes it; a `ConfigError` lists every error, with `source`."""
        with faults_explained(cls, source or cls.__name__.lower()):
            return cls.model_validate_json(text)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a JSON file; one that cannot be read or breaks a rule is a `ConfigError`."""
        return cls.from_json(read_text(path, cls.__name__.lower()), source=str(path))

    def to_json(self) -> str:
        """JSON with a schema version, indented, ending in a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def descriptions(model: type[BaseModel]) -> dict[str, Described]:
    """What each field of `model` is, in its order, without the schema version; all must be described."""
    found = {name: _described(field) for name, field in model.model_fields.items() if field.alias != "schema"}
    for name, described in found.items():
        # Where no source is installed, nothing has a text.
        if not described.text and any(each.text for each in found.values()):
            raise TypeError(
                f"{model.__name__}.{name} is not described: nothing could search, list or show it. "
                f'Write """what it is""" below it, or {name}: Annotated[..., Described("what it is")].'
            )
    return found


def _described(field: FieldInfo) -> Described:
    said = next((each for each in field.metadata if isinstance(each, Described)), Described())
    return replace(said, text=said.text or " ".join((field.description or "").split()))


def later(default: object) -> FieldInfo:
    """Annotates a field that came later: files and digests leave it out at its default, as older ones do."""
    field: FieldInfo = Field(exclude_if=lambda value: bool(value == default))
    return field


def field_type(model: type[BaseModel], name: str) -> Any:
    """What a field of `model` accepts, with its bounds: one stage's value where each has one."""
    field = model.model_fields[name]
    bounds = [each for each in field.metadata if not isinstance(each, Described)]
    annotation: Any = Annotated[(field.annotation, *bounds)] if bounds else field.annotation
    return get_args(annotation)[0] if _described(field).per == "stage" else annotation


def default_of(model: type[BaseModel], name: str) -> Any:
    """The default of a field of `model`, as the one value of every stage where each has one."""
    field = model.model_fields[name]
    if field.default_factory is None:
        return field.default
    return field.get_default(call_default_factory=True, validated_data={"units": ((),)})[0]


@dataclass
class FieldFaults:
    """Collects the faults of one field, to raise them together."""

    noted: list[InitErrorDetails] = field(default_factory=list)

    def add(self, path: KeyPath, message: str) -> None:
        context = {"error": ValueError(message)}
        self.noted.append(InitErrorDetails(type="value_error", loc=path, input=None, ctx=context))

    def extend(self, path: KeyPath, error: ValidationError) -> None:
        """Note what Pydantic found in the value at `path`."""
        for each in error.errors():
            place, context = (*path, *each["loc"]), each.get("ctx", {})
            self.noted.append(InitErrorDetails(type=each["type"], loc=place, input=each["input"], ctx=context))

    def raise_with(self, handler: Callable[[Any], T], raw: object) -> T:
        """What `handler` makes of `raw`, unless something was noted or it finds something: all of that is raised."""
        try:
            value = handler(raw)
        except ValidationError as error:
            self.extend((), error)
        self.raise_any()
        return value

    def unknown_keys(self, table: Mapping[str, object], known: Sequence[str], path: KeyPath = ()) -> None:
        for key in (key for key in table if key not in known):
            self.add((*path, key), f"unknown key {quoted(key)}; {nearest(key, known)}")

    def raise_any(self) -> None:
        """Raise what was noted as a ValidationError, in which Pydantic puts the path of the field before each."""
        if self.noted:
            raise ValidationError.from_exception_data("field", self.noted)


class ValueReader:
    """Reads values of a field from a file, None as "none"; with `per_stage` one may be a list of a value a stage."""

    def __init__(self, value_type: Any, *, per_stage: bool = False) -> None:
        self.per_stage = per_stage
        has_config = isinstance(value_type, type) and issubclass(value_type, BaseModel)
        config = None if has_config else ConfigDict(strict=True, allow_inf_nan=False)
        self._values: TypeAdapter[Any] = TypeAdapter(value_type, config=config)
        self._nullable = type(None) in get_args(value_type)

    def value(self, raw: object, faults: FieldFaults, path: KeyPath) -> Any:
        if self.per_stage and isinstance(raw, list):
            return tuple(self._one(item, faults, (*path, index)) for index, item in enumerate(raw))
        return self._one(raw, faults, path)

    def _one(self, raw: object, faults: FieldFaults, path: KeyPath) -> Any:
        if self._nullable and raw == "none":
            return None
        try:
            value = self._values.validate_python(raw)
        except ValidationError as error:
            faults.extend(path, error)
            return None
        return value + 0.0 if isinstance(value, float) else value  # -0.0 and 0.0 are one value

    def listed(
        self, raw: Mapping[str, object], key: str, faults: FieldFaults, path: KeyPath = (), *, more: Sequence[str] = ()
    ) -> tuple[Any, ...]:
        """The distinct values that `raw` lists under `key`, None for faulty ones; it may have `more` keys."""
        faults.unknown_keys(raw, (key, *more), path)
        items, path = raw[key], (*path, key)
        if not isinstance(items, list) or not items:
            faults.add(path, f"must be a list of at least one {'pattern' if key == 'patterns' else 'value'}")
            return ()
        noted = len(faults.noted)
        values = tuple(self.value(item, faults, (*path, index)) for index, item in enumerate(items))
        note_repeats(values, faults, path, ignore_none=len(faults.noted) > noted)
        return values


def note_repeats(values: Sequence[object], faults: FieldFaults, path: KeyPath, *, ignore_none: bool = False) -> None:
    """Note each of `values` that occurred before; `ignore_none` where None may stand for a faulty one."""
    seen: set[object] = set()
    for index, value in enumerate(values):
        key = frozenset(value.items()) if isinstance(value, dict) else value
        if key in seen and not (ignore_none and value is None):
            faults.add((*path, index), f"{value!r} is listed twice")
        seen.add(key)


def with_fields_of(
    model: type[BaseModel],
    field_of: Callable[[type[BaseModel], str], tuple[Any, Any]],
    *,
    where: Callable[[Described], bool],
    **given: tuple[Any, Any],
) -> Callable[[type[ModelT]], type[ModelT]]:
    """Decorates a table, which gets a field for each of `model` that it lacks, in their order; some are `given`."""

    def widened(table: type[ModelT]) -> type[ModelT]:
        fields: dict[str, Any] = {
            name: given.get(name) or field_of(model, name)
            for name, each in descriptions(model).items()
            if where(each) and name not in table.model_fields
        }
        return create_model(
            table.__name__, __base__=table, __module__=table.__module__, __doc__=table.__doc__, **fields
        )

    return widened


class ReadBy:
    """Annotates a field of a model: `read` turns what a file holds into an object, whose `plain()` turns it back."""

    def __init__(self, read: Callable[[Any, FieldFaults], Any]) -> None:
        self.read = read

    def _read_or_raise(self, raw: object) -> Any:
        faults = FieldFaults()
        value = self.read(raw, faults)
        faults.raise_any()
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read_or_raise,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.plain()),
        )
