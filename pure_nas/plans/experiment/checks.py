"""What is wrong with an experiment file as a whole: its size, names that refer to each other, what has no effect.

It is found also where something else is wrong; nothing is concluded from what cannot be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from pure_nas.errors import nearest
from pure_nas.plans.experiment.scale import Scale
from pure_nas.plans.experiment.tables import Entry, GridTable, NetworkTable, RecipeTable, chosen, entries_of
from pure_nas.quantities import counted
from pure_nas.space.field import FieldFaults, Path

USUAL = "usual"
"""What the recipe of a file is called that gives none."""
MOST = 10_000
"""Networks by recipes that a file may have."""


def check_size(data: Mapping[str, Any], found: FieldFaults) -> None:
    """Note grids that are too large to be trained, or even listed, before any network of them is made."""
    totals = {}
    for key in ("networks", "recipes"):
        lengths = {name: _lengths(table) for name, table in _table(data.get(key)).items()}
        for name, each in lengths.items():
            if (total := math.prod(each)) > MOST:
                size = f"{' x '.join(f'{length:,}' for length in each)} = {total:,}" if len(each) > 1 else f"{total:,}"
                found.add((key, name), f"is a grid of {size} {key}; at most {MOST:,} can be made")
        totals[key] = max(1, sum(map(math.prod, lengths.values())))
    if not found.noted and math.prod(totals.values()) > MOST:
        networks, recipes = (f"{count:,} {key if count > 1 else key[:-1]}" for key, count in totals.items())
        found.add((), f"has {networks} by {recipes}, {math.prod(totals.values()):,}; at most {MOST:,} can be made")


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mentions(tables: Mapping[str, Any], key: str) -> Iterator[tuple[str, int, str]]:
    """Each name that a table, also a faulty one, lists as `key`: the table's name, the place in its list, the name."""
    for table, content in tables.items():
        given = _table(content).get(key)
        listed = given if isinstance(given, list) else [given]
        yield from ((table, index, name) for index, name in enumerate(listed) if isinstance(name, str))


def _lengths(table: object) -> list[int]:
    """How many values each field of a table has that is written as { each = [...] }."""
    each = (_table(field).get("each") for field in _table(table).values())
    return [len(values) for values in each if isinstance(values, list) and values]


def check_names_and_effects(data: Mapping[str, Any], found: FieldFaults, *, effects: bool) -> None:
    """Note names that refer to nothing, that occur twice or cannot be shown, and what is set but never used.

    With `effects`, what has no effect is a fault, and so are scales that train nothing and warm-ups that would not end.
    """
    networks = _Tables("networks", data.get("networks"), NetworkTable, found)
    recipes = _Tables("recipes", data.get("recipes", {USUAL: {}}), RecipeTable, found)
    if not recipes.names:
        recipes.names.add(USUAL)
    reference = data.get("reference")
    if isinstance(reference, str):
        networks.require_reference(reference, recipes)
    networks.require_comparable(recipes)
    recipes.require_comparable(None)
    for name, index, recipe in _mentions(networks.raw, "recipes"):
        recipes.require(recipe, ("networks", name, "recipes", index))
    scales = _table(data.get("scales"))
    for known in (networks, recipes):
        for name, index, label in _mentions(scales, known.key):
            known.require(label, ("scales", name, known.key, index))
    if effects:
        _check_effects(data, scales, networks, recipes, found)


class _Tables:
    """The networks or recipes of a file, however faulty: names of tables and entries, and entries that can be read."""

    def __init__(self, key: str, raw: object, model: type[GridTable], found: FieldFaults) -> None:
        self.key = key
        self._found = found
        self.raw = _table(raw)
        self._unreadable = raw is not None and not isinstance(raw, Mapping)
        self.names: set[str] = set(self.raw)
        self._tables: dict[str, GridTable] = {}
        self._beginnings: list[str] = []
        """How the labels of entries of faulty tables may begin: with the table's name, or that of a network."""
        for name, table in self.raw.items():
            try:
                self._tables[name] = model.model_validate(table)
            except ValidationError:
                bases = _table(table).get("base")
                listed = bases.get("each") if isinstance(bases, Mapping) else bases
                bases = [each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str)]
                self._beginnings += [name, *bases]
        self.names.update(self._beginnings)
        self.entries = list(entries_of(self._tables))
        self._sizes = {entry.table: entry.index + 1 for entry in self.entries}
        seen: dict[str, str] = {}
        for entry in self.entries:
            if entry.label in seen:
                found.add((key, entry.table), f'its "{entry.label}" is also in {key}.{seen[entry.label]}')
            seen.setdefault(entry.label, entry.table)
        self.names.update(seen)

    @property
    def complete(self) -> bool:
        """Whether every table can be read."""
        return not self._unreadable and len(self._tables) == len(self.raw)

    def require(self, name: str, path: Path) -> None:
        """Note it where nothing is called `name`, nor can be in a faulty table."""
        possible = self._unreadable or any(name.startswith(f"{each} ") for each in self._beginnings)
        if name not in self.names and not possible:
            self._found.add(path, f'"{name}" is none of the {self.key}; {nearest(name, self.names)}')

    def require_comparable(self, recipes: _Tables | None) -> None:
        """Note where what a table is compared with, with a recipe or not, does not exist, is itself, or not paired."""
        for name, _, written in _mentions(self.raw, "against"):
            path = (self.key, name, "against")
            against = self._compared(written, recipes, path, [name])
            own = [entry for entry in self.entries if entry.table == name]
            others = [other for each in own for other in self.entries if other.named(against, each.index)]
            if against == written and own and others == own:
                self._found.add(path, f'compares "{written}" with itself; against = [] compares it with nothing')

    def require_reference(self, written: str, recipes: _Tables) -> None:
        """Note it where there is no such reference, or where a table that is compared with it cannot be paired."""
        compared = [name for name, table in self._tables.items() if table.against is None]
        self._compared(written, recipes, ("reference",), compared)

    def _compared(self, written: str, recipes: _Tables | None, path: Path, tables: Sequence[str]) -> str:
        """The network that "network" or "network, recipe" means; faults of comparing tables with it are noted."""
        network = written
        if recipes is not None and written not in self.names:
            parts = (written.removesuffix(f", {recipe}") for recipe in recipes.names)
            network = next((part for part in parts if part != written), written)
        self.require(network, path)
        if recipes is not None and network != written:
            recipe = written.removeprefix(f"{network}, ")
            networks = [each for each in self.entries if each.named(network, each.index)]
            by = [each for each in recipes.entries if each.named(recipe, each.index)]
            if networks and by and not any(each.trained_by(recipe) for each in networks for recipe in by):
                self._found.add(path, f'"{network}" is not trained by "{recipe}"')
        for name in tables:
            size, own = self._sizes.get(network, 1), self._sizes.get(name)
            if name != network and own is not None and size not in (1, own):
                self._found.add(path, f"{network} has {size} entries for {own} of {name}; they are paired in order")
        return network


def _check_effects(
    data: Mapping[str, Any], written: Mapping[str, Any], networks: _Tables, recipes: _Tables, found: FieldFaults
) -> None:
    scales: dict[str, Scale] = {}
    for name, table in written.items():
        with suppress(ValidationError):
            scales[name] = Scale.model_validate(table)
    for name, scale in scales.items():
        if networks.complete and recipes.complete:
            _check_trainings(name, scale, networks, recipes, found)
        warm = [each for each in chosen(recipes.entries, scale.recipes) if each.settings.get("warmup_epochs")]
        if scale.warmup_epochs is not None and not warm and recipes.complete:
            found.add(("scales", name, "warmup_epochs"), "would have no effect: no recipe of this scale warms up")
        _check_warmups(name, scale, warm, found)
    shared = data.get("evaluations", [])
    if not isinstance(shared, list):
        return
    wanted = {name: shared if scale.evaluations is None else scale.evaluations for name, scale in scales.items()}
    for name, scale in scales.items():
        if scale.evaluated is not None and not wanted[name]:
            found.add(("scales", name, "evaluated"), "would have no effect: the scale has no evaluations")
    for key in ("noise", "views"):
        known = scales and len(scales) == len(written)
        if key in data and known and not any(key in names for names in wanted.values()):
            found.add((key,), f'would have no effect: no scale has "{key}" among its evaluations')


def _check_trainings(name: str, scale: Scale, all_networks: _Tables, all_recipes: _Tables, found: FieldFaults) -> None:
    networks, recipes = chosen(all_networks.entries, scale.networks), chosen(all_recipes.entries, scale.recipes)
    wanted = dict.fromkeys(recipe for network in networks for recipe in network.recipes or ())
    known = {known for recipe in all_recipes.entries for known in (recipe.label, recipe.table)}
    if not networks or not recipes or wanted.keys() - known:
        return  # It follows from a name that refers to nothing.
    if not any(network.trained_by(recipe) for network in networks for recipe in recipes):
        its = ", ".join(recipe.label for recipe in recipes)
        message = f"trains nothing: its recipes are {its}, its networks are trained by {', '.join(wanted) or 'none'}"
        found.add(("scales", name), message)


def _check_warmups(name: str, scale: Scale, warm: list[Entry], found: FieldFaults) -> None:
    """A warm-up that does not end compares networks at rates that none of them is meant for."""
    training = f"{counted(scale.epochs, 'epoch')} of training"
    if scale.warmup_epochs is not None:
        if warm and scale.warmup_epochs >= scale.epochs:
            message = f"a warm-up of {scale.warmup_epochs:g} would not end in {training}"
            found.add(("scales", name, "warmup_epochs"), message)
        return
    for recipe in warm:
        if (own := recipe.settings["warmup_epochs"]) >= scale.epochs:
            message = f'the warm-up of {own:g} of recipe "{recipe.label}" would not end in {training}'
            found.add(("scales", name, "epochs"), f"{message}; a warmup_epochs of the scale replaces it")
