"""The grid: every network by every recipe that it is trained by, with what each is compared with."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from pure_nas.architecture import Architecture
from pure_nas.candidate import Candidate
from pure_nas.errors import ConfigError
from pure_nas.experiment.choices import architecture_of, recipe_of
from pure_nas.experiment.file import ExperimentFile, Scale
from pure_nas.experiment.members import Member
from pure_nas.validation import faults


@dataclass(frozen=True)
class Cell:
    """One network with one recipe.

    Attributes:
        label: its name: the network's, and the recipe's where there are several.
        network: where it stands among the networks of the file.
        recipe: likewise among the recipes.
        candidate: what is trained.
        folder: what the folders of its trainings begin with.
    """

    label: str
    network: Member
    recipe: Member
    candidate: Candidate
    folder: str = ""


@dataclass(frozen=True)
class Grid:
    """What an experiment trains at one scale.

    Attributes:
        seeds: trainings of each cell, from seeds 1, 2, ...
    """

    cells: tuple[Cell, ...]
    seeds: int
    reference: str | None = None

    @classmethod
    def of(cls, file: ExperimentFile, scale: Scale, images: Mapping[str, int], seeds: int | None = None) -> Grid:
        """The grid of a file at a scale, for images of that kind.

        Args:
            images: in_chans, num_classes and image_size.
            seeds: instead of the scale's.

        Raises:
            ConfigError: a network cannot be built for such images.
        """
        recipes = file.recipe_members(scale)
        shown = len(recipes) > 1
        fields: dict[str, Any] = {**images, **({"base_width": scale.base_width} if scale.base_width else {})}
        cropping = {} if scale.crop_padding is None else {"crop_padding": scale.crop_padding}
        cells = []
        for network in file.network_members(scale):
            try:
                architecture = architecture_of(network.settings, **fields)
            except ValidationError as error:
                raise ConfigError(faults(error, Architecture, f"The network {network.label}")) from error
            for recipe in recipes:
                if network.recipes is None or {recipe.label, recipe.table} & set(network.recipes):
                    label = f"{network.label}, {recipe.label}" if shown else network.label
                    settings = {**recipe.settings, **cropping}
                    trained_by = recipe_of(settings, architecture, scale.epochs, scale.batch_size)
                    cells.append(Cell(label, network, recipe, Candidate(architecture, trained_by)))
        return cls(tuple(_with_folders(cells)), scale.seeds if seeds is None else seeds, file.reference)

    @cached_property
    def distinct(self) -> dict[str, Cell]:
        """The cells that train something different, by digest; others are equal to one of them."""
        found: dict[str, Cell] = {}
        for cell in self.cells:
            found.setdefault(cell.candidate.digest, cell)
        return found

    @property
    def trainings(self) -> int:
        """How many networks are trained."""
        return len(self.distinct) * self.seeds

    def references_of(self, cell: Cell) -> list[Cell]:
        """The cells that another is compared with, as far as this scale has them.

        What its network is compared with, by the same recipe; else what its recipe is, with the same network.
        """
        network, recipe = cell.network, cell.recipe
        against = network.against
        if against is None and self.reference is not None:
            against = (self.reference,)
        found = [self._find(name, network.index, recipe.label) for name in against or ()]
        if not found or all(other is None or other.network.label == network.label for other in found):
            found = [
                other
                for name in recipe.against or ()
                for other in self.cells
                if other.network.label == network.label and _named(other.recipe, name, recipe.index)
            ]
        own = cell.candidate.digest
        return [other for other in found if other is not None and other.candidate.digest != own]

    def _find(self, against: str, index: int, recipe: str) -> Cell | None:
        """The cell of a network, by the same recipe if it has that, else by its first."""
        found = [cell for cell in self.cells if _named(cell.network, against, index)]
        return next((cell for cell in found if cell.recipe.label == recipe), found[0] if found else None)


def _with_folders(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Each with a folder of its own, named like its label as far as files can be."""
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", cell.label).strip("-.")[:80] for cell in cells]
    counted = Counter(each.lower() for each in words)
    for cell, name in zip(cells, words, strict=True):
        alone = name and counted[name.lower()] == 1
        digest = hashlib.sha256(cell.label.encode()).hexdigest()[:6]
        yield replace(cell, folder=name if alone else f"{name}-{digest}".strip("-"))


def _named(member: Member, name: str, index: int) -> bool:
    """Whether `name` means this member: by its label, or by its table and the place in it."""
    return member.label == name or (member.table == name and member.index == index)
