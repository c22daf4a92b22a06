"""MO-ASHA (arXiv 2106.12639) as Syne Tune has it, on random candidates. It is compared in an environment of its own:

uv run --isolated --with syne-tune python -m benchmarks.front --problem digits --strategies "tpe; moasha; forecast"
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.front.problems import Problem
from benchmarks.front.strategies import Random
from pure_nas.cost.layers import cost_of
from pure_nas.errors import PureNasError
from pure_nas.forecast.forecast import Known
from pure_nas.forecast.variation import Point

INSTALLED = importlib.util.find_spec("syne_tune") is not None


@dataclass
class Moasha(Random):
    """Syne Tune's scheduler with its defaults: rungs at 1, 3, 9 ... epochs, the best third goes on.

    It hears of every epoch at once, also of trials within the lag.
    """

    problem: Problem
    seed: int

    def __post_init__(self) -> None:
        if not INSTALLED:
            raise PureNasError("moasha needs Syne Tune.", hint="uv run --isolated --with syne-tune python -m ...")
        self._syne_tune: Any = importlib.import_module("syne_tune.optimizer.schedulers.multiobjective.moasha")
        self._trial: Any = importlib.import_module("syne_tune.backend.trial_status").Trial
        self._scheduler: Any = self._syne_tune.MOASHA(
            {}, ["error", "flops"], time_attr="epoch", max_t=self.problem.epochs, random_seed=self.seed
        )
        self._begun = 0

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        """The epoch at which the scheduler stops the trial, from its errors as they come."""
        trial = self._trial(trial_id=self._begun, config=point.params, creation_time=datetime.now(UTC))
        self._begun += 1
        self._scheduler.on_trial_add(trial)
        flops = float(cost_of(point.candidate.architecture).flops)
        curve = self.problem.curve(point.candidate, self.seed)
        for epoch, error in enumerate(curve[:-1], start=1):
            result = {"error": error, "flops": flops, "epoch": epoch}
            if self._scheduler.on_trial_result(trial, result) == self._syne_tune.SchedulerDecision.STOP:
                self._scheduler.on_trial_remove(trial)
                return {epoch: -1.0}
        self._scheduler.on_trial_complete(trial, {"error": curve[-1], "flops": flops, "epoch": len(curve)})
        return {}
