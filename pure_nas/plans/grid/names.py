"""The names of an experiment file that refer to each other, checked also where something else is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from pure_nas.errors import nearest
from pure_nas.plans.grid.fields import GridTable, TableOf
from pure_nas.plans.grid.members import Member, members_of
from pure_nas.space.field import FieldFaults

USUAL = "usual"
"""What the recipe of a file is called that gives none."""
_LONGEST_NAME = 60


def check_names(data: Mapping[str, Any], found: FieldFaults, networks_of: TableOf, recipes_of: TableOf) -> None:
    """Note names that refer to nothing, labels that occur twice, and names that cannot be shown.

    Args:
        data: the content of a file, however faulty.
        networks_of: reads a table of networks; likewise `recipes_of`.
    """
    networks = _Known(data.get("networks"), networks_of, found, "networks")
    recipes = _Known(data.get("recipes"), recipes_of, found, "recipes")
    if not recipes.names:
        recipes.names.add(USUAL)
    reference = data.get("reference")
    if isinstance(reference, str):
        networks.require_reference(reference, recipes, found)
    networks.require_comparable(recipes, found)
    recipes.require_comparable(None, found)
    for name, listed in networks.written("recipes"):
        for index, recipe in enumerate(listed):
            recipes.require(recipe, ("networks", name, "recipes", index), found)
    scales = data.get("scales")
    for name, scale in (scales if isinstance(scales, Mapping) else {}).items():
        _check_name(name, ("scales", name), found)
        if not is_folder_name(str(name)):
            found.add(("scales", name), "it names a folder: no / or \\ in it, and no . at its beginning")
        for key, known in (("networks", networks), ("recipes", recipes)):
            wanted = scale.get(key) if isinstance(scale, Mapping) else None
            for index, label in enumerate(wanted if isinstance(wanted, list) else []):
                if isinstance(label, str):
                    known.require(label, ("scales", name, key, index), found)


class _Known:
    """The names of a file's networks or recipes. Not all are known of a table that is faulty.

    Attributes:
        names: of tables and of their members.
    """

    def __init__(self, raw: object, reader: TableOf, found: FieldFaults, key: str) -> None:
        self.names: set[str] = set()
        self._key = key
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self._unreadable = raw is not None and not isinstance(raw, Mapping)
        self._tables: dict[str, GridTable] = {}
        self._sizes: dict[str, int] = {}
        self._members: list[Member] = []
        self._beginnings: list[str] = []
        for name, table in self._raw.items():
            self.names.add(name)
            _check_name(name, (key, name), found)
            try:
                self._tables[name] = reader.read(table)
            except ValidationError:
                self._note_faulty(name, table)
        self._note_members(found)

    def _note_faulty(self, name: str, table: object) -> None:
        """Of a faulty table it is known how the labels of its members begin: with its name, or that of a network."""
        bases = table.get("base") if isinstance(table, Mapping) else None
        listed = bases.get("each") if isinstance(bases, Mapping) else bases
        begin = [name, *(each for each in (listed if isinstance(listed, list) else []) if isinstance(each, str))]
        self._beginnings += begin
        self.names.update(begin)

    def _note_members(self, found: FieldFaults) -> None:
        seen: dict[str, str] = {}
        self._members = list(members_of(self._tables))
        for member in self._members:
            self._sizes[member.table] = member.index + 1
            if member.label in seen:
                found.add(
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

    def require(self, name: str, path: tuple[str | int, ...], found: FieldFaults) -> None:
        """Note it where nothing is called `name`, nor can be in a faulty table."""
        possible = self._unreadable or any(name.startswith(f"{each} ") for each in self._beginnings)
        if name not in self.names and not possible:
            found.add(path, f'"{name}" is none of the {self._key}; {nearest(name, self.names)}')

    def require_comparable(self, recipes: _Known | None, found: FieldFaults) -> None:
        """Note where what a table is compared with does not exist, is itself, or cannot be paired with it.

        Args:
            recipes: where what is compared may be named together with one of them.
        """
        for name, listed in self.written("against"):
            for written in listed:
                path = (self._key, name, "against")
                against = self._without_recipe(written, recipes)
                self.require(against, path, found)
                self._require_trained(against, written, recipes, path, found)
                self._require_pairs(against, name, path, found)
                if against == written and self._is_itself(against, name):
                    found.add(path, f'compares "{written}" with itself; against = [] compares it with nothing')

    def require_reference(self, written: str, recipes: _Known, found: FieldFaults) -> None:
        """Note it where there is no such reference, or where a table that is compared with it cannot be paired."""
        reference = self._without_recipe(written, recipes)
        self.require(reference, ("reference",), found)
        self._require_trained(reference, written, recipes, ("reference",), found)
        for name, table in self._tables.items():
            if table.against is None and name != reference:
                self._require_pairs(reference, name, ("reference",), found)

    def _without_recipe(self, name: str, recipes: _Known | None) -> str:
        """The network of "network, recipe", where there is such a recipe and no network of the whole name."""
        if recipes is None or name in self.names:
            return name
        parts = (name.removesuffix(f", {recipe}") for recipe in recipes.names)
        return next((part for part in parts if part != name), name)

    def _require_trained(
        self, network: str, written: str, recipes: _Known | None, path: tuple[str | int, ...], found: FieldFaults
    ) -> None:
        """Note it where what is written names a network with a recipe that it is not trained by."""
        if recipes is None or network == written:
            return
        recipe = written.removeprefix(f"{network}, ")
        named = [each for each in self._members if each.named(network, each.index)]
        by = [each for each in recipes._members if each.named(recipe, each.index)]
        if named and by and not any(network.trained_by(recipe) for network in named for recipe in by):
            found.add(path, f'"{network}" is not trained by "{recipe}"')

    def _is_itself(self, against: str, name: str) -> bool:
        """Whether each member of a table would be compared with itself alone."""
        own = [member for member in self._members if member.table == name]
        return bool(own) and all(
            [other for other in self._members if other.named(against, member.index)] == [member] for member in own
        )

    def _require_pairs(self, against: str, name: str, path: tuple[str | int, ...], found: FieldFaults) -> None:
        size, own = self._sizes.get(against, 1), self._sizes.get(name)
        if own is not None and size not in (1, own):
            found.add(path, f"{against} has {size} members for {own} of {name}; they are paired in order")


def is_folder_name(name: str) -> bool:
    """Whether a name can be that of a folder, here and not elsewhere."""
    return not name.startswith(".") and not set(name) & {"/", "\\"}


def _check_name(name: object, path: tuple[str | int, ...], found: FieldFaults) -> None:
    text = str(name)
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_NAME:
        found.add(path, f"a name has 1 to {_LONGEST_NAME} printable characters")
