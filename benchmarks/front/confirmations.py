"""What confirming a front is worth: the same budget spent on candidates alone, or a fifth of it on further seeds.

    uv run python -m benchmarks.front.confirmations

Final errors are drawn around the means of recorded trainings, by the variance between seeds that these show, so that
what a network truly reaches is known. Half of a search's candidates are random, half are near the front, as a search
finds them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
import typer

from benchmarks.front.recorded import Floats, Table, load
from pure_nas.analysis import pareto
from pure_nas.analysis.standing import Measured, standings
from pure_nas.findings.race import box_of
from pure_nas.plans.search.confirmations import MOST_SEEDS, SURE

_NEAR = 0.1  # share of candidates that are near the front


@dataclass(frozen=True)
class Outcome:
    """What a search says, against what is true.

    Attributes:
        best: true error of the network that is said to have the lowest.
        optimism: how much lower it is said to be.
        volume: hypervolume of the true errors of the networks that are said to be the front.
        right: share of those that are on the true front of what was trained.
        chance: mean chance of being on the front that these are said to have.
    """

    best: float
    optimism: float
    volume: float
    right: float
    chance: float


def searched(table: Table, trials: int, confirmations: int, seed: int) -> Outcome:
    rng = np.random.default_rng([seed, trials])
    images = int(table.header["validation"])
    recorded = table.errors[:, :, -1]
    usable = np.flatnonzero(np.isfinite(recorded).all(0) & (recorded < table.worst).all(0))
    means, flops = recorded[:, usable].mean(0), table.flops[usable]
    factor = ((recorded[0, usable] - recorded[1, usable]) ** 2 / 2).mean() / (means * (1 - means) / images).mean()
    chosen = _candidates(means, flops, trials - confirmations, rng)
    truth, cost = means[chosen], flops[chosen]
    deviation = np.sqrt(factor * truth * (1 - truth) / images)

    def trained(place: int) -> float:
        return float(np.clip(truth[place] + deviation[place] * rng.standard_normal(), 0, 1))

    errors = [[trained(place)] for place in range(len(chosen))]
    for _ in range(confirmations):
        doubts = {
            place: min(chance, 1 - chance)
            for place, chance in enumerate(_chances(errors, cost, images, seed))
            if len(errors[place]) < MOST_SEEDS
        }
        place = max(doubts, key=lambda each: doubts[each])
        if doubts[place] < SURE:
            break
        errors[place].append(trained(place))
    return _outcome(table, errors, truth, cost, _chances(errors, cost, images, seed))


def _candidates(means: Floats, flops: Floats, count: int, rng: np.random.Generator) -> np.ndarray:
    lowest = np.array([means[flops <= most].min() for most in flops])
    near = np.argsort(means / lowest)[: int(_NEAR * len(means))]
    half = rng.choice(near, count // 2, replace=False)
    others = np.setdiff1d(np.arange(len(means)), half)
    return np.concatenate([half, rng.choice(others, count - len(half), replace=False)])


def _chances(errors: Sequence[Sequence[float]], cost: Floats, images: int, seed: int) -> list[float]:
    networks = [Measured(errors=tuple(each), others=(at,)) for each, at in zip(errors, cost.tolist(), strict=True)]
    return [each.on_front for each in standings(networks, images, np.random.default_rng(seed))]


def _outcome(
    table: Table, errors: Sequence[Sequence[float]], truth: Floats, cost: Floats, chances: Sequence[float]
) -> Outcome:
    said = np.array([statistics.fmean(each) for each in errors])
    front = pareto.front(np.column_stack([said, cost]))
    true_front = set(pareto.front(np.column_stack([truth, cost])))
    on_it = np.array([place in true_front for place in range(len(truth))])
    best = front[0]
    return Outcome(
        best=float(truth[best]),
        optimism=float(truth[best] - said[best]),
        volume=box_of(table.space, table.worst).share(zip(cost[front], truth[front], strict=True)),
        right=float(on_it[front].mean()),
        chance=float(np.array(chances)[front].mean()),
    )


def main(
    problem: Annotated[str, typer.Option(help="A table of recorded trainings.")] = "digits",
    trials: int = 60,
    share: Annotated[float, typer.Option(help="Of the trials that confirm others.")] = 0.2,
    searches: int = 200,
) -> None:
    """Means over searches, with their standard errors."""
    table = load(problem)
    for name, confirmations in (("candidates alone", 0), ("confirmed", round(share * trials))):
        found = [searched(table, trials, confirmations, seed) for seed in range(searches)]
        columns = {each.name: [getattr(outcome, each.name) for outcome in found] for each in fields(Outcome)}
        texts = (
            f"{column} {statistics.fmean(values):.4f} ± {statistics.stdev(values) / len(values) ** 0.5:.4f}"
            for column, values in columns.items()
        )
        typer.echo(f"{name}: {', '.join(texts)}")


if __name__ == "__main__":
    typer.run(main)
