"""Whether a search knows what its next trials bring: expected and actual growth of the hypervolume, in simulations.

    uv run python -m benchmarks.front.outlook --problem digits

Columns are shares of the hypervolume at that trial: what a model of errors expects of the next ones, what as many
before brought, the mean of both, which is what a search says (`pure_nas.plans.search.outlook`), and what they brought.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.command import run_command
from benchmarks.document import Column, Document
from benchmarks.front.__main__ import problem_named
from benchmarks.front.strategies import Forecasting
from pure_nas.analysis import pareto
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.forecast import Known
from pure_nas.forecast.proposal import likely_growth
from pure_nas.forecast.variation import Point
from pure_nas.plans.search.outlook import AHEAD

_EVERY = 10


def grown(problem_name: str, trials: int, seed: int) -> tuple[list[float], dict[int, float]]:
    """The hypervolume after each trial, as pages show it, and what the model expects of the next ones."""
    torch.set_num_threads(1)
    problem = problem_named(problem_name)
    strategy = Forecasting(problem, seed)
    largest = max(cost_of(each).flops for each in problem.space.largest_architectures())
    known: list[Known] = []
    begun: list[Point] = []
    ends: list[tuple[float, float]] = []
    volumes: list[float] = []
    expected: dict[int, float] = {}
    while len(begun) < trials:
        if len(begun) >= AHEAD and len(begun) % _EVERY == 0:
            trained = [point.params for point in begun]
            rng = np.random.default_rng([seed, len(begun)])
            forecast = strategy.after(known)
            expected[len(begun)] = likely_growth(forecast, AHEAD, lambda point: point.params in trained, rng)  # noqa: B023
        point = strategy.propose(known, begun)
        stops, curve = strategy.stops(known, point), problem.curve(point.candidate, seed)
        end = next((epoch for epoch, most in sorted(stops.items()) if curve[epoch - 1] > most), problem.epochs)
        begun.append(point)
        known.append(Known(point, curve[:end], end == problem.epochs))
        if end == problem.epochs:
            ends.append((curve[-1], float(cost_of(point.candidate.architecture).flops)))
        volumes.append(pareto.hypervolume(ends, (problem.worst, largest)) / problem.worst / largest if ends else 0.0)
    return volumes, expected


def main(
    problem: Annotated[str, typer.Option(help="analytic, or a table: digits, cifar10-16px.")] = "analytic",
    seeds: int = 8,
    trials: int = 120,
    processes: int = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Expected and actual growth."""
    document = Document("front.outlook", torch.device("cpu"), {"problem": problem, "seeds": seeds, "trials": trials})
    with ProcessPoolExecutor(processes) as pool:
        found = list(pool.map(partial(grown, problem, trials), range(seeds)))
    rows = []
    for after in range(AHEAD, trials - AHEAD + 1, _EVERY):
        now = [volumes[after - 1] for volumes, _ in found]
        model = [expected[after] / here for (_, expected), here in zip(found, now, strict=True)]
        before = [
            1 - volumes[after - 1 - AHEAD] / here if after > AHEAD else 1.0
            for (volumes, _), here in zip(found, now, strict=True)
        ]
        brought = [volumes[after + AHEAD - 1] / here - 1 for (volumes, _), here in zip(found, now, strict=True)]
        means = {name: statistics.fmean(each) for name, each in (("model", model), ("before", before))}
        rows.append({"after": after, **means, "said": sum(means.values()) / 2, "brought": statistics.fmean(brought)})
    columns = [
        Column("after", "after trial", "d"),
        Column("model", "model", ".2%"),
        Column("before", "before", ".2%"),
        Column("said", "said", ".2%"),
        Column("brought", "brought", ".2%"),
    ]
    document.table(f"{problem}: growth by the next {AHEAD} trials", columns, rows)
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
