"""Frozen models of files, and every fault of one in one readable message."""

from __future__ import annotations

import json
import re
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ClassVar, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from pure_nas.errors import ConfigError, nearest, reason
from pure_nas.paths import expanded

_QUOTED = re.compile(r"'([^']*)'")
_UNION_TAG = re.compile(r"[\[(:]")


class FrozenModel(BaseModel):
    """Values that are checked once, strictly, and never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, allow_inf_nan=False)


class TomlFile(FrozenModel):
    """A model that is a TOML file which people write; messages call it `kind`, `hint` says how it is written."""

    kind: ClassVar[str]
    hint: ClassVar[str]

    @classmethod
    def from_toml(cls, text: str, *, source: str = "", context: object = None) -> Self:
        """Read the text of a file; a `ConfigError` lists every fault, with `source`.

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
    def load(cls, path: Path, *, context: object = None) -> Self:
        """Read a file; one that cannot be read, is no TOML or breaks a rule is a `ConfigError`."""
        return cls.from_toml(read_text(path, cls.kind), source=str(path), context=context)


def read_text(path: Traversable, kind: str) -> str:
    """The text of a file as editors save it, UTF-8 or UTF-16 with a mark (PowerShell); others are a `ConfigError`."""
    file = expanded(path) if isinstance(path, Path) else path  # not below, as what it raises is a ValueError too
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
    """Turn the faults that validating `source`, described by `model`, finds meanwhile into one `ConfigError`."""
    try:
        yield
    except ValidationError as error:
        lines = fault_lines(error, model)
        count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
        raise ConfigError("\n  ".join([f"{source} has {count}:", *lines]), hint=hint) from error


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every fault that validating `model` found: the key path, what is wrong, the nearest valid name."""
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
