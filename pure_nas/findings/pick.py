"""Choosing one network of a search: with a reason, what it beats, and how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pure_nas.analysis import pareto
from pure_nas.analysis.standing import Standing
from pure_nas.analysis.statistics import Paired, mcnemar
from pure_nas.errors import UsageError, nearest
from pure_nas.quantities import counted, show_cost, show_percent, show_points
from pure_nas.run.confidence import front_standings
from pure_nas.run.directory import RunDirectory
from pure_nas.run.hits import read_hits
from pure_nas.run.search_results import Results, TrialRecord, load_results

COSTS = ("params", "flops", "latency", "memory")

Costs = Callable[[TrialRecord, str], float]  # one of COSTS of a trial, whether or not it was an objective


@dataclass(frozen=True, kw_only=True)
class Wish:
    """By what a network is chosen: costs that it keeps, then at most one rule.

    Without a rule it is the one with the lowest error that keeps the limits; without limits either, the knee.
    """

    trial: str | None = None  # "best", "knee", "smallest" or a number
    limits: Mapping[str, float] = field(
        default_factory=dict
    )  # by one of COSTS, the most; latency in ms, memory in bytes
    within: float | None = None  # the cheapest whose error is at most so much above the lowest, as a share
    one_se: bool = False  # the cheapest whose error is within a standard error of the lowest
    weights: Mapping[str, float] = field(default_factory=dict)  # by objective or cost: the lowest weighted sum

    def __post_init__(self) -> None:
        rules = {
            "trial": self.trial is not None,
            "within": self.within is not None,
            "one-se": self.one_se,
            "weights": bool(self.weights),
        }
        if sum(rules.values()) > 1:
            given = " and ".join(f"--{name}" for name, is_given in rules.items() if is_given)
            raise UsageError(
                f"A network is chosen by one rule, not by {given}.", hint="Limits may go with any of them."
            )
        for name, bound in self.limits.items():
            if name not in COSTS:
                raise UsageError(f'There is no limit on "{name}"; {nearest(name, COSTS)}.')
            if not 0 < bound < math.inf:
                raise UsageError(f"The limit on {name} cannot be {bound:g}.", hint="Give a number above 0.")
        if self.within is not None and not 0 <= self.within < 1:
            raise UsageError(
                f"No error can be within {self.within:g} of the lowest.", hint="Give a share, such as 0.01 for a point."
            )
        for name, weight in self.weights.items():
            if name != "error" and name not in COSTS:
                raise UsageError(f'There is no weight of "{name}"; {nearest(name, ("error", *COSTS))}.')
            if not 0 < weight < math.inf:
                raise UsageError(f"The weight of {name} cannot be {weight:g}.", hint="Give a number above 0.")


@dataclass(frozen=True, kw_only=True)
class Rival:
    """Another network next to the one that was picked.

    Attributes:
        role: "cheaper" or "dearer" on the front, or the baseline that it is.
        paired: the pick against it on the same validation images; None where these are not known.
    """

    role: str
    trial: TrialRecord
    paired: Paired | None


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A network of a search, and why it.

    Attributes:
        why: the rule, as a clause that follows "trial 7 is".
        costs: what it costs, params and FLOPs first, then what was limited or weighed.
        keeping: complete trials that keep the limits.
        beaten: those of them that are nowhere better and somewhere worse, in error and the costs above.
    """

    run: str
    trial: TrialRecord
    why: str
    costs: Mapping[str, float]
    limits: Mapping[str, float]
    keeping: int
    complete: int
    beaten: int
    rivals: tuple[Rival, ...]
    standing: Standing | None

    @property
    def sure(self) -> str:
        """How sure its error and its place are, in words."""
        if self.standing is None:
            return "The run does not say how many images it was validated on, so that nothing tells how sure this is."
        found = self.standing
        interval = f"{100 * found.low:.2f} to {show_percent(found.high)}"
        return (
            f"Error {show_percent(found.error)} ({interval}, 95 %, {counted(found.seeds, 'seed')}); on the front in "
            f"{show_percent(found.on_front, 0)} of resamples."
        )


def pick(run: RunDirectory, wish: Wish, costs: Costs) -> Pick:
    """Choose a network; that none keeps the limits is a `UsageError` that names the nearest."""
    results = load_results(run)
    return _Choice(run, results, wish, costs).made


@dataclass(frozen=True)
class _Choice:
    run: RunDirectory
    results: Results
    wish: Wish
    costs: Costs

    @cached_property
    def own(self) -> list[TrialRecord]:
        """The complete trials without those that repeat others."""
        return [trial for trial in self.results.require_complete() if trial.replay_of is None]

    @cached_property
    def keeping(self) -> list[TrialRecord]:
        return [trial for trial in self.own if self._excess(trial) <= 0]

    @property
    def made(self) -> Pick:
        self._require_some()
        trial, why = self._chosen()
        kept = [f"{show_cost(name, bound)} {name}" for name, bound in self.wish.limits.items()]
        named = dict.fromkeys(("params", "flops", *self.wish.limits, *self.wish.weights))
        named.pop("error", None)
        standing = front_standings(self.run, self.results.objective_names, self.results.trials).get(trial.trained)
        beaten = [other for other in self.keeping if pareto.dominates(self._point(trial), self._point(other))]
        return Pick(
            run=str(self.run.path),
            trial=trial,
            why=f"{why}{f' with at most {_listed(kept)}' if kept else ''}",
            costs={name: self.costs(trial, name) for name in named},
            limits=self.wish.limits,
            keeping=len(self.keeping),
            complete=len(self.own),
            beaten=len(beaten),
            rivals=tuple(self._rivals(trial)),
            standing=standing,
        )

    def _chosen(self) -> tuple[TrialRecord, str]:
        wish, cheapest = self.wish, self._cheapest
        best = min(self.keeping, key=lambda trial: (trial.error, self._cost(trial)))
        lowest = f"the lowest, {show_percent(best.error)} of trial {best.number}"
        if wish.within is not None:
            found = cheapest(best.error + wish.within)
            return found, f"the cheapest whose error is within {100 * wish.within:g} points of {lowest},"
        if wish.one_se:
            spread = self._standard_error(best)
            found = cheapest(best.error + spread)
            return (
                found,
                f"the cheapest whose error is within a standard error ({show_points(spread)} points) of {lowest},",
            )
        if wish.weights:
            return self._weighed()
        if wish.trial is not None:
            return self._named(wish.trial)
        if wish.limits:
            return best, f"the one with the lowest error of {counted(len(self.keeping), 'complete trial')}"
        return self._named("knee")

    def _named(self, which: str) -> tuple[TrialRecord, str]:
        found = self.results.select(which)
        if self._excess(found) > 0:
            broken = [
                f"{show_cost(name, self.costs(found, name))} {name}, over {show_cost(name, bound)}"
                for name, bound in self.wish.limits.items()
                if self.costs(found, name) > bound
            ]
            raise UsageError(
                f"Trial {found.number}, which is {which}, has {_listed(broken)}.",
                hint="Leave --trial out: the one with the lowest error that keeps the limits is chosen then.",
            )
        why = {
            "knee": "the knee of the front: from it on, more cost buys little accuracy,",
            "best": "the most accurate of the front",
            "smallest": "the cheapest of the front",
        }
        return found, why.get(which, "the one that was asked for")

    def _weighed(self) -> tuple[TrialRecord, str]:
        values = {name: [self._value(trial, name) for trial in self._front] for name in self.wish.weights}
        ranges = {name: (min(column), max(column)) for name, column in values.items()}

        def total(trial: TrialRecord) -> float:
            return sum(
                weight * (self._value(trial, name) - low) / (high - low)
                for name, weight in self.wish.weights.items()
                for low, high in [ranges[name]]
                if high > low
            )

        names = [f"{weight:g} x {name}" for name, weight in self.wish.weights.items()]
        scaled = "each from 0 to 1 over the front, costs by their logarithm"
        found = min(self._front, key=lambda trial: (total(trial), trial.error))
        return found, f"the one with the least sum of {_listed(names)} ({scaled})"

    def _value(self, trial: TrialRecord, name: str) -> float:
        return trial.error if name == "error" else math.log(max(self.costs(trial, name), 1e-12))

    @cached_property
    def _front(self) -> list[TrialRecord]:
        """Of those that keep the limits, in error and cost, cheapest first."""
        points = [self._point(trial) for trial in self.keeping]
        return sorted((self.keeping[place] for place in pareto.front(points)), key=self._cost)

    def _rivals(self, chosen: TrialRecord) -> Iterable[Rival]:
        cheaper = [trial for trial in self._front if self._cost(trial) < self._cost(chosen)]
        dearer = [
            trial for trial in self._front if self._cost(trial) > self._cost(chosen) and trial.error < chosen.error
        ]
        found = [("cheaper", each) for each in cheaper[-1:]] + [("dearer", each) for each in dearer[:1]]
        found += [(each.baseline, each) for each in self.results.baselines_within(chosen).values()]
        ours = read_hits(self.run.trial(chosen.trained))
        for role, trial in found:
            theirs = read_hits(self.run.trial(trial.trained))
            same = ours is not None and theirs is not None and ours.same_images(theirs)
            if trial.trained != chosen.trained:
                paired = mcnemar(ours.right, theirs.right) if same and ours and theirs else None
                yield Rival(role=role, trial=trial, paired=paired)

    def _require_some(self) -> None:
        if self.keeping:
            return
        closest = min(self.own, key=lambda trial: (self._excess(trial), trial.error))
        asked = _listed([f"{show_cost(name, bound)} {name}" for name, bound in self.wish.limits.items()])
        has = _listed([f"{show_cost(name, self.costs(closest, name))} {name}" for name in self.wish.limits])
        raise UsageError(
            f"None of {counted(len(self.own), 'complete trial')} has at most {asked}; the nearest is trial "
            f"{closest.number}, with {has} and an error of {show_percent(closest.error)}.",
            hint="Raise a limit, or search again with --max-params or --max-flops.",
        )

    def _excess(self, trial: TrialRecord) -> float:
        """How far it is over its limits: the sum of logarithms; at most 0 where it keeps them."""
        over = (math.log(max(self.costs(trial, name), 1e-12) / bound) for name, bound in self.wish.limits.items())
        return sum(max(each, 0.0) for each in over)

    def _cheapest(self, most: float) -> TrialRecord:
        return min(
            (trial for trial in self.keeping if trial.error <= most + 1e-12),
            key=lambda trial: (self._cost(trial), trial.error),
        )

    def _cost(self, trial: TrialRecord) -> tuple[float, ...]:
        return self.results.costs(trial)

    def _point(self, trial: TrialRecord) -> tuple[float, ...]:
        return trial.error, *self._cost(trial)

    def _standard_error(self, trial: TrialRecord) -> float:
        """Of its error: between its seeds where it has several, else of drawing the validation images."""
        errors = trial.errors
        if len(errors) > 1:
            return statistics.stdev(errors) / math.sqrt(len(errors))
        images = (self.run.settings().get("data") or {}).get("validation")
        if not images:
            raise UsageError(
                "The run does not say how many images it was validated on, so that the standard error is not known.",
                hint="Use --within 1pt.",
            )
        return math.sqrt(max(trial.error * (1 - trial.error), 0.25 / images) / images)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def measured_costs(device: str) -> Costs:
    """Costs of trials: parameters and FLOPs as they were counted, latency (milliseconds) and memory (bytes) measured on
    `device`, each network once."""
    known: dict[tuple[str, str], float] = {}

    def cost(trial: TrialRecord, name: str) -> float:
        if name in ("params", "flops"):
            return trial.cost[name]
        architecture = trial.candidate.architecture.canonical()
        key = architecture.digest, name
        if key not in known:
            # PyTorch takes seconds to import, and is needed for these alone.
            from pure_nas.cost.measure import activation_bytes, latency_ms
            from pure_nas.devices import resolve_device
            from pure_nas.nn.network import build

            shape = architecture.in_chans, architecture.image_size, architecture.image_size
            network = build(architecture)
            if name == "memory":
                known[key] = float(activation_bytes(network, shape))
            else:
                known[key] = latency_ms(network, shape, resolve_device(device))
        return known[key]

    return cost


def weights_of(text: str) -> dict[str, float]:
    """Weights from a text such as "error=2,flops=1"; none for an empty one."""
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, equals, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError as error:
            raise UsageError(f'"{part}" is not a weight.', hint="Write them as error=2,flops=1.") from error
        if not equals:
            raise UsageError(f'"{part}" is not a weight.', hint="Write them as error=2,flops=1.")
    return found
