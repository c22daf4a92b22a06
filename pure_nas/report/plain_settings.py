"""The settings of a network and its training that have no place of their own in a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import Setting, get_unit

_ELSEWHERE = frozenset(
    {
        "schema_version",
        "family",
        "units",
        "base_width",
        "in_chans",
        "num_classes",
        "image_size",
        "optimizer",
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
    }
)
"""Shown on their own, or the same for every network of a run."""


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
    return {
        name: value
        for name, value, default in _fields(candidate)
        if name not in _ELSEWHERE and (name in searched or value != default)
    }


def _fields(candidate: Candidate) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and default of every field that is read."""
    architecture = candidate.architecture.canonical()
    read = frozenset[Setting]().union(*(get_unit(name).reads for name in architecture.unit_set))
    for name, field in Architecture.model_fields.items():
        if name == "threshold_init" and name in read:
            starts = _thresholds(architecture)
            yield name, starts, tuple(None if theta is None else 0.0 for theta in starts)
        elif name in read or name not in get_args(Setting):
            yield name, getattr(architecture, name), field.default
    for name, field in Recipe.model_fields.items():
        yield name, getattr(candidate.recipe, name), field.default


def _thresholds(architecture: Architecture) -> tuple[float | None, ...]:
    return tuple(
        theta if any("threshold_init" in get_unit(name).reads for name in stage) else None
        for theta, stage in zip(architecture.threshold_init, architecture.units, strict=True)
    )


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
