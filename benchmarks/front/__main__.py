"""How much of the front a search finds for its cost, in simulations that take minutes.

    uv run python -m benchmarks.front
    uv run python -m benchmarks.front --problem digits --seeds 10 --budget 60

Costs are flops x epochs and epochs, in complete trainings (of mean flops). A ratio is what a search paid for the
hypervolume that both it and TPE, as Optuna 5 has it, reach within the budget, by what TPE paid for that.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
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
from benchmarks.front.columns import NOTE, columns, row
from benchmarks.front.moasha import INSTALLED as MOASHA_INSTALLED
from benchmarks.front.moasha import Moasha
from benchmarks.front.problems import Analytic, Problem, Recorded
from benchmarks.front.record import RECORDINGS
from benchmarks.front.recorded import load
from benchmarks.front.simulation import Simulated, Strategy, simulate
from benchmarks.front.strategies import Forecasting, OneEpoch, Random, Rungs, Sampled, Warm
from benchmarks.front.surrogate import Surrogate
from pure_nas.analysis.course import Course, Payment
from pure_nas.cost.layers import cost_of
from pure_nas.forecast.variation import random_point

RANDOM, REFERENCE, OURS = "random", "tpe", "forecast"
_SHARES = (0.1, 0.25, 0.5, 1.0)
_BY: tuple[Payment, ...] = ("work", "epochs")
_GAP = (Column("search", "search"), Column("volume", "volume", ".4f"), Column("closed", "of the gap", ".0%"))
_MEAN_OF = 200

STRATEGIES: dict[str, Callable[[Problem, int], Strategy]] = {
    RANDOM: Random,
    "tpe": Sampled,
    "nsga2": partial(Sampled, sampler="nsga2"),
    "gp": partial(Sampled, sampler="gp"),
    "one epoch, best 4 of 24": OneEpoch,
    "random + rungs": lambda problem, seed: Rungs(Random(problem, seed)),
    "tpe + rungs": lambda problem, seed: Rungs(Sampled(problem, seed)),
    "moasha": Moasha,
    "random + forecast stops": partial(Forecasting, proposals=False),
    "forecast, no stops": partial(Forecasting, chance=None),
    "forecast": Forecasting,
    "warm": Warm,
    "warm, 3 epochs": partial(Warm, epochs=3),
    "warm, errors permuted": partial(Warm, errors="permuted"),
    "warm, order reversed": partial(Warm, errors="reversed"),
}


def problem_named(name: str) -> Problem:
    """A table, a surrogate where the table is a sample, or the analytic space."""
    if name == "analytic":
        return Analytic()
    table = load(name)
    return Surrogate(name, table) if RECORDINGS[name].sample else Recorded(name, table)


def unit_of(problem: Problem) -> float:
    """Flops x epochs of a complete training, mean over the space."""
    if isinstance(problem, Recorded | Surrogate):
        return float(problem.table.flops.mean()) * problem.epochs
    rng = np.random.default_rng(0)
    flops = [cost_of(random_point(problem.space, rng).candidate.architecture).flops for _ in range(_MEAN_OF)]
    return statistics.fmean(flops) * problem.epochs


def searched(problem_name: str, strategy: str, seed: int, *, budget: float, lag: int, trials: int | None) -> Simulated:
    """One search."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    problem = problem_named(problem_name)
    made = STRATEGIES[strategy](problem, seed)
    return simulate(problem, made, budget, unit_of(problem), seed=seed, lag=lag, trials=trials)


def _gaps(found: Mapping[str, Sequence[Simulated]], ceiling: float) -> list[Row]:
    """How much of the way from random search to all that there is each one went."""
    ends = {name: statistics.fmean(each.course.found for each in searches) for name, searches in found.items()}
    gap = ceiling - ends[RANDOM]
    rows: list[Row] = [
        {"search": name, "volume": end, "closed": (end - ends[RANDOM]) / gap} for name, end in ends.items()
    ]
    return [*rows, {"search": "all that there is", "volume": ceiling, "closed": 1.0}]


def _seconds_per_trial(course: Course) -> float:
    return course.paid["time"][-1] / len(course.volume)


def main(
    problem: Annotated[str, typer.Option(help="analytic, or a table: digits, cifar10-16px.")] = "analytic",
    strategies: Annotated[str, typer.Option(help=f"All, or some of: {'; '.join(STRATEGIES)}.")] = "all",
    seeds: int = 10,
    budget: Annotated[float, typer.Option(help="In complete trainings of mean flops.")] = 60.0,
    reference: Annotated[str, typer.Option(help="The one of them that ratios are to.")] = REFERENCE,
    lag: Annotated[int, typer.Option(help="Trials whose results are not known yet when one begins.")] = 0,
    trials: Annotated[int | None, typer.Option(help="End after so many: how much of the gap is closed?")] = None,
    processes: int = 2,
    quick: Annotated[bool, typer.Option(help="Two short searches: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Hypervolume against cost."""
    if quick:
        problem, strategies, seeds, budget, processes = "analytic", "tpe; forecast", 1, 12.0, 1
    names = [name.strip() for name in strategies.split(";")]
    if strategies == "all":
        names = [name for name in STRATEGIES if MOASHA_INSTALLED or name != "moasha"]
    settings = {"problem": problem, "seeds": seeds, "budget": budget, "lag": lag, "trials": trials}
    document = Document("front", torch.device("cpu"), settings)
    with ProcessPoolExecutor(processes) as pool:
        search = partial(searched, problem, budget=budget, lag=lag, trials=trials)
        found = {name: list(pool.map(partial(search, name), range(seeds))) for name in names}
    others = [each.course for each in found[reference]]
    places = {f"{share * budget:g}": [share * budget] * seeds for share in _SHARES}
    rows: list[Row] = [
        {
            **row(name, [each.course for each in searches], others, places, _BY),
            "wrong": sum(each.wrong for each in searches) / max(sum(each.stopped for each in searches), 1),
            "milliseconds": 1000 * statistics.fmean(_seconds_per_trial(each.course) for each in searches),
        }
        for name, searches in found.items()
    ]
    if trials is not None and RANDOM in found:
        document.table(f"{problem}: after {trials} trials", _GAP, _gaps(found, problem_named(problem).ceiling))
    document.table(
        f"{problem}: hypervolume by cost",
        [*columns(list(places), _BY), Column("wrong", "wrong stops", ".1%"), Column("milliseconds", "ms", ".0f")],
        rows,
    )
    document.note(
        f"Mean hypervolume of {seeds} seeds after so many complete trainings of mean flops. {NOTE.format(reference)} "
        "wrong stops: would have entered the front. ms: of the search for a trial."
    )
    ours = next((each for each in rows if each["search"] == OURS), None)
    if ours is not None:
        document.target(Target("flops x epochs to equal hypervolume, by TPE's", ours["work_ratio"], "at most", 0.25))
        document.target(Target("epochs to equal hypervolume, by TPE's", ours["epochs_ratio"], "at most", 0.5))
        document.target(Target("wrong stops", ours["wrong"], "at most", 0.05))
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
