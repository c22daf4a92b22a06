"""Frozen models of files, arguments of calls, and all errors of one in one readable message."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from importlib.resources.abc import Traversable
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, ClassVar, ParamSpec, Self, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator, create_model
from pydantic.fields import FieldInfo

from pure_nas.errors import ConfigError, UsageError, nearest, reason
from pure_nas.paths import expanded

_QUOTED = re.compile(r"'([^']*)'")
_MOST_LISTED = 100  # errors of one file
_UNION_TAG = re.compile(r"[\[(:]")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class FrozenModel(BaseModel):
    """Values that are checked once, strictly, and never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        with faults_explained(type(self), f"{type(self).__name__}()"):
            super().__init__(**values)

    # Without it pydantic would make the models within a model by this constructor, and lose where a fault is.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates what people call: arguments that are not what its annotations say are one `ConfigError`.

    NumPy's numbers become Python's. What only type checkers know is not checked.
    """
    signature, name = inspect.signature(function), function.__qualname__.removesuffix(".__init__")

    @cache  # when it is first called: an annotation may name what the module defines further down
    def model() -> type[BaseModel]:
        config = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)
        fields: dict[str, Any] = {
            each.name: (_type(each.annotation, function.__globals__), None) for each in signature.parameters.values()
        }
        return create_model(name, __config__=config, **fields)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise UsageError(f"{name}() {error}.") from error
        given.arguments = _plain(given.arguments)
        with faults_explained(model(), f"{name}()"):
            model().model_validate(given.arguments)
        return function(*given.args, **given.kwargs)

    return call


def checked_fields(kind: type[T]) -> type[T]:
    """Decorates a dataclass that people make: see `checked`."""
    kind.__init__ = checked(kind.__init__)  # type: ignore[method-assign]
    return kind


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _type(annotation: Any, names: dict[str, Any]) -> Any:
    try:
        found = SimpleNamespace(__annotations__={"it": Any if annotation is inspect.Parameter.empty else annotation})
        kind = get_type_hints(found, names, include_extras=True)["it"]
    except (NameError, TypeError):
        return Any
    kinds = [getattr(each, "__name__", str(each)) for each in get_args(kind) if each is not type(None)]

    def one_of(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise ValueError(f"must be {' or '.join(kinds)}, got {shown(value)}") from error

    return Annotated[kind, WrapValidator(one_of)] if isinstance(kind, UnionType) and len(kinds) > 1 else kind


class TomlFile(FrozenModel):
    """A model that is a TOML file which people write; messages call it `kind`, `hint` says how it is written."""

    kind: ClassVar[str]
    hint: ClassVar[str]

    @classmethod
    def from_toml(cls, text: str, *, source: str = "", context: object = None) -> Self:
        """Read the text of a file; a `ConfigError` lists every error, with `source`.

        Args:
            context: what validators are told.
        """
        source = source or cls.kind
        try:
            content = tomllib.loads(text.replace("\r\n", "\n"))
        except RecursionError as error:
            raise ConfigError(f"{source} is nested too deeply.") from error
        except ValueError as error:
            raise ConfigError(f"{source} is not valid TOML: {error}.") from error
        with faults_explained(cls, source, hint=cls.hint):
            return cls.model_validate(content, context=context)

    @classmethod
    def load(cls, path: Path | str, *, context: object = None) -> Self:
        """Read a file; one that cannot be read, is no TOML or breaks a rule is a `ConfigError`."""
        return cls.from_toml(read_text(path, cls.kind), source=str(path), context=context)


def read_text(path: Traversable | str, kind: str) -> str:
    """The text of a file as editors save it, UTF-8 or UTF-16 with a mark (PowerShell); others are a `ConfigError`."""
    file = expanded(path) if isinstance(path, str | Path) else path  # not below, as what it raises is a ValueError too
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"The {kind} {path} cannot be read: {reason(error)}.") from error
    except ValueError as error:
        raise ConfigError(f"The {kind} {str(path)!r} cannot be read: {error}.") from error
    try:
        text = content.decode("utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"The {kind} {path} is not UTF-8 text (line {line}).", hint="Save it as UTF-8.") from error
    if "\0" in text:
        raise ConfigError(f"The {kind} {path} is not UTF-8 text: it has null characters.", hint="Save it as UTF-8.")
    return text


@contextmanager
def faults_explained(model: type[BaseModel], source: str, *, hint: str = "") -> Iterator[None]:
    """Turn the errors that validating `source`, described by `model`, finds meanwhile into one `ConfigError`."""
    try:
        yield
    except ValidationError as error:
        lines = fault_lines(error, model)
        count = "1 error" if len(lines) == 1 else f"{len(lines):,} errors"
        more = [f"and {len(lines) - _MOST_LISTED:,} more"] if len(lines) > _MOST_LISTED else []
        listed = [f"{source} has {count}:", *lines[:_MOST_LISTED], *more]
        raise ConfigError("\n  ".join(listed), hint=hint) from error


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every error that validating `model` found: the key path, what is wrong, the nearest valid name."""
    found = [details for details in error.errors() if details["type"] != "default_factory_not_called"]
    return list(dict.fromkeys(_line(details, model) for details in found))


def _line(details: Any, model: type[BaseModel]) -> str:
    kind, place, context = details["type"], details["loc"], details.get("ctx", {})
    # Pydantic puts the tried member of a union into the path. The last part of an unknown key's place is that key,
    # whatever it looks like.
    whole = place[-1:] if kind == "extra_forbidden" else ()
    keys = (*(part for part in place[: len(place) - len(whole)] if not _UNION_TAG.search(str(part))), *whole)
    path, got = _path(keys), shown(details["input"])
    match kind:
        case "extra_forbidden":
            known = _keys_at(model, keys[:-1])
            return f"{path}: unknown key {quoted(keys[-1])}{f'; {nearest(str(keys[-1]), known)}' if known else ''}"
        case "missing":
            return f"{path}: is missing"
        case "literal_error":
            if known := _QUOTED.findall(context["expected"]):
                written = details["input"] if isinstance(details["input"], str) else ""
                return f"{path}: {got} is not valid; {nearest(written, known)}"
            return f"{path}: must be {context['expected']}, got {got}"
        case "value_error":
            return f"{path}: {context['error']}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{path}: must be a table of names and values, got {got}"
        case "too_short" | "too_long":
            words, limits = ("at least", "min_length") if kind == "too_short" else ("at most", "max_length")
            entries = "1 entry" if context[limits] == 1 else f"{context[limits]} entries"
            return f"{path}: must have {words} {entries}, got {got}"
        case "json_invalid":
            return f"not valid JSON: {context['error']}"
        case _:
            return f"{path}: {details['msg'][0].lower()}{details['msg'][1:]}, got {got}"


def _path(keys: tuple[object, ...]) -> str:
    """The keys as TOML writes them, so that odd ones cannot break the message's lines."""
    bare = re.compile(r"[A-Za-z0-9_-]{1,60}")
    return ".".join(str(key) if bare.fullmatch(str(key)) else quoted(key) for key in keys) or "(top level)"


def quoted(key: object) -> str:
    """A key for messages, cut short."""
    text = str(key)
    short = text if len(text) <= 60 else text[:57] + "..."
    return f'"{short}"' if short.isprintable() else json.dumps(short)


def shown(value: object) -> str:
    """A value for messages, cut short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"{type(value).__name__} too large to show"
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Valid keys of the table at `path`, empty where the path leaves the models."""
    annotations: list[Any] = [model]
    for part in (part for part in path if not isinstance(part, int)):
        annotations = [inner for annotation in annotations for inner in _below(annotation, part)]
    return [field.alias or name for each in annotations for name, field in _fields(each)]


def _below(annotation: Any, key: object) -> list[Any]:
    """What `key` of a table of this type holds; every key of a dictionary of tables holds the same."""
    if get_origin(annotation) is dict:
        return [get_args(annotation)[1]]
    return [field.annotation for name, field in _fields(annotation) if key in (field.alias, name)]


def _fields(annotation: Any) -> list[tuple[str, FieldInfo]]:
    """The fields of every table that a value of this type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields.items())
    return [field for argument in get_args(annotation) for field in _fields(argument)]
