"""Trainings of a trial with further seeds, which confirm its place on the front; each has a folder in the trial's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pure_nas.run.directory import TrialDirectory

SEEDS_FOLDER = "seeds"


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A trial that was trained with another seed than its study's."""

    seed: int
    objectives: tuple[float, ...]  # where it diverged, the worst value of what training decides
    diverged: bool
    seconds: float  # of training


def seed_folder(trial: TrialDirectory, seed: int) -> TrialDirectory:
    """Where a trial is trained with a further seed."""
    hint = "Restore a good copy, or remove this folder and run the search command again: it is trained again."
    return TrialDirectory(trial.path / SEEDS_FOLDER / str(seed), trial.number, damaged_hint=hint)


def seeds_begun(trial: TrialDirectory) -> list[int]:
    """The further seeds that a trial has a folder of."""
    folder = trial.path / SEEDS_FOLDER
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def read_seeds(trial: TrialDirectory, names: Sequence[str], worst: Sequence[float]) -> Iterator[Seed]:
    """Those that have ended and say something of the network: not those that failed, for want of memory say."""
    for seed in seeds_begun(trial):
        folder = seed_folder(trial, seed)
        result = folder.result()
        if result is None or result["state"] == "failed":
            continue
        diverged = result["state"] == "diverged"
        yield Seed(
            seed=seed,
            objectives=tuple(worst)
            if diverged
            else tuple(folder.number_in(result, "objectives", name) for name in names),
            diverged=diverged,
            seconds=float(result.get("seconds", 0.0)),
        )
