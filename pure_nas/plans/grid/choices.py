"""From one combination of settings to the network or the recipe that it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pure_nas.space.architecture import Architecture
from pure_nas.space.placement import expand
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, Setting, get_unit


def architecture_of(settings: Mapping[str, Any], **fields: Any) -> Architecture:
    """The network of a combination; `fields` are those of `Architecture` that a scale or the images decide.

    Raises:
        ValueError: the settings do not fit together.
    """
    named = Architecture.named(settings["base"])
    changes = {**{name: value for name, value in settings.items() if name not in ("base", "units")}, **fields}
    stages = len(named.units)
    if isinstance(changes.get("threshold_init"), float):
        changes["threshold_init"] = (changes["threshold_init"],) * stages
    if "units" in settings:
        if (parts := settings["units"].count("|") + 1) > stages:
            raise ValueError(f"units speaks of {parts} stages, but {settings['base']} has {stages}")
        changes["units"] = expand(settings["units"], named.blocks_per_stage)
    return Architecture.model_validate({**named.model_dump(), **changes})


def check_network(settings: Mapping[str, Any]) -> None:
    """Check that a combination is a network, and that something in it reads every setting.

    Raises:
        ValueError: the settings do not fit together, or one would be ignored.
    """
    units = [get_unit(name) for name in sorted(architecture_of(settings).unit_set)]
    ignored = [name for name in settings if name in get_args(Setting) and not any(name in unit.reads for unit in units)]
    if ignored:
        raise ValueError(
            f"{', '.join(ignored)} would be ignored: no unit of the network reads it "
            f"({', '.join(unit.name for unit in units)})"
        )


def recipe_of(
    settings: Mapping[str, Any], architecture: Architecture, epochs: int = 160, batch_size: int = 128
) -> Recipe:
    """The recipe of a combination for a network: the usual one of its units, or of the unit it is like, changed.

    Raises:
        ValidationError: the settings do not fit together.
    """
    like = settings.get("like")
    units = [get_unit(like)] if like else [get_unit(name) for name in sorted(architecture.unit_set)]
    usual = Recipe.shared(units)
    changes = {name: value for name, value in settings.items() if name != "like"}
    if "learning_rate" in changes:
        changes["learning_rate"] = _for_kinds(changes["learning_rate"], usual.learning_rate.model_dump())
    if "weight_decay" in changes:
        usual_decay: dict[str, Any] = {kind: usual.weight_decay[kind] for kind in PARAMETER_KINDS}
        given = _for_kinds(changes["weight_decay"], usual_decay)
        changes["weight_decay"] = {
            kind: each if isinstance(each, WeightDecay) else WeightDecay(start=each) for kind, each in given.items()
        }
    return Recipe.model_validate({**usual.model_dump(), **changes, "epochs": epochs, "batch_size": batch_size})


def _for_kinds(given: Any, usual: Mapping[str, Any]) -> dict[str, Any]:
    """One value for each parameter kind: those given, the usual ones for the rest."""
    return {**usual, **given} if isinstance(given, dict) else dict.fromkeys(PARAMETER_KINDS, given)
