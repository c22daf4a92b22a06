"""The trainings of a grid, and what each left in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pure_nas.experiment.grid import Cell, Grid
from pure_nas.run_directory import RunDirectory, TrialDirectory

EXPERIMENT_FILE = "experiment.toml"
"""The experiment file as it was read."""


@dataclass(frozen=True)
class Training:
    """One network, trained once.

    Attributes:
        cell: the first of those that train the same.
    """

    cell: Cell
    seed: int
    directory: TrialDirectory

    @property
    def digest(self) -> str:
        """Equal for trainings that differ in nothing but their seed."""
        return self.cell.candidate.digest

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.directory.path.name


def training_of(run: RunDirectory, grid: Grid, cell: Cell, seed: int) -> Training:
    """The training of a cell from a seed; equal cells share theirs."""
    first = grid.distinct[cell.candidate.digest]
    return Training(first, seed, TrialDirectory(run.path / "trials" / f"{first.folder}-seed{seed}", seed))


def trainings_of(run: RunDirectory, grid: Grid) -> Iterator[Training]:
    """Every training: all networks from the first seed, then from the second, so that a part of them says something."""
    for seed in range(1, grid.seeds + 1):
        for cell in grid.distinct.values():
            yield training_of(run, grid, cell, seed)
