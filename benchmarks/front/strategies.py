"""The searches that are compared."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import optuna
from optuna.trial import Trial

from benchmarks.front.problems import Problem
from pure_nas.analysis import pareto
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.forecast import Forecast, Forecaster, Known
from pure_nas.forecast.prior import Prior
from pure_nas.forecast.proposal import propose
from pure_nas.forecast.variation import Point, random_point
from pure_nas.plans.search.samplers import OptunaSampler, make_sampler


class Unstopped:
    """Trains every candidate to its end."""

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        return {}


@dataclass
class Random(Unstopped):
    problem: Problem
    seed: int

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        return random_point(self.problem.space, np.random.default_rng([self.seed, len(begun)]))


@dataclass
class Sampled(Unstopped):
    """A sampler of Optuna, as a plain study uses it."""

    problem: Problem
    seed: int
    sampler: OptunaSampler = "tpe"
    _open: list[Trial] = field(default_factory=list)
    _told: int = 0

    def __post_init__(self) -> None:
        self._study = optuna.create_study(directions=["minimize"] * 2)

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        for trial, each in zip(self._open[self._told :], known[self._told :], strict=False):
            self._study.tell(trial, [each.errors[-1], float(cost_of(each.point.candidate.architecture).flops)])
            self._told += 1
        self._study.sampler = make_sampler(self.sampler, self.seed, len(begun))
        trial = self._study.ask()
        self._open.append(trial)
        candidate = self.problem.space.suggest(trial)
        return Point(candidate, trial.params)


@dataclass
class Forecasting:
    """The model's proposals and stops.

    Attributes:
        chance: of entering the front below which a trial is stopped; None: never.
        proposals: whether the model proposes; else candidates are random.
    """

    problem: Problem
    seed: int
    chance: float | None = 0.02
    proposals: bool = True

    def __post_init__(self) -> None:
        problem = self.problem
        self._forecaster = Forecaster(
            Encoding(problem.space, ["flops"]), problem.epochs, problem.worst, problem.resolution
        )
        self._last: tuple[int, Forecast] = (0, self._forecaster.after(()))

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        rng = np.random.default_rng([self.seed, len(begun)])
        if not self.proposals:
            return random_point(self.problem.space, rng)
        trained = {frozenset(each.params.items()) for each in begun}
        return propose(
            self.after(known),
            len(begun),
            lambda point: frozenset(point.params.items()) in trained,
            rng,
            begun[len(known) :],
        )

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        return {} if self.chance is None else self.after(known).stops(point, self.chance)

    def after(self, known: Sequence[Known]) -> Forecast:
        """What these trials say."""
        if self._last[0] != len(known):
            self._last = len(known), self._forecaster.after(known)
        return self._last[1]


@dataclass
class Warm(Forecasting):
    """The same, after an earlier search with another seed.

    Attributes:
        epochs: that it trained; None: as many. Errors after so many of a longer training stand in for them.
        errors: "reversed" and "permuted": its candidates were drawn at random, and its errors are those of others.
    """

    trials: int = 30
    epochs: int | None = None
    errors: Literal["own", "permuted", "reversed"] = "own"

    def __post_init__(self) -> None:
        super().__post_init__()
        forecaster, problem = self._forecaster, self.problem
        epochs = self.epochs or problem.epochs
        before = Forecaster(forecaster.encoding, epochs, problem.worst, problem.resolution)
        prior = Prior([before.after(self._earlier(epochs))], lambda _: True)
        self._forecaster = replace(forecaster, prior=prior)
        self._last = (0, self._forecaster.after(()))

    def _earlier(self, epochs: int) -> list[Known]:
        search = Forecasting(self.problem, self.seed + 1_000, proposals=self.errors == "own")
        known: list[Known] = []
        for _ in range(self.trials):
            point = search.propose(known, [each.point for each in known])
            known.append(Known(point, self.problem.curve(point.candidate, self.seed + 1)[:epochs], True))
        if self.errors == "own":
            return known
        known.sort(key=lambda each: each.errors[-1])
        others = np.random.default_rng(self.seed).permutation(len(known)).tolist()
        if self.errors == "reversed":
            others = list(reversed(range(len(known))))
        return [Known(each.point, known[other].errors, True) for each, other in zip(known, others, strict=True)]


@dataclass
class Rungs:
    """Any proposals, with the stops of MO-ASHA (arXiv 2106.12639): at a rung the best third goes on, in
    non-dominated order of cost and error; so does whoever is on the front of the rung, and the first three always.
    """

    proposals: Any
    rungs: tuple[int, ...] = (1, 3)
    eta: int = 3

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        return self.proposals.propose(known, begun)  # type: ignore[no-any-return]

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        flops = float(cost_of(point.candidate.architecture).flops)
        found: dict[int, float] = {}
        for rung in self.rungs:
            there = [each for each in known if len(each.errors) >= rung]
            if len(there) >= self.eta:
                points = np.array(
                    [[cost_of(each.point.candidate.architecture).flops, each.errors[rung - 1]] for each in there]
                )
                found[rung] = self._most(points, flops)
        return found

    def _most(self, points: np.ndarray, flops: float) -> float:
        """The largest error of those at the rung with which a network of so many flops goes on."""
        there = np.unique(points[:, 1])
        # As good as one of them, and better by the least; whoever goes on would with a smaller error.
        critical = sorted([*there, *np.nextafter(there, -np.inf)])
        places = bisect_left(critical, True, key=lambda error: not self._goes_on(points, flops, error))
        return float(critical[places - 1]) if places else 0.0

    def _goes_on(self, points: np.ndarray, flops: float, error: float) -> bool:
        rest, better = np.vstack([points, [flops, error]]), 0
        own = len(points)
        places = np.arange(len(rest))
        while True:
            layer = set(pareto.front(rest))
            if any(places[index] == own for index in layer):
                return better == 0 or better < (len(points) + 1) / self.eta
            better += len(layer)
            kept = [index for index in range(len(rest)) if index not in layer]
            rest, places = rest[kept], places[kept]


@dataclass
class OneEpoch:
    """Train many for one epoch, then the best of them to their end (arXiv 2307.15422), in rounds."""

    problem: Problem
    seed: int
    drawn: int = 24
    kept: int = 4

    def __post_init__(self) -> None:
        self._random = Random(self.problem, self.seed)
        self._best: list[Point] = []

    def propose(self, known: Sequence[Known], begun: Sequence[Point]) -> Point:
        place = len(begun) % (self.drawn + self.kept)
        if place < self.drawn:
            return self._random.propose(known, begun)
        if place == self.drawn:
            last = known[-self.drawn :]
            rest = np.array([[cost_of(each.point.candidate.architecture).flops, each.errors[0]] for each in last])
            places, order = np.arange(len(rest)), []
            while len(rest):
                layer = pareto.front(rest)
                order += [places[index] for index in layer]
                kept = [index for index in range(len(rest)) if index not in layer]
                rest, places = rest[kept], places[kept]
            self._best = [last[index].point for index in order[: self.kept]]
        return self._best[place - self.drawn]

    def stops(self, known: Sequence[Known], point: Point) -> Mapping[int, float]:
        place = len(known) % (self.drawn + self.kept)
        return {1: -1.0} if place < self.drawn else {}
