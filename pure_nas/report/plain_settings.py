"""The settings of a network and its training that have no place of their own in a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pure_nas.space.candidate import Candidate
from pure_nas.space.field import default_of, descriptions
from pure_nas.space.unit import Setting, settings_read


def searched_fields(settings: Mapping[str, Any]) -> frozenset[str]:
    """Fields of architectures and recipes of which the space of a run holds more than one value.

    Args:
        settings: as in run.toml.
    """
    space = settings.get("search_space") or {}
    axes = {**(space.get("architecture") or {}), **(space.get("recipe") or {})}
    return frozenset(
        name
        for name, axis in axes.items()
        if any(isinstance(part, Mapping) for part in (axis if isinstance(axis, list) else [axis]))
    )


def plain_settings(candidate: Candidate, searched: frozenset[str]) -> dict[str, Any]:
    """What the network reads and its training does, by field: what was searched or is not the default.

    `threshold_init` has one value a stage, None where no unit of the stage reads it.
    """
    return {name: value for name, value, default in _fields(candidate) if name in searched or value != default}


def _fields(candidate: Candidate) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and default of every field that is read and has no place of its own."""
    architecture = candidate.architecture.canonical()
    read = settings_read(architecture.unit_set)
    for model in (architecture, candidate.recipe):
        for name, described in descriptions(type(model)).items():
            if described.in_place or (name in get_args(Setting) and name not in read):
                continue
            value, default = getattr(model, name), default_of(type(model), name)
            if described.per == "stage":
                value = architecture.thresholds_read
                default = tuple(None if theta is None else default for theta in value)
            yield name, value, default


def setting_label(name: str) -> str:
    """A field's name for people."""
    return name.replace("_", " ").replace("relu", "ReLU")


def setting_text(value: Any) -> str:
    """A setting in a few characters; stages are set apart by "|"."""
    match value:
        case tuple():
            return " | ".join("–" if each is None else setting_text(each) for each in value)
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
    return str(value)
