"""How much of the front a search finds for its cost, in simulations that take minutes.

    uv run python -m benchmarks.front
    uv run python -m benchmarks.front --problem digits --seeds 10 --budget 60

Costs are flops x epochs and epochs, in complete trainings (of mean flops). A ratio is what a search paid for the
hypervolume that TPE, as Optuna 5 has it, reaches at the end of the budget.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import optuna
import torch
import typer

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Row, Target
from benchmarks.front.problems import Analytic, Problem, Recorded
from benchmarks.front.recorded import load
from benchmarks.front.simulation import Strategy, Trace, simulate
from benchmarks.front.strategies import Forecasting, OneEpoch, Random, Rungs, Sampled, Warm
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.variation import random_point

STRATEGIES: dict[str, Callable[[Problem, int], Strategy]] = {
    "random": Random,
    "tpe": Sampled,
    "nsga2": partial(Sampled, sampler="nsga2"),
    "one epoch, best 4 of 24": OneEpoch,
    "random + rungs": lambda problem, seed: Rungs(Random(problem, seed)),
    "tpe + rungs": lambda problem, seed: Rungs(Sampled(problem, seed)),
    "random + forecast stops": partial(Forecasting, proposals=False),
    "forecast, no stops": partial(Forecasting, chance=None),
    "forecast": Forecasting,
    "warm": Warm,
    "warm, 3 epochs": partial(Warm, epochs=3),
    "warm, errors permuted": partial(Warm, errors="permuted"),
    "warm, order reversed": partial(Warm, errors="reversed"),
}
REFERENCE, OURS = "tpe", "forecast"
_SHARES = (0.1, 0.25, 0.5, 1.0)
_MEAN_OF = 200


def problem_named(name: str) -> Problem:
    """A table, or the analytic space."""
    return Analytic() if name == "analytic" else Recorded(name, load(name))


def unit_of(problem: Problem) -> float:
    """Flops x epochs of a complete training, mean over the space."""
    if isinstance(problem, Recorded):
        return float(problem.table.flops.mean()) * problem.epochs
    rng = np.random.default_rng(0)
    flops = [cost_of(random_point(problem.space, rng).candidate.architecture).flops for _ in range(_MEAN_OF)]
    return statistics.fmean(flops) * problem.epochs


def traces(problem_name: str, strategy: str, budget: float, lag: int, seed: int) -> Trace:
    """One search."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = problem_named(problem_name)
    return simulate(problem, STRATEGIES[strategy](problem, seed), budget, unit_of(problem), seed=seed, lag=lag)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median, by order statistics of 2,000 resamples; infinite values stay."""
    rng, found = np.random.default_rng(0), np.array(values)
    medians = np.median(found[rng.integers(len(found), size=(2_000, len(found)))], 1)
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    return float(low), float(high)


def main(
    problem: Annotated[str, typer.Option(help="analytic, or a table: digits, cifar10-16px.")] = "analytic",
    strategies: Annotated[str, typer.Option(help=f"All, or some of: {'; '.join(STRATEGIES)}.")] = "all",
    seeds: int = 10,
    budget: Annotated[float, typer.Option(help="In complete trainings of mean flops.")] = 60.0,
    reference: Annotated[str, typer.Option(help="The one of them that ratios are to.")] = REFERENCE,
    lag: Annotated[int, typer.Option(help="Trials whose results are not known yet when one begins.")] = 0,
    processes: int = 2,
    quick: Annotated[bool, typer.Option(help="Two short searches: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Hypervolume against cost."""
    if quick:
        problem, strategies, seeds, budget, processes = "analytic", "tpe; forecast", 1, 12.0, 1
    names = list(STRATEGIES) if strategies == "all" else [name.strip() for name in strategies.split(";")]
    document = Document(
        "front", torch.device("cpu"), {"problem": problem, "seeds": seeds, "budget": budget, "lag": lag}
    )
    with ProcessPoolExecutor(processes) as pool:
        found = {name: list(pool.map(partial(traces, problem, name, budget, lag), range(seeds))) for name in names}
    rows = [_row(name, each, budget, found[reference]) for name, each in found.items()]
    columns = [Column("search", "search")]
    columns += [Column(f"at_{share}", f"{share * budget:g}", ".4f") for share in _SHARES]
    columns += [
        Column("cost_ratio", "x cost", ".2f"),
        Column("cost_interval", "95 %"),
        Column("epochs_ratio", "x epochs", ".2f"),
        Column("trials", "trials", ".0f"),
        Column("wrong", "wrong stops", ".1%"),
        Column("milliseconds", "ms", ".0f"),
    ]
    document.table(f"{problem}: hypervolume by cost", columns, rows)
    document.note(
        f"Mean hypervolume of {seeds} seeds after so many complete trainings of mean flops. x cost, x epochs: paid for "
        f"what {reference} ends with, of the same seed, by what it had paid when it first had that; medians of flops x "
        "epochs and of epochs. wrong stops: would have entered the front. ms: of the search for a trial."
    )
    ours = next((row for row in rows if row["search"] == OURS), None)
    if ours is not None:
        document.target(Target("flops x epochs to equal hypervolume, by TPE's", ours["cost_ratio"], "at most", 0.25))
        document.target(Target("epochs to equal hypervolume, by TPE's", ours["epochs_ratio"], "at most", 0.5))
        document.target(Target("wrong stops", ours["wrong"], "at most", 0.05))
    document.write(json_file)


def _row(name: str, found: Sequence[Trace], budget: float, reference: Sequence[Trace]) -> Row:
    pairs = [(trace, other, other.volume[-1]) for trace, other in zip(found, reference, strict=True)]
    ratios = [trace.cost_at(goal) / other.cost_at(goal) for trace, other, goal in pairs]
    epochs = [trace.cost_at(goal, "epochs") / other.cost_at(goal, "epochs") for trace, other, goal in pairs]
    low, high = interval(ratios)
    stopped = sum(trace.stopped for trace in found)
    return {
        "search": name,
        **{f"at_{share}": statistics.fmean(trace.volume_at(share * budget) for trace in found) for share in _SHARES},
        "cost_ratio": statistics.median(ratios),
        "cost_interval": f"{low:.2f}-{high:.2f}",
        "epochs_ratio": statistics.median(epochs),
        "trials": statistics.fmean(len(trace.cost) for trace in found),
        "stopped": stopped / len(found),
        "wrong": sum(trace.wrong for trace in found) / stopped if stopped else 0.0,
        "milliseconds": 1000 * statistics.fmean(trace.seconds for trace in found),
    }


if __name__ == "__main__":
    run_command(main)
