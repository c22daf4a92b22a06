"""What an experiment file says to no effect, and what its scales leave out, checked also where something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from pure_nas.plans.grid.fields import TableOf
from pure_nas.plans.grid.members import Member, chosen, members_of
from pure_nas.plans.grid.names import USUAL
from pure_nas.plans.grid.scale import Scale
from pure_nas.space.field import FieldFaults

T = TypeVar("T")


def check_effects(data: Mapping[str, Any], found: FieldFaults, networks_of: TableOf, recipes_of: TableOf) -> None:
    """Note scales that train nothing, warm-ups that would not end, and what is set but never used.

    Args:
        data: the content of a file, however faulty; nothing is concluded from what cannot be read of it.
        networks_of: reads a table of networks; likewise `recipes_of`.
    """
    scales, all_scales = _read(data.get("scales"), Scale.model_validate)
    networks, all_networks = _read(data.get("networks"), networks_of.read)
    recipes, all_recipes = _read(data.get("recipes", {USUAL: {}}), recipes_of.read)
    for name, scale in scales.items():
        if all_networks and all_recipes:
            _check_trainings(name, scale, list(members_of(networks)), list(members_of(recipes)), found)
        warm = [each for each in chosen(members_of(recipes), scale.recipes) if each.settings.get("warmup_epochs")]
        if scale.warmup_epochs is not None and not warm and all_recipes:
            found.add(("scales", name, "warmup_epochs"), "would have no effect: no recipe of this scale warms up")
        _check_warmups(name, scale, warm, found)
    _check_evaluations(data, scales, all_scales, found)


def _read(tables: object, read: Callable[[Any], T]) -> tuple[dict[str, T], bool]:
    """The tables that can be read, and whether those are all."""
    if not isinstance(tables, Mapping):
        return {}, False
    readable: dict[str, T] = {}
    for name, table in tables.items():
        try:
            readable[name] = read(table)
        except ValidationError:
            continue
    return readable, len(readable) == len(tables)


def _check_trainings(
    name: str, scale: Scale, all_networks: list[Member], all_recipes: list[Member], found: FieldFaults
) -> None:
    networks, recipes = chosen(all_networks, scale.networks), chosen(all_recipes, scale.recipes)
    wanted = dict.fromkeys(recipe for network in networks for recipe in network.recipes or ())
    known = {known for recipe in all_recipes for known in (recipe.label, recipe.table)}
    if not networks or not recipes or wanted.keys() - known:
        return  # It follows from a name that refers to nothing.
    if not any(network.trained_by(recipe) for network in networks for recipe in recipes):
        found.add(
            ("scales", name),
            f"trains nothing: its recipes are {', '.join(recipe.label for recipe in recipes)}, its networks are "
            f"trained by {', '.join(wanted) or 'none'}",
        )


def _check_warmups(name: str, scale: Scale, warm: list[Member], found: FieldFaults) -> None:
    """A warm-up that does not end compares networks at rates that none of them is meant for."""
    epochs = "1 epoch" if scale.epochs == 1 else f"{scale.epochs} epochs"
    if scale.warmup_epochs is not None:
        if warm and scale.warmup_epochs >= scale.epochs:
            message = f"a warm-up of {scale.warmup_epochs:g} would not end in {epochs} of training"
            found.add(("scales", name, "warmup_epochs"), message)
        return
    for recipe in warm:
        if (own := recipe.settings["warmup_epochs"]) >= scale.epochs:
            found.add(
                ("scales", name, "epochs"),
                f'the warm-up of {own:g} of recipe "{recipe.label}" would not end in {epochs} of training; '
                "a warmup_epochs of the scale replaces it",
            )


def _check_evaluations(
    data: Mapping[str, Any], scales: Mapping[str, Scale], all_scales: bool, found: FieldFaults
) -> None:
    shared = data.get("evaluations", [])
    if not isinstance(shared, list):
        return
    wanted = {name: shared if scale.evaluations is None else scale.evaluations for name, scale in scales.items()}
    for name, scale in scales.items():
        if scale.evaluated is not None and not wanted[name]:
            found.add(("scales", name, "evaluated"), "would have no effect: the scale has no evaluations")
    for key in ("noise", "views"):
        if key in data and all_scales and scales and not any(key in names for names in wanted.values()):
            found.add((key,), f'would have no effect: no scale has "{key}" among its evaluations')
