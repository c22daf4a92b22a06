"""Which trials are trained with further seeds: those whose place on the front is most in doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pure_nas.files import read_json, write_whole
from pure_nas.plans.search.forecasts import CONFIRMATION
from pure_nas.run.confidence import Confidence
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.schema import SCHEMA, ConfirmationOrder
from pure_nas.run.search_results import TrialRecord, over_seeds, with_seeds
from pure_nas.run.seeds import seed_folder, seeds_begun
from pure_nas.workers.messages import Outcome

MOST_SEEDS = 3
"""That a trial is trained with, its own among them."""
SURE = 0.05
"""Of being on the front, or off it: a chance below which nothing is in doubt."""
LAG = 4
"""Confirmations just before one that do not decide it, in runs from before trials had a lag."""
ORDER_FILE = "confirmations.json"


class Confirmation(NamedTuple):
    """A trial to train with one further seed."""

    number: int
    seed: int


@dataclass(frozen=True)
class Confirmed:
    """How a confirmation ended."""

    confirmation: Confirmation
    outcome: Outcome


@dataclass(eq=False)
class Confirmations:
    """Those of one search, in an order that follows from results alone: each from all but the `lag` just before it.

    The order is in the run's folder, so that one that is resumed goes on in it. Two of a trial never train at once.
    """

    run: RunDirectory
    objectives: Sequence[str]
    worst: Sequence[float]
    images: int  # to validate on
    seed: int  # of the study; further ones are those after it
    limit: int
    lag: int
    settled: bool = field(default=False, init=False)  # no place on the front is in doubt that more seeds may settle

    def __post_init__(self) -> None:
        self._confidence = Confidence(self.run, self.objectives, self.images)
        self._path = self.run.path / ORDER_FILE
        self._order = self._read_order()
        self._ended = {each for each in self._order if self.folder(each).result() is not None}
        self.running: dict[int, Confirmation] = {}

    @property
    def done(self) -> int:
        return len(self._ended)

    @property
    def unfinished(self) -> int:
        """Those that were begun and do not train now."""
        return len(self._order) - len(self._ended) - len(self.running)

    @property
    def left(self) -> int:
        """To go, those in training among them, as far as is known."""
        return max(0 if self.settled else self.limit - self.done, len(self._order) - self.done)

    def folder(self, confirmation: Confirmation) -> TrialDirectory:
        return seed_folder(self.run.trial(confirmation.number), confirmation.seed)

    def look(self, records: Mapping[int, TrialRecord]) -> None:
        """Find out whether anything is left to confirm."""
        self._chosen(records)

    def next(self, records: Mapping[int, TrialRecord]) -> Confirmation | None:
        """What to train now, given all trials of the search, which have ended; None: nothing now."""
        waiting = (each for each in self._order if each not in self._ended and each.number not in self.running)
        found = next(waiting, None)
        if found is None and (found := self._chosen(records)) is not None:
            self._order.append(found)
            self._write_order()
        if found is not None:
            folder = self.folder(found)
            if not folder.has_candidate:
                folder.write_candidate(records[found.number].candidate)
            self.running[found.number] = found
        return found

    def end(self, number: int, outcome: Outcome, result: Mapping[str, Any]) -> Confirmed:
        """Keep how the confirmation of trial `number` ended, with its `result` as trials have it."""
        found = self.running.pop(number)
        self.folder(found).finish({"schema": SCHEMA, "number": number, "seed": found.seed, **result})
        self._ended.add(found)
        return Confirmed(found, outcome)

    def _chosen(self, records: Mapping[int, TrialRecord]) -> Confirmation | None:
        place = len(self._order)
        if place >= self.limit:
            return None
        # Where all that is in doubt trains now, what comes of that is waited for.
        for known in dict.fromkeys((max(place - self.lag, 0), place)):
            if not self._ended.issuperset(self._order[:known]):
                return None
            if found := self._most_doubtful(records, known):
                return found
        self.settled = True
        return None

    def _most_doubtful(self, records: Mapping[int, TrialRecord], known: int) -> Confirmation | None:
        """By the results of the first `known` of the order, and not of a trial of which one came after these."""
        before, after = set(self._order[:known]), {each.number for each in self._order[known:]}
        trials = [self._as_of(record, before) for record in records.values()]
        generator = np.random.default_rng([self.seed, len(self._order), CONFIRMATION])
        standings = self._confidence.standings(trials, generator)
        doubts = {
            number: min(standing.on_front, 1 - standing.on_front)
            for number, standing in standings.items()
            if number not in after and self._begun(number) < MOST_SEEDS - 1
        }
        number = max(doubts, key=lambda each: (doubts[each], -each), default=None)
        if number is None or doubts[number] < SURE:
            return None
        return Confirmation(number, self.seed + 1 + self._begun(number))

    def _begun(self, number: int) -> int:
        return sum(each.number == number for each in self._order)

    def _as_of(self, record: TrialRecord, known: set[Confirmation]) -> TrialRecord:
        """A trial with those further seeds only."""
        whole = over_seeds(self.run, record, self.objectives, self.worst)
        kept = tuple(each for each in whole.seeds if Confirmation(record.number, each.seed) in known)
        return with_seeds(record, self.objectives, kept)

    def _read_order(self) -> list[Confirmation]:
        if self._path.exists():
            hint = "Restore a good copy, or remove it: the order is then that of the trials."
            order = read_json(self._path, ConfirmationOrder, hint=hint)["order"]
            return [Confirmation(number, seed) for number, seed in order]
        return [Confirmation(trial.number, seed) for trial in self.run.trials() for seed in seeds_begun(trial)]

    def _write_order(self) -> None:
        document = {"schema": SCHEMA, "order": [list(each) for each in self._order]}
        write_whole(self._path, json.dumps(document) + "\n")
