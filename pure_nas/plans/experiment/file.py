"""Experiment files: what one says, every fault of one at once, those that ship and where others are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from pure_nas.errors import UsageError, nearest
from pure_nas.paths import expanded
from pure_nas.plans.experiment.checks import USUAL, check_names_and_effects, check_size
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
from pure_nas.plans.experiment.tables import Entry, NetworkTable, RecipeTable, chosen, entries_of
from pure_nas.space.catalogue import Catalogue
from pure_nas.space.field import FieldFaults
from pure_nas.validation import TomlFile

_TRAINED = "of a run"
"""What validators are told of a file that was trained by: what has no effect in it did no harm."""


class ExperimentFile(TomlFile):
    """A question, and the grid that answers it.

    With split = "test" networks train on train + validation and are scored once on the test images; "validation" is for
    questions of choosing. `validation_curve` holds the validation images out of training with "test" too, and scores
    them after each epoch, so that convergence is read off images that nothing was trained on.
    """

    kind = "experiment"
    hint = "A field is a value, or { each = [...] } for a network or recipe of every value."

    schema_version: Literal[1] = Field(default=1, alias="schema")
    question: Line
    paper: Words = ""  # what the paper reports on it
    dataset: Line  # a name, or the path of a folder of images, relative to the folder of the file
    split: Literal["test", "validation"] = "test"
    validation_curve: bool = False
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
            check_size(data, found)
            found.raise_any()  # Else all that follows would be done for each of very many.
            check_names_and_effects(data, found, effects=info.context != _TRAINED)
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

    def networks_of(self, scale: Scale) -> list[Entry]:
        """The networks that a scale trains."""
        return chosen(entries_of(self.networks), scale.networks)

    def recipes_of(self, scale: Scale) -> list[Entry]:
        """The recipes that a scale uses."""
        return chosen(entries_of(self.recipes), scale.recipes)


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
