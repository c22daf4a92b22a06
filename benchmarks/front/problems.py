"""What is searched in a simulation: candidates whose curves are known or computed in no time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np

from benchmarks.front.recorded import Table, key_of
from pure_nas.analysis import pareto
from pure_nas.analysis.course import Box
from pure_nas.cost.layers import cost_of
from pure_nas.errors import PureNasError
from pure_nas.findings.race import box_of
from pure_nas.forecast.variation import Point, mutation, random_point
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace


class Problem(Protocol):
    """A space with a curve for every candidate."""

    name: str
    space: SearchSpace
    epochs: int
    worst: float
    resolution: float

    @cached_property
    def box(self) -> Box:
        """In which the hypervolume is measured."""
        return box_of(self.space, self.worst)

    @property
    def ceiling(self) -> float:
        """Hypervolume of all that there is."""

    def curve(self, candidate: Candidate, seed: int) -> tuple[float, ...]:
        """Error after each epoch."""


@dataclass
class Recorded(Problem):
    """A table of recorded trainings."""

    name: str
    table: Table
    _places: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space, self.epochs, self.worst = self.table.space, self.table.epochs, self.table.worst
        self.resolution = 1 / int(self.table.header["validation"])

    @property
    def ceiling(self) -> float:
        return self.box.share(zip(self.table.flops.tolist(), self.table.errors[0, :, -1].tolist(), strict=True))

    def place(self, candidate: Candidate) -> int:
        digest = candidate.digest
        if digest not in self._places:
            key = key_of(self.space.parameters_of(candidate).params)
            if key not in self.table.places:
                raise PureNasError(
                    f"The table {self.name} lacks a candidate: it is not recorded to its end.",
                    hint=f"Go on: python -m benchmarks.front.record {self.name}",
                )
            self._places[digest] = self.table.places[key]
        return self._places[digest]

    def curve(self, candidate: Candidate, seed: int) -> tuple[float, ...]:
        """With a recorded seed, by turns; the first, where another is not recorded."""
        first, found = self.table.errors[[0, seed % len(self.table.errors)], self.place(candidate)]
        return tuple(map(float, first if np.isnan(found).any() else found))


_CLIMBERS, _CLIMBS = 200, 80


def climbed(space: SearchSpace, box: Box, finals: Callable[[Sequence[Candidate]], Sequence[float]]) -> float:
    """The hypervolume to which climbing from random networks comes, by the errors that `finals` gives."""
    rng = np.random.default_rng(0)
    drawn = [random_point(space, rng) for _ in range(_CLIMBERS)]
    parents: list[tuple[Point, tuple[float, float]]] = []
    for _ in range(_CLIMBS):
        errors = finals([each.candidate for each in drawn])
        flops = [float(cost_of(each.candidate.architecture).flops) for each in drawn]
        points = [*parents, *zip(drawn, zip(flops, errors, strict=True), strict=True)]
        parents = [points[index] for index in pareto.front([values for _, values in points])]
        drawn = [mutation(space, parents[int(rng.integers(len(parents)))][0], rng) for _ in range(_CLIMBS)]
    return box.share(values for _, values in parents)


ANALYTIC_SPACE = """
schema = 1
summary = "analytic: 3 to 18 residual layers, each conv or product"

[run]
epochs = 27

[architecture]
stages = 3
blocks_per_stage = { low = 1, high = 6, per = "stage" }
base_width = { choices = [8, 12, 16, 24, 32] }
units = { choices = ["conv", "product"], per = "layer" }
threshold_init = { low = -4.0, high = 3.0, per = "network" }

[recipe]
learning_rate = { low = 0.003, high = 0.3, log = true }
weight_decay = { low = 1e-5, high = 1e-2, log = true }
"""


class Analytic(Problem):
    """A formula in the place of training, in the shape of what was measured (docs/results.md).

    Error falls with the logarithm of flops. Multiplying pays in the last stage, costs in the first, and more so in
    neighbours; rates, decay and threshold have an optimum, which depends on how much multiplies. High rates start late,
    so that curves cross. Its numbers are drawn from `seed`.
    """

    worst = 0.9
    resolution = 1 / 1000

    def __init__(self, seed: int = 0) -> None:
        self.name = "analytic"
        self.space = SearchSpace.from_toml(ANALYTIC_SPACE).with_images(in_chans=3, num_classes=10, image_size=32)
        self.epochs = self.space.run.epochs
        rng = np.random.default_rng(seed)
        self._seed = seed
        self._stages = np.array([0.12, -0.05, -0.22]) * rng.uniform(0.6, 1.4, 3)
        self._edges = rng.uniform(-0.08, 0.08, 2)
        self._optimum = rng.uniform(-0.5, 0.5, 3)

    @cached_property
    def ceiling(self) -> float:
        """Without noise, as far as climbing finds it."""
        return climbed(self.space, self.box, lambda candidates: [self.final(each) for each in candidates])

    def final(self, candidate: Candidate) -> float:
        """Error at the end, without noise."""
        architecture, recipe = candidate.architecture, candidate.recipe
        shares = np.array([names.count("product") / len(names) for names in architecture.units])
        layers = [name for stage in architecture.units for name in stage]
        share = layers.count("product") / len(layers)
        size = self.box.place(cost_of(architecture).flops)
        rate = np.log10(recipe.learning_rate.trunk) + 1.2 + 0.5 * share + 0.3 * self._optimum[0]
        decay = np.log10(recipe.weight_decay.trunk.start) + 3.5 + self._optimum[1]
        theta = np.mean(architecture.threshold_init) + 1 + self._optimum[2]
        edge = self._edges @ [layers[0] == "product", layers[-1] == "product"]
        neighbours = np.mean([a == b == "product" for a, b in pairwise(layers)])
        log_error = np.log(0.42) - 1.6 * size + self._stages @ shares + 0.1 * neighbours + edge
        log_error += 0.35 * rate**2 + 0.03 * decay**2 + 0.03 * share * theta**2
        return float(min(np.exp(log_error), self.worst))

    def curve(self, candidate: Candidate, seed: int) -> tuple[float, ...]:
        digest = int(candidate.digest[:8], 16)
        rng = np.random.default_rng([self._seed, seed, digest])
        final = self.final(candidate)
        late = 0.5 + 0.4 * (np.log10(candidate.recipe.learning_rate.trunk) + 2.5)
        progress = np.arange(1, self.epochs + 1) / self.epochs
        falling = (self.worst - final) * (1 - progress) * np.exp(-4 * progress ** max(late, 0.2))
        return tuple(np.clip(final + falling + 0.004 * rng.standard_normal(self.epochs), 0.0, 1.0).tolist())
