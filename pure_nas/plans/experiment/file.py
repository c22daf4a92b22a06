"""Experiment files: what one says, all errors of one at once, those that ship and where others are read from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from pure_nas.errors import UsageError, nearest
from pure_nas.paths import expanded
from pure_nas.plans.experiment.scale import (
    Evaluations,
    FolderName,
    Line,
    Name,
    Noises,
    Scale,
    Targets,
    ViewsTable,
    Words,
    is_folder_name,
)
from pure_nas.plans.experiment.toml_tables import Entry, GridTable, NetworkTable, RecipeTable, chosen, entries_of
from pure_nas.quantities import counted
from pure_nas.space.catalogue import Catalogue
from pure_nas.space.field import FieldFaults, KeyPath
from pure_nas.validation import TomlFile

USUAL = "usual"  # what the recipe of a file is called that gives none
MOST = 10_000  # networks by recipes that a file may have
_TRAINED = "of a run"  # what validators are told of a file that was trained by: what has no effect in it did no harm


class ExperimentFile(TomlFile):
    """A question, and the grid that answers it."""

    kind = "experiment"
    hint = "A field is a value, or { each = [...] } for a network or recipe of every value."

    schema_version: Literal[1] = Field(default=1, alias="schema")
    question: Line
    paper: Words = ""  # what the paper reports on it
    dataset: Line  # a name, or the path of a folder of images, relative to the folder of the file
    split: Literal["test", "validation"] = "test"  # for "test" train on train + validation, and evaluate once
    validation_curve: bool = False  # hold validation images out for "test" too, and evaluate on them after each epoch
    reference: str | None = None  # the network ("name" or "name, recipe") that others are compared with by default
    evaluations: Evaluations = Field(default_factory=list)
    noise: Noises = Field(default_factory=dict)  # levels; all kinds at their usual ones where it is left out
    views: ViewsTable = ViewsTable(crops="ten-crop")
    targets: Targets = Field(default_factory=lambda: [0.5, 0.6, 0.7, 0.8, 0.9])  # accuracies, and when they are reached
    networks: Annotated[dict[Name, NetworkTable], Field(min_length=1)]
    recipes: Annotated[dict[Name, RecipeTable], Field(min_length=1)] = Field(
        default_factory=lambda: {USUAL: RecipeTable()}  # the usual recipe of their units
    )
    scales: Annotated[dict[FolderName, Scale], Field(min_length=1)]  # the first is made where none is asked for

    @model_validator(mode="wrap")
    @classmethod
    def _with_names(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Check names that refer to each other too, also where something else is wrong."""
        found = FieldFaults()
        if isinstance(data, Mapping):
            _check_size(data, found)
            found.raise_any()  # Else all that follows would be done for each of very many.
            _check_names_and_effects(data, found, effects=info.context != _TRAINED)
        return found.raise_with(handler, data)

    @classmethod
    def of_run(cls, path: Path) -> Self:
        """Read the copy that a run keeps, perhaps of an older version: what has no effect in it did no harm."""
        return cls.load(path, context=_TRAINED)

    def scale(self, name: str | None) -> tuple[str, Scale]:
        """The scale of that name, or the first, with its name."""
        wanted = next(iter(self.scales)) if name is None else name
        if wanted not in self.scales:
            raise UsageError(f'There is no scale "{wanted}" in this experiment; {nearest(wanted, self.scales)}.')
        return wanted, self.scales[wanted]


EXPERIMENTS = Catalogue("experiment", lambda: resources.files(__package__).joinpath("experiments"))


@dataclass(frozen=True)
class ExperimentSource:
    """An experiment file as it was read."""

    name: str  # what the folder of a run begins with
    text: str
    file: ExperimentFile
    folder: Path | None = None  # of the file, to which that of its images is relative


def find_experiment(name_or_path: str) -> ExperimentSource:
    """The experiment that ships under that name, or that of a .toml file."""
    path = expanded(name_or_path) if EXPERIMENTS.is_path(name_or_path) else None
    if path and not is_folder_name(path.stem):
        raise UsageError(
            f'The run of {name_or_path} would go to a folder called "{path.stem}-...", which is hidden or elsewhere.',
            hint="Rename the file.",
        )
    text = EXPERIMENTS.text(name_or_path)
    file = ExperimentFile.from_toml(text, source=EXPERIMENTS.source(name_or_path))
    return ExperimentSource(path.stem if path else name_or_path, text, file, path.resolve().parent if path else None)


def _check_size(data: Mapping[str, Any], found: FieldFaults) -> None:
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


def _check_names_and_effects(data: Mapping[str, Any], found: FieldFaults, *, effects: bool) -> None:
    """Note names that refer to nothing or occur twice; nothing is concluded from what cannot be read.

    With `effects`, what has no effect is a fault, and so are scales that train nothing and warm-ups that would not end.
    """
    networks = _Tables("networks", data.get("networks"), NetworkTable, found)
    given = data.get("recipes")
    recipes = _Tables("recipes", {USUAL: {}} if given in (None, {}) else given, RecipeTable, found)
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
        self.complete = not self._unreadable and len(self._tables) == len(self.raw)

    def require(self, name: str, path: KeyPath) -> None:
        """Note it where nothing is called `name`, nor can be in a faulty table."""
        possible = self._unreadable or any(name.startswith(f"{each} ") for each in self._beginnings)
        if name not in self.names and not possible:
            self._found.add(path, f'"{name}" is not one of the {self.key}; {nearest(name, self.names)}')

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

    def _compared(self, written: str, recipes: _Tables | None, path: KeyPath, tables: Sequence[str]) -> str:
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
            if networks.complete and recipes.complete:
                _check_trainings(name, scales[name], networks.entries, recipes.entries, found)
            _check_warmups(name, scales[name], recipes, found)
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


def _check_trainings(
    name: str, scale: Scale, all_networks: Sequence[Entry], all_recipes: Sequence[Entry], found: FieldFaults
) -> None:
    networks, recipes = chosen(all_networks, scale.networks), chosen(all_recipes, scale.recipes)
    wanted = dict.fromkeys(recipe for network in networks for recipe in network.recipes or ())
    known = {known for recipe in all_recipes for known in (recipe.label, recipe.table)}
    if not networks or not recipes or wanted.keys() - known:
        return  # It follows from a name that refers to nothing.
    if not any(network.trained_by(recipe) for network in networks for recipe in recipes):
        its = ", ".join(recipe.label for recipe in recipes)
        message = f"trains nothing: its recipes are {its}, its networks are trained by {', '.join(wanted) or 'none'}"
        found.add(("scales", name), message)


def _check_warmups(name: str, scale: Scale, recipes: _Tables, found: FieldFaults) -> None:
    """A warm-up that does not end compares networks at rates that none of them is meant for."""
    warm = [each for each in chosen(recipes.entries, scale.recipes) if each.settings.get("warmup_epochs")]
    training = f"{counted(scale.epochs, 'epoch')} of training"
    if scale.warmup_epochs is None:
        for recipe in warm:
            if (own := recipe.settings["warmup_epochs"]) >= scale.epochs:
                message = f'the warm-up of {own:g} of recipe "{recipe.label}" would not end in {training}'
                found.add(("scales", name, "epochs"), f"{message}; a warmup_epochs of the scale replaces it")
    elif warm and scale.warmup_epochs >= scale.epochs:
        message = f"a warm-up of {scale.warmup_epochs:g} would not end in {training}"
        found.add(("scales", name, "warmup_epochs"), message)
    elif not warm and recipes.complete:
        found.add(("scales", name, "warmup_epochs"), "would have no effect: no recipe of this scale warms up")
