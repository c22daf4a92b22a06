"""A network's recipe and settings in a few words, and which of its settings a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pure_nas.space.candidate import Candidate
from pure_nas.space.field import default_of, descriptions
from pure_nas.space.recipe import WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, Setting, settings_read


def searched_fields(settings: Mapping[str, Any]) -> frozenset[str]:
    """Fields of architectures and recipes of which a run's space, as in run.toml, holds more than one value."""
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
    architecture = candidate.architecture.canonical()
    read = settings_read(architecture.unit_set)
    found = {}
    for model in (architecture, candidate.recipe):
        for name, described in descriptions(type(model)).items():
            if described.in_place or (name in get_args(Setting) and name not in read):
                continue
            value, default = getattr(model, name), default_of(type(model), name)
            if described.per == "stage":
                value = architecture.thresholds_read
                default = tuple(None if theta is None else default for theta in value)
            if name in searched or value != default:
                found[name] = value
    return found


def _text(value: Any) -> str:
    """A setting in a few characters; stages are set apart by "|"."""
    match value:
        case tuple():
            return " | ".join("–" if each is None else _text(each) for each in value)
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
    return str(value)


def recipe_text(candidate: Candidate, settings: Mapping[str, Any]) -> str:
    """Learning rates and weight decays of the parameter kinds that the network holds, equal ones once; settings."""
    kinds = [kind for kind in PARAMETER_KINDS if kind in candidate.architecture.parameter_kinds]
    rates = {kind: f"{candidate.recipe.learning_rate[kind]:.3g}" for kind in kinds}
    decays = {kind: _decay(candidate.recipe.weight_decay[kind]) for kind in kinds}
    labels = {name: name.replace("_", " ").replace("relu", "ReLU") for name in settings}
    rest = ", ".join(f"{labels[name]} {_text(value)}" for name, value in settings.items())
    parts = (f"learning rate {_by_kind(rates)}", f"weight decay {_by_kind(decays)}", rest)
    return "; ".join(filter(None, parts))


def _decay(decay: WeightDecay) -> str:
    if decay.schedule == "constant" or decay.end in (None, decay.start):
        return f"{decay.start:.3g}"
    return f"{decay.start:.3g}→{decay.end:.3g} ({decay.schedule})"


def _by_kind(texts: dict[ParameterKind, str]) -> str:
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{kind.replace('_', ' ')} {text}" for kind, text in texts.items())
