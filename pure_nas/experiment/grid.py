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
            ConfigError: a network cannot be built for such images, or a warm-up would last as long as the training.
        """
        fields: dict[str, Any] = {**images, **({"base_width": scale.base_width} if scale.base_width else {})}
        recipes = file.recipe_members(scale)
        scaled = {recipe.label: _scaled(recipe.settings, scale) for recipe in recipes}
        _require_short_warmups(scaled, scale)
        cells = []
        for network in file.network_members(scale):
            try:
                architecture = architecture_of(network.settings, **fields)
            except ValidationError as error:
                raise ConfigError(faults(error, Architecture, f"The network {network.label}")) from error
            for recipe in recipes:
                if network.trained_by(recipe):
                    label = f"{network.label}, {recipe.label}" if len(recipes) > 1 else network.label
                    trained_by = recipe_of(scaled[recipe.label], architecture, scale.epochs, scale.batch_size)
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
                if other.network.label == network.label and other.recipe.named(name, recipe.index)
            ]
        own = cell.candidate.digest
        return [other for other in found if other is not None and other.candidate.digest != own]

    def _find(self, against: str, index: int, recipe: str) -> Cell | None:
        """The cell of a network, by the same recipe if it has that, else by its first."""
        found = [cell for cell in self.cells if cell.network.named(against, index)]
        return next((cell for cell in found if cell.recipe.label == recipe), found[0] if found else None)


def _scaled(recipe: Mapping[str, Any], scale: Scale) -> dict[str, Any]:
    """Settings of a recipe, with what a scale sets in place of its own."""
    settings = dict(recipe)
    if scale.crop_padding is not None:
        settings["crop_padding"] = scale.crop_padding
    if scale.warmup_epochs is not None and settings.get("warmup_epochs"):
        settings["warmup_epochs"] = scale.warmup_epochs
    return settings


def _require_short_warmups(recipes: Mapping[str, Mapping[str, Any]], scale: Scale) -> None:
    """Check that every warm-up ends: where it does not, networks are compared at rates that none of them is meant for.

    Raises:
        ConfigError: one does not.
    """
    epochs = {label: settings.get("warmup_epochs", 0) for label, settings in recipes.items()}
    lines = [f"  {label}: warms up for {each:g} epochs" for label, each in epochs.items() if each >= scale.epochs]
    if lines:
        raise ConfigError(
            "\n".join([f"Trained for {scale.epochs} epochs, as this scale has it, a warm-up would not end:", *lines]),
            hint="Give the scale more epochs, or a warmup_epochs of its own, which replaces that of these recipes.",
        )


def _with_folders(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Each with a folder of its own, named like its label as far as files can be."""
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", cell.label).strip("-.")[:80] for cell in cells]
    counted = Counter(each.lower() for each in words)
    for cell, name in zip(cells, words, strict=True):
        alone = name and counted[name.lower()] == 1
        digest = hashlib.sha256(cell.label.encode()).hexdigest()[:6]
        yield replace(cell, folder=name if alone else f"{name}-{digest}".strip("-"))
