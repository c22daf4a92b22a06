"""The grid: every network by every recipe that it is trained by, what each is compared with, and its trainings."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.scale import Scale
from pure_nas.plans.experiment.toml_tables import Entry, architecture_of, chosen, entries_of, recipe_of
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.validation import faults_explained

if TYPE_CHECKING:
    from pure_nas.plans.plan import Training

EXPERIMENT_FILE = "experiment.toml"  # the experiment file as it was read
TRAINING_DAMAGED_HINT = "Restore a good copy, or remove the folder and run the experiment's command again."


@dataclass(frozen=True)
class Cell:
    """One network with one recipe; folders of its trainings begin with `folder`, see `Grid.folders`."""

    label: str
    network: Entry
    recipe: Entry
    candidate: Candidate
    folder: str = ""


@dataclass(frozen=True)
class Grid:
    """What an experiment trains at one scale: each cell from so many seeds, 1, 2, ..."""

    cells: tuple[Cell, ...]
    seeds: int
    reference: str | None = None

    @classmethod
    def of(cls, file: ExperimentFile, scale: Scale, images: Mapping[str, int], seeds: int | None = None) -> Grid:
        """The grid of a file at a scale, for images of those in_chans, num_classes and image_size."""
        fields = {**images, **({"base_width": scale.base_width} if scale.base_width else {})}
        recipes = chosen(entries_of(file.recipes), scale.recipes)
        scaled = {recipe.label: scale.scaled(recipe.settings) for recipe in recipes}
        cells = []
        for network in chosen(entries_of(file.networks), scale.networks):
            with faults_explained(Architecture, f"The network {network.label}"):
                architecture = architecture_of(network.settings, **fields)
            for recipe in recipes:
                if network.trained_by(recipe):
                    label = f"{network.label}, {recipe.label}" if len(recipes) > 1 else network.label
                    trained_by = recipe_of(scaled[recipe.label], architecture, scale.epochs, scale.batch_size)
                    cells.append(Cell(label, network, recipe, Candidate(architecture, trained_by)))
        return cls(tuple(_with_folders(cells)), scale.seeds if seeds is None else seeds, file.reference)

    @cached_property
    def distinct(self) -> dict[str, Cell]:
        """The cells that train something different, by digest; others are equal to one of them."""
        first = {cell.candidate.digest: cell for cell in reversed(self.cells)}
        return {cell.candidate.digest: first[cell.candidate.digest] for cell in self.cells}

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """What the folders of a training may begin with, by digest: what its shortest label gives comes first, whatever
        the order of a file's tables; an older version took the first of equal cells.
        """
        found: defaultdict[str, list[str]] = defaultdict(list)
        for cell in sorted(self.cells, key=lambda cell: (len(cell.label), cell.label)):
            found[cell.candidate.digest].append(cell.folder)
        return found

    @property
    def trainings(self) -> int:
        return len(self.distinct) * self.seeds

    def references_of(self, cell: Cell) -> list[Cell]:
        """What a cell is compared with, as far as this scale has it: as its network says, by the recipe named with it
        or the same; where that is nothing but itself, as its recipe says, with the same network.
        """
        network, recipe = cell.network, cell.recipe
        against = network.against
        if against is None and self.reference is not None:
            against = (self.reference,)
        found = [self._find(name, cell) for name in against or ()]
        if all(other is None or other.label == cell.label for other in found):
            found = [
                other
                for name in recipe.against or ()
                for other in self.cells
                if other.network.label == network.label and other.recipe.named(name, recipe.index)
            ]
        own = cell.candidate.digest
        return [other for other in found if other is not None and other.candidate.digest != own]

    def _find(self, against: str, cell: Cell) -> Cell | None:
        """The cell that "network" or "network, recipe" means for another: by the other's recipe, else by its first."""
        index = cell.network.index
        found = [other for other in self.cells if other.network.named(against, index)] or [
            other
            for other in self.cells
            for recipe in (other.recipe.label, other.recipe.table)
            if against.endswith(f", {recipe}")
            and other.recipe.named(recipe, cell.recipe.index)
            and other.network.named(against.removesuffix(f", {recipe}"), index)
        ]
        return next((other for other in found if other.recipe.label == cell.recipe.label), found[0] if found else None)


def _with_folders(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Each with a folder of its own, named like its label as far as files can be."""
    words = [re.sub(r"[^A-Za-z0-9.+-]+", "-", cell.label).strip("-.")[:80] for cell in cells]
    counted = Counter(each.lower() for each in words)
    for cell, name in zip(cells, words, strict=True):
        alone = name and counted[name.lower()] == 1
        digest = hashlib.sha256(cell.label.encode()).hexdigest()[:6]
        yield replace(cell, folder=name if alone else f"{name}-{digest}".strip("-"))


def training_of(run: RunDirectory, grid: Grid, cell: Cell, seed: int) -> Training:
    """The training of a cell from a seed; equal cells share theirs."""
    from pure_nas.plans.plan import Training  # with PyTorch, which a list of experiments does not need

    digest = cell.candidate.digest
    paths = [run.path / "trials" / f"{folder}-seed{seed}" for folder in grid.folders[digest]]
    path = max(paths, key=lambda path: path.is_dir() + (path / "result.json").is_file())
    first = grid.distinct[digest]  # of those that train the same
    directory = TrialDirectory(path, seed, damaged_hint=TRAINING_DAMAGED_HINT)
    return Training(first.label, first.candidate, seed, directory)


def trainings_of(run: RunDirectory, grid: Grid) -> Iterator[Training]:
    """Every training: all networks from the first seed, then from the second, so that a part of them says something."""
    for seed in range(1, grid.seeds + 1):
        for cell in grid.distinct.values():
            yield training_of(run, grid, cell, seed)


def seconds_of_epochs(run: RunDirectory, grid: Grid) -> dict[str, float]:
    """How long an epoch took, evaluation included, of each network that has been trained for one or more, by digest."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for training in trainings_of(run, grid):
        seconds = (record.get("seconds") for record in training.directory.curve())
        found[training.candidate.digest] += [each for each in seconds if isinstance(each, float)]
    return {digest: statistics.median(seconds) for digest, seconds in found.items() if seconds}


def seeds_ended(run: RunDirectory) -> int:
    """The highest seed from which a training has ended, also where the run is asked for fewer now."""
    names = (path.parent.name for path in run.path.glob("trials/*/result.json"))
    seeds = (name.rpartition("-seed")[2] for name in names)
    return max((int(seed) for seed in seeds if seed.isdecimal()), default=0)
