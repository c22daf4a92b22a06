"""ExperimentFile: what an experiment file says, and every fault of one at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from pure_nas.errors import UsageError, nearest
from pure_nas.experiment.choices import architecture_of, check_network, recipe_of
from pure_nas.experiment.fields import NETWORK_FIELDS, RECIPE_FIELDS, GridTable, TableOf
from pure_nas.experiment.members import Member, members_of
from pure_nas.experiment.names import USUAL, check_names
from pure_nas.search.space_fields import FieldFaults
from pure_nas.search.space_tables import Table
from pure_nas.validation import from_toml, read_text

Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\r\n]*$")]
Accuracy = Annotated[float, Field(gt=0, lt=1)]
Level = Annotated[float, Field(gt=0, le=1e7)]
EvaluationName = Literal["quality", "noise", "invariance", "views"]
NoiseName = Literal["poisson", "gaussian", "salt-and-pepper", "speckle"]
"""As `pure_nas.evaluation.NoiseKind`, which comes with PyTorch."""
Targets = Annotated[list[Accuracy], Field(min_length=1, max_length=20)]

_NETWORKS = TableOf(NETWORK_FIELDS, check_network, required=("base",), more=("against", "recipes"))
_RECIPES = TableOf(
    RECIPE_FIELDS,
    lambda settings: recipe_of(settings, architecture_of({"base": "pure20"})),
    more=("against",),
)


class ViewsTable(Table):
    """Test-time views, see `pure_nas.evaluation.Views`.

    Attributes:
        scales: heights and widths to which an image is brought first, relative to what a network is shown; at least 1
            where crops are cut. Where it is empty, its own.
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
        warmup_epochs: of every recipe that has a warm-up, instead of its own: 5 epochs are all that some scales have.
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
    warmup_epochs: Annotated[float, Field(gt=0)] | None = None
    targets: Targets | None = None
    evaluations: list[EvaluationName] | None = None
    evaluated: Annotated[int, Field(ge=2)] | None = None


class ExperimentFile(Table):
    """A question, and the grid that answers it.

    Attributes:
        question: what is asked, in a sentence.
        paper: what the paper reports on it; empty where nothing.
        dataset: a dataset's name, or the path of a folder of images, relative to the folder of the file.
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
            check_names(data, found, _NETWORKS, _RECIPES)
        try:
            experiment = handler(data)
        except ValidationError as error:
            found.extend((), error)
            found.raise_any()
            raise
        if not len(found):  # Else it may follow from what was found.
            experiment._require_trainings(found)
        found.raise_any()
        return experiment

    def _require_trainings(self, found: FieldFaults) -> None:
        """Note the scales at which no network is trained by any recipe."""
        for name, scale in self.scales.items():
            networks, recipes = self.network_members(scale), self.recipe_members(scale)
            if not any(network.trained_by(recipe) for network in networks for recipe in recipes):
                wanted = dict.fromkeys(recipe for network in networks for recipe in network.recipes or ())
                found.add(
                    ("scales", name),
                    f"trains nothing: its recipes are {_listed(recipe.label for recipe in recipes)}, its networks are "
                    f"trained by {_listed(wanted)}",
                )

    @classmethod
    def from_toml(cls, text: str, *, source: str = "experiment") -> Self:
        """Read the text of an experiment file.

        Raises:
            ConfigError: it is no TOML or breaks a rule; every fault is listed with `source`.
        """
        hint = "A field is a value, or { each = [...] } for a network or recipe of every value."
        return from_toml(cls, text, source=source, hint=hint)

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


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
