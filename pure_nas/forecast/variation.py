"""New points of a space: drawn at random, or from points that did well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pure_nas.space.axis import Axis, Spread, Value
from pure_nas.space.candidate import Candidate
from pure_nas.space.parameters import Walk
from pure_nas.space.search_space import SearchSpace

_STEP = 0.15
"""Standard deviation of a mutation of a number, as a share of its range."""
_CHANGES = 2.0
"""Parameters that a mutation changes, on average."""


class Point(NamedTuple):
    """A candidate, and its parameters as Optuna records them."""

    candidate: Candidate
    params: Mapping[str, Value]


def point_of(space: SearchSpace, candidate: Candidate) -> Point:
    """The point at which a candidate lies; what of it is outside the space is no parameter."""
    return Point(candidate, space.parameters_of(candidate).params)


def point_with(space: SearchSpace, params: Mapping[str, Value]) -> Point:
    """The point with these parameters, as `point_of` found them."""
    return _varied(space, params, 0.0, np.random.default_rng(0))


def random_point(space: SearchSpace, rng: np.random.Generator) -> Point:
    """Every parameter drawn on its own."""
    return _varied(space, {}, 0.0, rng)


def mutation(space: SearchSpace, parent: Point, rng: np.random.Generator) -> Point:
    """A point that differs from `parent` in a few parameters."""
    return _varied(space, parent.params, _CHANGES / max(len(parent.params), 1), rng)


def crossing(space: SearchSpace, first: Point, second: Point, rng: np.random.Generator) -> Point:
    """A point that has each parameter of one parent or the other, and few that neither has."""
    chosen: dict[str, Value] = {}
    for name in dict.fromkeys([*first.params, *second.params]):
        holding = [each.params for each in (first, second) if name in each.params]
        chosen[name] = holding[int(rng.integers(len(holding)))][name]
    return _varied(space, chosen, _CHANGES / max(len(chosen), 1), rng)


def _varied(space: SearchSpace, given: Mapping[str, Value], change: float, rng: np.random.Generator) -> Point:
    """Takes what is given, which it changes with some probability, and draws the rest."""
    params: dict[str, Value] = {}

    def draw(path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        if axis.fixed:
            return spread(axis.choices[0])
        if path not in given:
            params[path] = _drawn(axis, rng)
        else:
            params[path] = _moved(axis, given[path], rng) if rng.random() < change else given[path]
        return spread(params[path])

    return Point(Walk(draw, space).candidate(), params)


def _drawn(axis: Axis[Any], rng: np.random.Generator) -> Any:
    if axis.scale is None:
        return axis.choices[int(rng.integers(len(axis.choices)))]
    return _placed(axis, rng.random())


def _moved(axis: Axis[Any], value: Any, rng: np.random.Generator) -> Any:
    """Another value: of a range one nearby, of choices any other."""
    if axis.scale is None:
        others = [each for each in axis.choices if each != value]
        return others[int(rng.integers(len(others)))]
    low, high = axis.choices
    if isinstance(low, float):
        place = (math.log(value / low) / math.log(high / low)) if axis.scale == "log" else (value - low) / (high - low)
        return _placed(axis, float(np.clip(place + _STEP * rng.standard_normal(), 0.0, 1.0)))
    near = [each for each in (value - 1, value + 1) if low <= each <= high]
    return near[int(rng.integers(len(near)))]


def _placed(axis: Axis[Any], place: float) -> Any:
    """The value of a range at a place from 0 to 1."""
    low, high = axis.choices
    if not isinstance(low, float):
        return min(low + int(place * (high - low + 1)), high)
    value = low * (high / low) ** place if axis.scale == "log" else low + (high - low) * place
    return min(max(value, low), high)
