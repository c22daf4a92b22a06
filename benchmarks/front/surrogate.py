"""What recorded trainings say of candidates that were not trained: a surrogate for a table that is a sample.

    uv run python -m benchmarks.front.surrogate cifar10-16px

A Gaussian process for each epoch predicts the learning curve, and the difference between two recorded seeds of some
candidate is its noise. How well it orders candidates that it has not seen is printed, beside what trees, flops and
another seed's training do. It is what the forecasts of a search are made of, too, which may flatter these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Row
from benchmarks.front.problems import Problem, climbed
from benchmarks.front.recorded import ALIKE, Floats, Table, load, tau
from pure_nas.forecast.encoding import Encoding
from pure_nas.forecast.gaussian_process import GaussianProcess, Hyperparameters
from pure_nas.forecast.variation import Point, point_of
from pure_nas.space.candidate import Candidate

_FOLDS = 10
_TREES = 200
Predict = Callable[[Floats], Floats]


def trees(features: Floats, curves: Floats) -> Predict:
    """Predicts curves (n, epochs) at features (n, features) by trees fitted to others."""
    found = ExtraTreesRegressor(_TREES, min_samples_leaf=2, max_features=0.5, random_state=0)
    found.fit(features, curves)
    return lambda others: np.asarray(found.predict(others))


def process(features: Floats, curves: Floats) -> Predict:
    """The same by a Gaussian process for each epoch, scaled as is best for the last one."""
    none: Floats = np.zeros(len(features))
    scales = Hyperparameters.fitted(features, curves[:, -1], none)
    each = [GaussianProcess(scales, features, curve, none) for curve in curves.T]
    return lambda others: np.column_stack([one.predict(others)[0] for one in each])


class Surrogate(Problem):
    """A table that is a sample of its space, with curves that are predicted, and drawn anew for every seed."""

    def __init__(self, name: str, table: Table) -> None:
        self.name, self.table = name, table
        self.space, self.epochs, self.worst = table.space, table.epochs, table.worst
        self.resolution = 1 / int(table.header["validation"])
        self._encoding = Encoding(self.space, ["flops"])

    @cached_property
    def points(self) -> list[Point]:
        """Those of the table."""
        return [Point(self.table.candidate(place), params) for place, params in enumerate(self.table.params)]

    @cached_property
    def features(self) -> Floats:
        """(N, features)"""
        return self._encoding.features(self.points)

    @cached_property
    def curves(self) -> Floats:
        """(S, N, epochs): logarithms of errors; NaN where a seed is not recorded."""
        return np.asarray(np.log(self.table.errors + self.resolution))

    @cached_property
    def _noise(self) -> Floats:
        """(M, epochs): by how much recorded trainings are off the mean of seeds, which are two."""
        off = (self.curves[1] - self.curves[0]) / np.sqrt(2)
        return np.asarray(off[np.isfinite(off).all(1)])

    @cached_property
    def _predict(self) -> Predict:
        return process(self.features, self.curves[0])

    @cached_property
    def ceiling(self) -> float:
        """Without noise, as far as climbing finds it."""
        return climbed(self.space, self.box, lambda candidates: self._means(candidates)[:, -1].tolist())

    def curve(self, candidate: Candidate, seed: int) -> tuple[float, ...]:
        rng = np.random.default_rng([seed, int(candidate.digest[:8], 16)])
        noise = self._noise[int(rng.integers(len(self._noise)))] * rng.choice([-1, 1])
        errors = (self._means([candidate])[0] + self.resolution) * np.exp(noise) - self.resolution
        return tuple(np.clip(errors, 0.0, 1.0).tolist())

    def _means(self, candidates: Sequence[Candidate]) -> Floats:
        points = [point_of(self.space, each) for each in candidates]
        return np.asarray(np.exp(self._predict(self._encoding.features(points))) - self.resolution)

    def held_out(self, fit: Callable[[Floats, Floats], Predict]) -> Floats:
        """(N, epochs): predictions for each tenth of the candidates by what was fitted to the others."""
        folds = np.random.default_rng(0).permutation(len(self.table)) % _FOLDS
        found: Floats = np.empty(self.curves[0].shape)
        for fold in range(_FOLDS):
            there = folds == fold
            found[there] = fit(self.features[~there], self.curves[0, ~there])(self.features[there])
        return found


def orders(surrogate: Surrogate) -> list[Row]:
    """How well predictions order what they have not seen."""
    table, final = surrogate.table, surrogate.curves[0, :, -1]
    twice = np.isfinite(surrogate.curves).all((0, 2))
    rows: list[Row] = []
    for name, found, there in (
        ("trees", surrogate.held_out(trees)[:, -1], slice(None)),
        ("Gaussian processes", surrogate.held_out(process)[:, -1], slice(None)),
        ("flops alone", -table.flops, slice(None)),
        *((f"epoch {epoch}, as recorded", surrogate.curves[0, :, epoch - 1], slice(None)) for epoch in (1, 3, 6)),
        ("another seed, as recorded", surrogate.curves[1, :, -1], twice),
    ):
        of = found[there], final[there], table.flops[there]
        spread = np.corrcoef(of[0], of[1])[0, 1]
        rows.append({"by": name, "tau": tau(*of), "alike": tau(*of, ALIKE), "pearson": spread, "n": len(of[0])})
    return rows


def main(
    table: Annotated[str, typer.Argument(help="A table that is a sample.")] = "cifar10-16px",
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """How well a surrogate orders what it has not seen."""
    document = Document("front.surrogate", torch.device("cpu"), {"table": table})
    columns = [
        Column("by", "ordered by"),
        Column("tau", "tau", ".2f"),
        Column("alike", "tau at equal flops", ".2f"),
        Column("pearson", "correlation", ".2f"),
        Column("n", "candidates", ".0f"),
    ]
    found = Surrogate(table, load(table))
    document.table(f"{table}: final error", columns, orders(found))
    document.note(
        "tau: Kendall's, of predictions for each tenth by the other nine, with recorded final errors of one seed; "
        "at equal flops: over pairs within 10 %. Correlation: of the logarithms of errors."
    )
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
