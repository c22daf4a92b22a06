"""ExperimentFile: what an experiment file says, and every fault of one at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator

from pure_nas.errors import UsageError, nearest
from pure_nas.plans.grid.checks import USUAL, check_names_and_effects, check_size
from pure_nas.plans.grid.entries import Entry, architecture_of, check_network, chosen, entries_of, recipe_of
from pure_nas.plans.grid.fields import NETWORK_FIELDS, RECIPE_FIELDS, GridTable, TableOf
from pure_nas.plans.grid.scale import Evaluations, Line, Noises, Scale, Targets, ViewsTable, Words
from pure_nas.space.field import FieldFaults
from pure_nas.space.tables import Table
from pure_nas.validation import from_toml, read_text

_NETWORKS = TableOf(NETWORK_FIELDS, check_network, required=("base",), more=("against", "recipes"))
_RECIPES = TableOf(
    RECIPE_FIELDS, lambda settings: recipe_of(settings, architecture_of({"base": "pure20"})), more=("against",)
)
_HINT = "A field is a value, or { each = [...] } for a network or recipe of every value."
_TRAINED = "of a run"
"""What validators are told of a file that was trained by: it is read, not judged."""


class ExperimentFile(Table):
    """A question, and the grid that answers it.

    With split = "test" networks train on train + validation and are scored once on the test images; "validation" is for
    questions of choosing. `validation_curve` holds the validation images out of training with "test" too, and scores
    them after each epoch, so that convergence is read off images that nothing was trained on.
    """

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
    networks: Annotated[dict[str, Annotated[GridTable, _NETWORKS]], Field(min_length=1)]
    recipes: Annotated[dict[str, Annotated[GridTable, _RECIPES]], Field(min_length=1)] = Field(
        default_factory=lambda: {USUAL: GridTable()}  # the usual recipe of their units
    )
    scales: Annotated[dict[str, Scale], Field(min_length=1)]  # the first is made where none is asked for

    @model_validator(mode="wrap")
    @classmethod
    def _with_names(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Check names that refer to each other too, also where something else is wrong."""
        found = FieldFaults()
        if isinstance(data, Mapping):
            check_size(data, found)
            found.raise_any()  # Else all that follows would be done for each of very many.
            check_names_and_effects(data, found, _NETWORKS, _RECIPES, effects=info.context != _TRAINED)
        try:
            experiment = handler(data)
        except ValidationError as error:
            found.extend((), error)
        found.raise_any()
        return experiment

    @classmethod
    def from_toml(cls, text: str, *, source: str = "experiment") -> Self:
        """Read the text of an experiment file."""
        return from_toml(cls, text, source=source, hint=_HINT)

    @classmethod
    def of_run(cls, path: Path) -> Self:
        """Read the copy that a run keeps, perhaps of an older version: what has no effect in it did no harm."""
        return from_toml(cls, read_text(path, "experiment"), source=str(path), hint=_HINT, context=_TRAINED)

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
