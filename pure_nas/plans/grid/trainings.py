"""The trainings of a grid, and what each left in its folder."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator

from pure_nas.plans.grid.grid import Cell, Grid
from pure_nas.plans.plan import Training
from pure_nas.run.directory import RunDirectory, TrialDirectory

EXPERIMENT_FILE = "experiment.toml"
"""The experiment file as it was read."""
TRAINING_DAMAGED_HINT = "Put a good copy back, or remove the folder and give the experiment's command again."


def training_of(run: RunDirectory, grid: Grid, cell: Cell, seed: int) -> Training:
    """The training of a cell from a seed; equal cells share theirs."""
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
    """How long an epoch took, scoring included, of each network that has been trained for one or more, by digest."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for training in trainings_of(run, grid):
        seconds = (record.get("seconds") for record in training.directory.curve())
        found[training.digest] += [each for each in seconds if isinstance(each, float)]
    return {digest: statistics.median(seconds) for digest, seconds in found.items() if seconds}


def seeds_ended(run: RunDirectory) -> int:
    """The highest seed from which a training has ended, also where the run is asked for fewer now."""
    names = (path.parent.name for path in run.path.glob("trials/*/result.json"))
    seeds = (name.rpartition("-seed")[2] for name in names)
    return max((int(seed) for seed in seeds if seed.isdecimal()), default=0)
