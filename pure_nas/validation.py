"""Every fault of a validated file in one readable message."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pure_nas.errors import nearest

_QUOTED = re.compile(r"'([^']*)'")


def faults(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """List every fault of `source`, one line each: the key path, what is wrong, the nearest valid name.

    Args:
        error: what validating `model` raised.
        model: the model that describes the whole file.
        source: the file, or a description of where the data came from.
    """
    found = [details for details in error.errors() if details["type"] != "default_factory_not_called"]
    lines = list(dict.fromkeys(_line(details, model) for details in found))
    count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
    return "\n".join([f"{source} has {count}:", *(f"  {line}" for line in lines)])


def _line(details: Any, model: type[BaseModel]) -> str:
    if details["type"] == "extra_forbidden":
        *parents, key = details["loc"]
        tables = tuple(part for part in parents if not _is_union_tag(part))
        return f"{_path((*tables, key))}: unknown key {_key(key)}; {nearest(str(key), _keys_at(model, tables))}"
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
        case "json_invalid":
            return f"not valid JSON: {details['ctx']['error']}"
        case _:
            message = details["msg"][0].lower() + details["msg"][1:]
            return f"{path}: {message}, got {shown(details['input'])}"


def _path(keys: tuple[object, ...]) -> str:
    """The keys as TOML writes them, so that odd ones cannot break the message's lines."""
    bare = re.compile(r"[A-Za-z0-9_-]{1,60}")
    return ".".join(str(key) if bare.fullmatch(str(key)) else _key(key) for key in keys) or "(top level)"


def _key(key: object) -> str:
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
    tables: list[type[BaseModel]] = [model]
    for part in (part for part in path if not isinstance(part, int)):
        tables = [
            inner
            for table in tables
            for name, field in table.model_fields.items()
            if part in (field.alias, name)
            for inner in _models_in(field.annotation)
        ]
    return [field.alias or name for table in tables for name, field in table.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
