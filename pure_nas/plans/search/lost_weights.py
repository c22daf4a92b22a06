"""Weights of complete trials that were lost, as a plan: they are trained again, and put where they were."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pure_nas.errors import RunError, reason
from pure_nas.plans.plan import Plan
from pure_nas.plans.search.search import SearchPlan
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.results import Results, TrialRecord
from pure_nas.run.schema import SCHEMA
from pure_nas.workers import Job, Outcome

_FOLDER = "restored"


@dataclass(frozen=True)
class Restored:
    """A trial that was trained again; `after` is None where that failed."""

    before: TrialRecord
    after: TrialRecord | None
    reason: str = ""


class RestoreWeights(Plan[Restored]):
    """Trains again what has lost its weights: in a folder of its own, which then takes the place of the trial's."""

    kind = "restoring"
    noun = "weights"
    finished = "all weights are there"

    def __init__(self, run: RunDirectory, search: SearchPlan, lost: tuple[TrialRecord, ...]) -> None:
        self._run = run
        self._search = search
        self._waiting = deque(lost)
        self._running: dict[int, TrialRecord] = {}

    @property
    def left(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def unfinished(self) -> int:
        return len(self._waiting)  # all of them: they were trained before

    def next(self) -> Job | Restored | None:
        if not self._waiting:
            return None
        record = self._waiting.popleft()
        self._running[record.number] = record
        folder = restored_folder(self._run, record.number)
        folder.write_candidate(record.candidate)
        return self._search.job(record, folder.path)

    def tell(self, job: Job, outcome: Outcome) -> Restored:
        before = self._running.pop(job.number)
        if outcome.state != "complete":
            return Restored(before, None, outcome.reason)
        result = self._search.result(before, outcome)
        new, old = restored_folder(self._run, job.number), self._run.trial(job.number)
        new.finish({"schema": SCHEMA, "number": job.number, **result})
        # The same weights, as on the same CPU, leave the rest of the trial as it is; with others, its result goes too.
        _move(new, old, everything=new.weights_digest != old.weights_digest)
        return Restored(before, self._search.replaced(job.number))

    def entry(self, record: Restored) -> Mapping[str, Any]:
        state = "lost" if record.after is None else "restored"
        return {"number": record.before.number, "state": state, "reason": record.reason}


def have_lost_weights(
    run: RunDirectory, results: Results, *, everything: bool
) -> tuple[tuple[TrialRecord, ...], tuple[TrialRecord, ...]]:
    """Complete trials, of the front or all, whose weights are missing or damaged; and others that have no weights."""
    trained = {trial.number: trial for trial in results.complete if trial.replay_of is None}
    front = {trial.trained for group in results.groups for trial in group}
    again = [trial for number, trial in trained.items() if everything or number in front]
    lost = tuple(trial for trial in again if not run.trial(trial.number).has_its_weights)
    others = (trial for trial in trained.values() if trial not in again)
    return lost, tuple(trial for trial in others if not run.trial(trial.number).weights.exists())


def restored_folder(run: RunDirectory, number: int) -> TrialDirectory:
    """Where trial `number` is trained again: until it has ended, its own folder stays as it is."""
    return TrialDirectory(run.path / _FOLDER / f"{number:04d}", number)


def finish_moves(run: RunDirectory) -> None:
    """Finish what a kill has cut short."""
    for ended in sorted((run.path / _FOLDER).glob("*/result.json")):
        number = int(ended.parent.name)
        _move(restored_folder(run, number), run.trial(number), everything=True)


def _move(new: TrialDirectory, old: TrialDirectory, *, everything: bool) -> None:
    try:
        # The result goes last: as long as it is there, the move is not done.
        for path in (new.weights, new.metrics, new.ended) if everything else (new.weights,):
            if path.exists():
                os.replace(path, old.path / path.name)
        shutil.rmtree(new.path)
        if not any(new.path.parent.iterdir()):
            new.path.parent.rmdir()
    except OSError as error:
        raise RunError(
            f"{new.path}, where a trial was trained again, cannot be moved into {old.path}: {reason(error)}.",
            hint="Remove what is in the way, then give the same command again.",
        ) from error
