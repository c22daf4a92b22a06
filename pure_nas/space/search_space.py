"""SearchSpace: the content of a search space file, and the candidates that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, PrivateAttr

from pure_nas.space.architecture import Architecture
from pure_nas.space.axis import Placement, Size, expand
from pure_nas.space.candidate import Candidate
from pure_nas.space.counting import count_architectures
from pure_nas.space.field import default_of, descriptions
from pure_nas.space.parameters import RECIPE_FIELDS, Located, Walk
from pure_nas.space.recipe import Recipe
from pure_nas.space.toml_tables import ArchitectureTable, RecipeTable, RunTable
from pure_nas.space.unit import Unit
from pure_nas.validation import TomlFile, faults_explained

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_SIZES: tuple[Size, ...] = ("small", "large", "middle")
_IMAGE_FIELDS = [name for name, each in descriptions(Architecture).items() if each.elsewhere]
_ARCHITECTURE_FIELDS = {
    name: each for name, each in descriptions(Architecture).items() if each.searched and each.per == "network"
}


class SearchSpace(TomlFile):
    """The candidates of a search.

    Attributes:
        summary: one line for listings.
        run: defaults that the command line overrides.
        architecture: the axes of the network.
        recipe: the axes of its training.

    Example:
        >>> space = SearchSpace.from_toml('''
        ... [architecture]
        ... blocks_per_stage = { low = 1, high = 3 }
        ... units = { choices = ["conv", "product"], per = "layer" }
        ... ''')
        >>> space.count()
        2744
    """

    kind = "search space"
    hint = "A field is a value, { choices = [...] } or { low = ..., high = ... }."

    schema_version: Literal[1] = Field(default=1, alias="schema")
    summary: Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$")] = ""
    run: RunTable = RunTable()
    architecture: ArchitectureTable
    recipe: RecipeTable = RecipeTable()

    _images: dict[str, int] = PrivateAttr(
        default_factory=lambda: {name: default_of(Architecture, name) for name in _IMAGE_FIELDS}
    )

    def to_toml(self) -> str:
        """A file of this space with every field, also those that the original left to their defaults."""
        return tomli_w.dumps(self.model_dump(by_alias=True))

    def with_images(self, *, in_chans: int, num_classes: int, image_size: int) -> Self:
        """This space for images of that kind; raises `ConfigError` if there are no such images."""
        facts = {"in_chans": in_chans, "num_classes": num_classes, "image_size": image_size}
        Architecture.uniform("conv", [1], **facts)
        copy = self.model_copy()
        copy._images = facts
        return copy

    def with_run(self, *, trials: int | None = None, epochs: int | None = None, batch_size: int | None = None) -> Self:
        """This space with other run settings, None to keep one; raises `ConfigError` if one is out of bounds."""
        given = {"trials": trials, "epochs": epochs, "batch_size": batch_size}
        changes = {name: value for name, value in given.items() if value is not None}
        with faults_explained(RunTable, "the run"):
            run = RunTable.model_validate({**self.run.model_dump(), **changes})
        return self.model_copy(update={"run": run})

    @property
    def images(self) -> Mapping[str, int]:
        """in_chans, num_classes and image_size of the images."""
        return dict(self._images)

    def suggest(self, trial: BaseTrial) -> Candidate:
        """Let an Optuna trial choose a candidate.

        Only what the candidate has is suggested: units of blocks that exist, thresholds of stages with a unit
        that reads them, rates of parameter kinds that occur. Its architecture is canonical.
        """
        return Walk(lambda path, axis, _, spread: spread(axis.ask(trial, path)), self).candidate()

    def parameters_of(self, candidate: Candidate) -> Located:
        """The parameters with which `suggest` gives `candidate`, and which of its values are outside this space."""
        located = Located(candidate)
        Walk(located.draw, self).candidate()
        return located

    def count(self) -> int:
        """How many distinct architectures there are; a range of floats counts once."""
        return count_architectures(self.architecture)

    def depths(self) -> tuple[tuple[int, ...], ...]:
        """The distinct smallest, middle and largest blocks per stage."""
        return tuple(self._named_depths.values())

    @property
    def _named_depths(self) -> dict[Size, tuple[int, ...]]:
        names = {self.architecture.blocks_of(size): size for size in reversed(_SIZES)}
        return {names[blocks]: blocks for blocks in sorted(names)}

    def baseline_architectures(self, units: Sequence[str] = ("conv", "product")) -> list[tuple[str, Architecture]]:
        """Networks of a single unit at each of `depths`, labelled like "conv small" or "product large".

        All have the middle base width; the other settings are Architecture's defaults, or the nearest that the
        space holds. Units that do not occur in the space are left out; where none of them does, all of its own are in.
        """
        axes = self.architecture
        fields = {name: axes[name].nearest(default_of(Architecture, name)) for name in _ARCHITECTURE_FIELDS}
        fields["base_width"] = axes["base_width"].sized("middle")
        chosen = [unit for unit in units if unit in axes.units.names] or axes.units.names
        return [
            (f"{unit} {size}", self._architecture(tuple((unit,) * count for count in blocks), fields))
            for unit, (size, blocks) in product(chosen, self._named_depths.items())
        ]

    def baseline_recipe(self, units: Sequence[Unit]) -> Recipe:
        """`Recipe.shared` of `units` for this space's run, whatever rates and decays the space searches.

        The other fields are Recipe's defaults, or the nearest that the space holds.
        """
        fields = {name: self.recipe[name].nearest(default_of(Recipe, name)) for name in RECIPE_FIELDS}
        return Recipe.shared(units, epochs=self.run.epochs, batch_size=self.run.batch_size, **fields)

    def smallest_architectures(self) -> list[Architecture]:
        """The few networks among which are those with the fewest parameters and FLOPs.

        They are short and narrow; there is one for each plain placement and each choice of the other fields that costs
        something else. This holds as long as one unit is the cheapest at every place, as the built-in ones are.
        """
        return self._variants("small")

    def largest_architectures(self) -> list[Architecture]:
        """The few networks among which are those with the most parameters and FLOPs; see `smallest_architectures`."""
        return self._variants("large")

    def _variants(self, size: Size) -> list[Architecture]:
        choices = {name: self._that_cost_differently(name) for name in _ARCHITECTURE_FIELDS}
        choices["base_width"] = [self.architecture["base_width"].sized(size)]
        variants = [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]
        blocks = self.architecture.blocks_of(size)
        placements = dict.fromkeys(expand(pattern, blocks) for pattern in self.architecture.units.axis.values)
        found = (self._architecture(*each).canonical() for each in product(placements, variants))
        return list(dict.fromkeys(found))

    def _that_cost_differently(self, name: str) -> Sequence[Any]:
        axis, described = self.architecture[name], _ARCHITECTURE_FIELDS[name]
        if not described.costs:
            return [axis.nearest(default_of(Architecture, name))]
        if not described.free:
            return list(axis.values)
        others = [value for value in axis.values if value not in described.free]
        return [*others[:1], *(value for value in described.free if value in axis)]

    def _architecture(self, placement: Placement, fields: Mapping[str, object]) -> Architecture:
        stages = [self.architecture["threshold_init"].at(stage) for stage in range(self.architecture.stages)]
        thresholds = tuple(axis.nearest(0.0) for axis in stages)
        given = {"family": self.architecture.family, "units": placement, "threshold_init": thresholds}
        return Architecture.model_validate({**given, **fields, **self._images})
