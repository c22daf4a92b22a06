"""What is wrong with an experiment file as a whole: its size, names that refer to each other, what has no effect.

It is found also where something else is wrong; nothing is concluded from what cannot be read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from pure_nas.errors import nearest
from pure_nas.plans.grid.fields import GridTable, TableOf
from pure_nas.plans.grid.members import Member, chosen, members_of
from pure_nas.plans.grid.scale import Scale
from pure_nas.space.field import FieldFaults, Path

USUAL = "usual"
"""What the recipe of a file is called that gives none."""
_LONGEST_NAME = 60
MOST = 10_000
"""Networks by recipes that a file may have."""


def check_size(data: Mapping[str, Any], found: FieldFaults) -> None:
    """Note grids that are too large to be trained, or even listed, before any network of them is made."""
    totals = {}
    for key in ("networks", "recipes"):
        tables = data.get(key)
        lengths = {name: _lengths(table) for name, table in (tables.items() if isinstance(tables, Mapping) else ())}
        for name, each in lengths.items():
            if math.prod(each) > MOST:
                found.add((key, name), f"is a grid of {_product(each)} {key}; at most {MOST:,} can be made")
        totals[key] = max(1, sum(map(math.prod, lengths.values())))
    if not len(found) and math.prod(totals.values()) > MOST:
        networks, recipes = (f"{count:,} {key if count > 1 else key[:-1]}" for key, count in totals.items())
        found.add((), f"has {networks} by {recipes}, {math.prod(totals.values()):,}; at most {MOST:,} can be made")


def _lengths(table: object) -> list[int]:
    """How many values each field of a table has that is written as { each = [...] }."""
    fields = table.values() if isinstance(table, Mapping) else ()
    each = (field["each"] for field in fields if isinstance(field, Mapping) and "each" in field)
    return [len(values) for values in each if isinstance(values, list) and values]


def _product(lengths: list[int]) -> str:
    total = f"{math.prod(lengths):,}"
    return f"{' x '.join(f'{length:,}' for length in lengths)} = {total}" if len(lengths) > 1 else total


def check_names_and_effects(
    data: Mapping[str, Any], found: FieldFaults, networks_of: TableOf, recipes_of: TableOf, *, effects: bool
) -> None:
    """Note names that refer to nothing, that occur twice or cannot be shown, and what is set but never used.

    Args:
        data: the content of a file, however faulty.
        networks_of: reads a table of networks; likewise `recipes_of`.
        effects: whether what has no effect is a fault, and so are scales that train nothing and warm-ups that would
            not end.
    """
    networks = _Tables("networks", data.get("networks"), networks_of, found)
    recipes = _Tables("recipes", data.get("recipes", {USUAL: {}}), recipes_of, found)
    if not recipes.names:
        recipes.names.add(USUAL)
    reference = data.get("reference")
    if isinstance(reference, str):
        networks.require_reference(reference, recipes)
    networks.require_comparable(recipes)
    recipes.require_comparable(None)
    for name, listed in networks.written("recipes"):
        for index, recipe in enumerate(listed):
            recipes.require(recipe, ("networks", name, "recipes", index))
    scales = data.get("scales")
    scales = scales if isinstance(scales, Mapping) else {}
    for name, scale in scales.items():
        _check_scale(name, scale, networks, recipes, found)
    if effects:
        _check_effects(data, scales, networks, recipes, found)


def _check_scale(name: str, scale: object, networks: _Tables, recipes: _Tables, found: FieldFaults) -> None:
    _check_name(name, ("scales", name), found)
    if not is_folder_name(str(name)):
        found.add(("scales", name), "it names a folder: no / or \\ in it, and no . at its beginning")
    for key, known in (("networks", networks), ("recipes", recipes)):
        wanted = scale.get(key) if isinstance(scale, Mapping) else None
        for index, label in enumerate(wanted if isinstance(wanted, list) else []):
            if isinstance(label, str):
                known.require(label, ("scales", name, key, index))


class _Tables:
    """The networks or recipes of a file, however faulty. Not all names are known of a table that is faulty.

    Attributes:
        names: of tables and of their members.
        members: those of the tables that can be read.
    """

    def __init__(self, key: str, raw: object, reader: TableOf, found: FieldFaults) -> None:
        self.names: set[str] = set()
        self._key = key
        self._found = found
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self._unreadable = raw is not None and not isinstance(raw, Mapping)
        self._tables: dict[str, GridTable] = {}
        self._sizes: dict[str, int] = {}
        self._beginnings: list[str] = []
        for name, table in self._raw.items():
            self.names.add(name)
            _check_name(name, (key, name), found)
            try:
                self._tables[name] = reader.read(table)
            except ValidationError:
                self._note_faulty(name, table)
        self.members = list(members_of(self._tables))
        self._note_members()

    @property
    def complete(self) -> bool:
        """Whether every table can be read."""
        return not self._unreadable and len(self._tables) == len(self._raw)

    def _note_faulty(self, name: str, table: object) -> None:
        """Of a faulty table it is known how the labels of its members begin: with its name, or that of a network."""
        bases = table.get("base") if isinstance(table, Mapping) else None
        listed = bases.get("each") if isinstance(bases, Mapping) else bases
        begin = [name, *(each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str))]
        self._beginnings += begin
        self.names.update(begin)

    def _note_members(self) -> None:
        seen: dict[str, str] = {}
        for member in self.members:
            self._sizes[member.table] = member.index + 1
            if member.label in seen:
                self._found.add(
                    (self._key, member.table), f'its "{member.label}" is also in {self._key}.{seen[member.label]}'
                )
            seen.setdefault(member.label, member.table)
            self.names.add(member.label)

    def written(self, key: str) -> Iterator[tuple[str, list[str]]]:
        """What each table, also a faulty one, lists as `key`: a name or several."""
        for name, table in self._raw.items():
            given = table.get(key) if isinstance(table, Mapping) else None
            listed = [given] if isinstance(given, str) else given
            if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
                yield name, listed

    def require(self, name: str, path: Path) -> None:
        """Note it where nothing is called `name`, nor can be in a faulty table."""
        possible = self._unreadable or any(name.startswith(f"{each} ") for each in self._beginnings)
        if name not in self.names and not possible:
            self._found.add(path, f'"{name}" is none of the {self._key}; {nearest(name, self.names)}')

    def require_comparable(self, recipes: _Tables | None) -> None:
        """Note where what a table is compared with does not exist, is itself, or cannot be paired with it.

        Args:
            recipes: where what is compared may be named together with one of them.
        """
        for name, listed in self.written("against"):
            for written in listed:
                path = (self._key, name, "against")
                against = self._without_recipe(written, recipes)
                self.require(against, path)
                self._require_trained(against, written, recipes, path)
                self._require_pairs(against, name, path)
                if against == written and self._is_itself(against, name):
                    self._found.add(path, f'compares "{written}" with itself; against = [] compares it with nothing')

    def require_reference(self, written: str, recipes: _Tables) -> None:
        """Note it where there is no such reference, or where a table that is compared with it cannot be paired."""
        reference = self._without_recipe(written, recipes)
        self.require(reference, ("reference",))
        self._require_trained(reference, written, recipes, ("reference",))
        for name, table in self._tables.items():
            if table.against is None and name != reference:
                self._require_pairs(reference, name, ("reference",))

    def _without_recipe(self, name: str, recipes: _Tables | None) -> str:
        """The network of "network, recipe", where there is such a recipe and no network of the whole name."""
        if recipes is None or name in self.names:
            return name
        parts = (name.removesuffix(f", {recipe}") for recipe in recipes.names)
        return next((part for part in parts if part != name), name)

    def _require_trained(self, network: str, written: str, recipes: _Tables | None, path: Path) -> None:
        """Note it where what is written names a network with a recipe that it is not trained by."""
        if recipes is None or network == written:
            return
        recipe = written.removeprefix(f"{network}, ")
        named = [each for each in self.members if each.named(network, each.index)]
        by = [each for each in recipes.members if each.named(recipe, each.index)]
        if named and by and not any(network.trained_by(recipe) for network in named for recipe in by):
            self._found.add(path, f'"{network}" is not trained by "{recipe}"')

    def _is_itself(self, against: str, name: str) -> bool:
        """Whether each member of a table would be compared with itself alone."""
        own = [member for member in self.members if member.table == name]
        return bool(own) and all(
            [other for other in self.members if other.named(against, member.index)] == [member] for member in own
        )

    def _require_pairs(self, against: str, name: str, path: Path) -> None:
        size, own = self._sizes.get(against, 1), self._sizes.get(name)
        if own is not None and size not in (1, own):
            self._found.add(path, f"{against} has {size} members for {own} of {name}; they are paired in order")


def is_folder_name(name: str) -> bool:
    """Whether a name can be that of a folder, here and not elsewhere."""
    return not name.startswith(".") and not set(name) & {"/", "\\"}


def _check_name(name: object, path: Path, found: FieldFaults) -> None:
    text = str(name)
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_NAME:
        found.add(path, f"a name has 1 to {_LONGEST_NAME} printable characters")


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
        warm = [each for each in chosen(recipes.members, scale.recipes) if each.settings.get("warmup_epochs")]
        if scale.warmup_epochs is not None and not warm and recipes.complete:
            found.add(("scales", name, "warmup_epochs"), "would have no effect: no recipe of this scale warms up")
        _check_warmups(name, scale, warm, found)
    _check_evaluations(data, scales, len(scales) == len(written), found)


def _check_trainings(name: str, scale: Scale, all_networks: _Tables, all_recipes: _Tables, found: FieldFaults) -> None:
    networks, recipes = chosen(all_networks.members, scale.networks), chosen(all_recipes.members, scale.recipes)
    wanted = dict.fromkeys(recipe for network in networks for recipe in network.recipes or ())
    known = {known for recipe in all_recipes.members for known in (recipe.label, recipe.table)}
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
