"""How sure a search's front is, as far as seeds and validation images tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pure_nas.analysis.standing import Measured, Standing, standings
from pure_nas.run.directory import RunDirectory
from pure_nas.run.hits import Hits, read_hits
from pure_nas.run.search_results import TrialRecord
from pure_nas.run.seeds import seed_folder

_REPORT = 3
"""The purpose of a report's random numbers."""


@dataclass(eq=False)
class Confidence:
    """Standings of the trials of a run whose validation split has so many `images`; hits are read once."""

    run: RunDirectory
    objectives: Sequence[str]
    images: int
    _hits: dict[tuple[int, int | None], Hits | None] = field(default_factory=dict, init=False, repr=False)

    def standings(self, trials: Iterable[TrialRecord], generator: np.random.Generator) -> dict[int, Standing]:
        """Of the complete ones that were trained, by number; those that repeat others have theirs."""
        trained = [trial for trial in trials if trial.state == "complete" and trial.replay_of is None]
        found = standings([self._measured(trial) for trial in trained], self.images, generator)
        return {trial.number: standing for trial, standing in zip(trained, found, strict=True)}

    def _measured(self, trial: TrialRecord) -> Measured:
        hits = [self._hits_of(trial.number, seed) for seed in (None, *(each.seed for each in trial.seeds))]
        right = [each.right for each in hits if each is not None and len(each.right) == self.images]
        whole = len(right) == len(hits)  # older versions kept none, and a seed that diverged has none
        return Measured(
            errors=trial.errors,
            others=trial.objectives[1:],
            hits=np.sum(right, axis=0, dtype=np.uint8) if whole else None,
        )

    def _hits_of(self, number: int, seed: int | None) -> Hits | None:
        if (number, seed) not in self._hits:
            trial = self.run.trial(number)
            self._hits[number, seed] = read_hits(trial if seed is None else seed_folder(trial, seed))
        return self._hits[number, seed]


def front_standings(run: RunDirectory, objectives: Sequence[str], trials: Sequence[TrialRecord]) -> dict[int, Standing]:
    """As reports show them; empty for a run that does not say how many images it validates on."""
    settings = run.settings()
    images = (settings.get("data") or {}).get("validation")
    if not images:
        return {}
    generator = np.random.default_rng([int(settings.get("seed") or 0), _REPORT])
    return Confidence(run, objectives, images).standings(trials, generator)
