"""ExperimentFile: what an experiment file says, and every fault of one at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from pure_nas.errors import ConfigError, UsageError, nearest
from pure_nas.experiment.choices import architecture_of, recipe_of
from pure_nas.experiment.fields import NETWORK_FIELDS, RECIPE_FIELDS, GridTable, TableOf
from pure_nas.experiment.members import Member, members_of
from pure_nas.search.space import read_text
from pure_nas.search.space_fields import FieldFaults
from pure_nas.search.space_tables import Table
from pure_nas.validation import faults

LONGEST_NAME = 60
USUAL = "usual"

Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\r\n]*$")]
Accuracy = Annotated[float, Field(gt=0, lt=1)]
Level = Annotated[float, Field(gt=0, le=1e7)]
EvaluationName = Literal["quality", "noise", "invariance", "views"]
NoiseName = Literal["poisson", "gaussian", "salt-and-pepper", "speckle"]
"""As `pure_nas.evaluation.NoiseKind`, which comes with PyTorch."""
Targets = Annotated[list[Accuracy], Field(min_length=1, max_length=20)]

_NETWORKS = TableOf(NETWORK_FIELDS, architecture_of, required=("base",), more=("against", "recipes"))
_RECIPES = TableOf(
    RECIPE_FIELDS,
    lambda settings: recipe_of(settings, architecture_of({"base": "pure20"})),
    more=("against",),
)


class ViewsTable(Table):
    """Test-time views, see `pure_nas.evaluation.Views`.

    Attributes:
        scales: heights and widths to which an image is brought first, relative to its own; 1 alone where it is empty.
    """

    crops: Literal["whole", "flip", "five-crop", "ten-crop"] = "whole"
    scales: Annotated[list[Annotated[float, Field(ge=0.25, le=4)]], Field(max_length=8)] = Field(default_factory=list)


class Scale(Table):
    """How large an experiment is made.

    Attributes:
        cost: what it takes, in words and with the machine.
        epochs: of every training.
        seeds: trainings of each network, from seeds 1, 2, ...
        batch_size: images in a step.
        networks: labels or tables of the networks to train; all where it is left out.
        recipes: likewise.
        dataset: instead of the experiment's.
        image_size: to bring images to, pixels; their own where it is left out.
        limit: how many of the images outside test are used; all where it is left out.
        validation: how many of those are validation images; as the dataset has it where it is left out.
        base_width: of every network, instead of its own.
        crop_padding: of every recipe, instead of its own: 4 pixels are much for images of 8.
        targets: instead of the experiment's.
        evaluations: likewise.
        evaluated: how many of the scored images the evaluations use; all where it is left out.
    """

    cost: Line
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    seeds: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 128
    networks: Annotated[list[str], Field(min_length=1)] | None = None
    recipes: Annotated[list[str], Field(min_length=1)] | None = None
    dataset: Line | None = None
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None
    limit: Annotated[int, Field(ge=4)] | None = None
    validation: Annotated[int, Field(ge=1)] | None = None
    base_width: Annotated[int, Field(ge=1, le=4096)] | None = None
    crop_padding: Annotated[int, Field(ge=0, le=64)] | None = None
    targets: Targets | None = None
    evaluations: list[EvaluationName] | None = None
    evaluated: Annotated[int, Field(ge=2)] | None = None


class ExperimentFile(Table):
    """A question, and the grid that answers it.

    Attributes:
        question: what is asked, in a sentence.
        paper: what the paper reports on it; empty where nothing.
        dataset: a dataset's name, or the path of a folder of images.
        split: "test" trains on train + validation and scores the test images once, at the end; "validation" trains on
            train and scores the validation images, for questions of choosing.
        validation_curve: with split = "test", holds the validation images out of training and scores them after each
            epoch, so that convergence is read off images that nothing was trained on.
        reference: the network that others are compared with, unless they name another.
        evaluations: what trained networks are judged by beside the error: "quality" (top-5, calibration), "noise",
            "invariance" (of intensity) or "views" (crops and sizes averaged over).
        noise: levels of the kinds of noise; all kinds at their usual levels where it is left out.
        views: test-time views; ten crops where it is left out.
        targets: accuracies of which it is said when they are reached, 0 to 1.
        networks: the networks, by name.
        recipes: how they are trained, by name; the usual recipe of their units where none is given.
        scales: how large it is made, by name; the first is taken where none is asked for.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    question: Line
    paper: Annotated[str, Field(max_length=1000)] = ""
    dataset: Line
    split: Literal["test", "validation"] = "test"
    validation_curve: bool = False
    reference: str | None = None
    evaluations: list[EvaluationName] = Field(default_factory=list)
    noise: dict[NoiseName, Annotated[list[Level], Field(min_length=1)]] = Field(default_factory=dict)
    views: ViewsTable = ViewsTable(crops="ten-crop")
    targets: Targets = Field(default_factory=lambda: [0.5, 0.6, 0.7, 0.8, 0.9])
    networks: Annotated[dict[str, Annotated[GridTable, _NETWORKS]], Field(min_length=1)]
    recipes: Annotated[dict[str, Annotated[GridTable, _RECIPES]], Field(min_length=1)] = Field(
        default_factory=lambda: {USUAL: GridTable()}
    )
    scales: Annotated[dict[str, Scale], Field(min_length=1)]

    @model_validator(mode="wrap")
    @classmethod
    def _with_names(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Check names that refer to each other too, also where something else is wrong."""
        found = FieldFaults()
        if isinstance(data, Mapping):
            _check_names(data, found)
        try:
            experiment = handler(data)
        except ValidationError as error:
            found.extend((), error)
            found.raise_any()
            raise
        found.raise_any()
        return experiment

    @classmethod
    def from_toml(cls, text: str, *, source: str = "experiment") -> Self:
        """Read the text of an experiment file.

        Raises:
            ConfigError: it is no TOML or breaks a rule; every fault is listed with `source`.
        """
        try:
            content = tomllib.loads(text.replace("\r\n", "\n"))
        except RecursionError as error:
            raise ConfigError(f"{source} is nested too deeply.") from error
        except ValueError as error:
            raise ConfigError(f"{source} is not valid TOML: {error}.") from error
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ConfigError(
                faults(error, cls, source),
                hint="A field is a value, or { each = [...] } for a network or recipe of every value.",
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an experiment file.

        Raises:
            ConfigError: it cannot be read, is no TOML or breaks a rule.
        """
        return cls.from_toml(read_text(path, "experiment"), source=str(path))

    def scale(self, name: str | None) -> tuple[str, Scale]:
        """The scale of that name, or the first, with its name.

        Raises:
            UsageError: there is no such scale.
        """
        chosen = next(iter(self.scales)) if name is None else name
        if chosen not in self.scales:
            raise UsageError(f'There is no scale "{chosen}" in this experiment; {nearest(chosen, self.scales)}.')
        return chosen, self.scales[chosen]

    def network_members(self, scale: Scale) -> list[Member]:
        """The networks that a scale trains."""
        return _chosen(members_of(self.networks), scale.networks)

    def recipe_members(self, scale: Scale) -> list[Member]:
        """The recipes that a scale uses."""
        return _chosen(members_of(self.recipes), scale.recipes)


def _chosen(members: Iterator[Member], names: list[str] | None) -> list[Member]:
    return [member for member in members if names is None or {member.label, member.table} & set(names)]


def _check_names(data: Mapping[str, Any], found: FieldFaults) -> None:
    """Note names that refer to nothing, labels that occur twice, and names that cannot be shown."""
    networks, recipes = (_Known(data.get(key), table, found, key) for key, table in _TABLES)
    if not recipes.names:
        recipes.names.add(USUAL)
    reference = data.get("reference")
    if isinstance(reference, str):
        networks.require(reference, ("reference",), found)
    for name, table in networks.tables.items():
        networks.require_comparable(name, table, found)
        for index, recipe in enumerate(table.recipes or ()):
            recipes.require(recipe, ("networks", name, "recipes", index), found)
    for name, table in recipes.tables.items():
        recipes.require_comparable(name, table, found)
    scales = data.get("scales")
    for name, scale in (scales if isinstance(scales, Mapping) else {}).items():
        _check_name(name, ("scales", name), found)
        for key, known in (("networks", networks), ("recipes", recipes)):
            listed = scale.get(key) if isinstance(scale, Mapping) else None
            for index, each in enumerate(listed if isinstance(listed, list) else []):
                if isinstance(each, str):
                    known.require(each, ("scales", name, key, index), found)


_TABLES = (("networks", _NETWORKS), ("recipes", _RECIPES))


class _Known:
    """The names of a file's networks or recipes. Where a table is faulty, not all names are known.

    Attributes:
        tables: those that could be read.
        names: of tables and of their members.
    """

    def __init__(self, raw: object, reader: TableOf, found: FieldFaults, key: str) -> None:
        self.tables: dict[str, GridTable] = {}
        self.names: set[str] = set()
        self._key = key
        self._sizes: dict[str, int] = {}
        self._faulty: list[str] = []
        for name, table in (raw if isinstance(raw, Mapping) else {}).items():
            self.names.add(name)
            _check_name(name, (key, name), found)
            try:
                self.tables[name] = reader.read(table)
            except ValidationError:
                self._faulty.append(name)
        self._note_members(found)

    def _note_members(self, found: FieldFaults) -> None:
        seen: dict[str, str] = {}
        for member in members_of(self.tables):
            self._sizes[member.table] = member.index + 1
            if member.label in seen:
                found.add(
                    (self._key, member.table), f'its "{member.label}" is also in {self._key}.{seen[member.label]}'
                )
            seen.setdefault(member.label, member.table)
            self.names.add(member.label)

    def require(self, name: str, path: tuple[str | int, ...], found: FieldFaults) -> None:
        """Note it where nothing is called `name`."""
        if name not in self.names and not self._faulty:
            found.add(path, f'"{name}" is none of the {self._key}; {nearest(name, self.names)}')

    def require_comparable(self, name: str, table: GridTable, found: FieldFaults) -> None:
        """Note it where what a table is compared with does not exist, or cannot be paired with it."""
        for against in table.against or ():
            path = (self._key, name, "against")
            self.require(against, path, found)
            size = self._sizes.get(against, 1)
            if size not in (1, self._sizes[name]):
                found.add(path, f"{against} has {size} members for {self._sizes[name]} here; they are paired in order")


def _check_name(name: object, path: tuple[str | int, ...], found: FieldFaults) -> None:
    text = str(name)
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        found.add(path, f"a name has 1 to {LONGEST_NAME} printable characters")
