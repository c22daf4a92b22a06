"""Frozen models of files, and every fault of one in one readable message."""

from __future__ import annotations

import json
import re
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from pure_nas.errors import ConfigError, nearest, reason
from pure_nas.paths import expanded

M = TypeVar("M", bound=BaseModel)

_QUOTED = re.compile(r"'([^']*)'")


class FrozenModel(BaseModel):
    """Values that are checked once, strictly, and never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, allow_inf_nan=False)


class Document(FrozenModel):
    """A model that is a JSON file of its own; it has a schema version."""

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "") -> Self:
        """Read JSON as `to_json` writes it.

        Raises:
            ConfigError: the JSON is damaged or breaks a rule; every fault is listed with `source`.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ConfigError(faults(error, cls, source or cls.__name__.lower())) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON file.

        Raises:
            ConfigError: the file cannot be read or breaks a rule.
        """
        return cls.from_json(read_text(path, cls.__name__.lower()), source=str(path))

    def to_json(self) -> str:
        """JSON with a schema version, indented, ending in a newline."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def read_text(path: Path, kind: str) -> str:
    """The text of a file as editors and shells save it: UTF-8 with or without a mark, or UTF-16 with one (PowerShell).

    Args:
        kind: what messages call it.

    Raises:
        ConfigError: it cannot be read or is something else.
    """
    file = expanded(path)  # not below, as what it raises is a ValueError too
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


def from_toml(model: type[M], text: str, *, source: str, hint: str, context: object = None) -> M:
    """Read the text of a TOML file as `model`.

    Args:
        hint: the way out where a rule is broken.
        context: what the model's validators are told.

    Raises:
        ConfigError: it is no TOML or breaks a rule; every fault is listed with `source`.
    """
    try:
        content = tomllib.loads(text.replace("\r\n", "\n"))
    except RecursionError as error:
        raise ConfigError(f"{source} is nested too deeply.") from error
    except ValueError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}.") from error
    try:
        return model.model_validate(content, context=context)
    except ValidationError as error:
        raise ConfigError(faults(error, model, source), hint=hint) from error


def faults(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """List every fault of `source`, one line each: the key path, what is wrong, the nearest valid name.

    Args:
        error: what validating `model` raised.
        model: the model that describes the whole file.
        source: the file, or a description of where the data came from.
    """
    lines = fault_lines(error, model)
    count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
    return "\n".join([f"{source} has {count}:", *(f"  {line}" for line in lines)])


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every fault that validating `model` found: the key path, what is wrong, the nearest valid name."""
    found = [details for details in error.errors() if details["type"] != "default_factory_not_called"]
    return list(dict.fromkeys(_line(details, model) for details in found))


def _line(details: Any, model: type[BaseModel]) -> str:
    if details["type"] == "extra_forbidden":
        *parents, key = details["loc"]
        tables = tuple(part for part in parents if not _is_union_tag(part))
        known = _keys_at(model, tables)
        advice = f"; {nearest(str(key), known)}" if known else ""
        return f"{_path((*tables, key))}: unknown key {quoted(key)}{advice}"
    path = _path(tuple(part for part in details["loc"] if not _is_union_tag(part)))
    match details["type"]:
        case "missing":
            return f"{path}: is missing"
        case "literal_error":
            known = _QUOTED.findall(details["ctx"]["expected"])
            if known:
                written = details["input"] if isinstance(details["input"], str) else ""
                return f"{path}: {shown(details['input'])} is not valid; {nearest(written, known)}"
            return f"{path}: must be {details['ctx']['expected']}, got {shown(details['input'])}"
        case "value_error":
            return f"{path}: {details['ctx']['error']}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{path}: must be a table of names and values, got {shown(details['input'])}"
        case "too_short" | "too_long":
            words, limits = ("at least", "min_length") if details["type"] == "too_short" else ("at most", "max_length")
            bound = details["ctx"][limits]
            entries = "1 entry" if bound == 1 else f"{bound} entries"
            return f"{path}: must have {words} {entries}, got {shown(details['input'])}"
        case "json_invalid":
            return f"not valid JSON: {details['ctx']['error']}"
        case _:
            message = details["msg"][0].lower() + details["msg"][1:]
            return f"{path}: {message}, got {shown(details['input'])}"


def _path(keys: tuple[object, ...]) -> str:
    """The keys as TOML writes them, so that odd ones cannot break the message's lines."""
    bare = re.compile(r"[A-Za-z0-9_-]{1,60}")
    return ".".join(str(key) if bare.fullmatch(str(key)) else quoted(key) for key in keys) or "(top level)"


def quoted(key: object) -> str:
    """A key for messages, cut short."""
    text = str(key)
    short = text if len(text) <= 60 else text[:57] + "..."
    return f'"{short}"' if short.isprintable() else json.dumps(short)


def _is_union_tag(part: object) -> bool:
    """Pydantic puts the tried member of a union into the path; such parts are no keys of the file."""
    return isinstance(part, str) and bool(re.search(r"[\[(:]", part))


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
    tables = [table for annotation in annotations for table in _models_in(annotation)]
    return [field.alias or name for table in tables for name, field in table.model_fields.items()]


def _below(annotation: Any, key: object) -> list[Any]:
    """What `key` of a table of this type holds; every key of a dictionary of tables holds the same."""
    if get_origin(annotation) is dict:
        return [get_args(annotation)[1]]
    return [
        field.annotation
        for table in _models_in(annotation)
        for name, field in table.model_fields.items()
        if key in (field.alias, name)
    ]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
