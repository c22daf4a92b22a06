"""New candidates of a space: drawn at random, or from candidates that did well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pure_nas.space.axis import Axis, Spread, Value
from pure_nas.space.candidate import Candidate
from pure_nas.space.parameters import Draw, Walk
from pure_nas.space.search_space import SearchSpace

_STEP = 0.15
"""Standard deviation of a mutation of a number, as a share of its range."""
_CHANGES = 2.0
"""Parameters that a mutation changes, on average."""


def random_candidate(space: SearchSpace, rng: np.random.Generator) -> Candidate:
    """Every parameter drawn on its own."""
    return Walk(_drawing({}, 0.0, rng), space).candidate()


def mutation(space: SearchSpace, parent: Candidate, rng: np.random.Generator) -> Candidate:
    """A candidate that differs from `parent` in a few parameters."""
    params = space.parameters_of(parent).params
    return Walk(_drawing(params, _CHANGES / max(len(params), 1), rng), space).candidate()


def crossing(space: SearchSpace, first: Candidate, second: Candidate, rng: np.random.Generator) -> Candidate:
    """A candidate that has each parameter of one parent or the other."""
    params = [space.parameters_of(each).params for each in (first, second)]
    names = dict.fromkeys([*params[0], *params[1]])
    chosen: dict[str, Value] = {}
    for name in names:
        holding = [each for each in params if name in each]
        chosen[name] = holding[int(rng.integers(len(holding)))][name]
    return Walk(_drawing(chosen, 0.0, rng), space).candidate()


def _drawing(given: Mapping[str, Value], change: float, rng: np.random.Generator) -> Draw:
    """Answers with what is given, which it changes with some probability, and draws the rest."""

    def draw(path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        if axis.fixed:
            return spread(axis.choices[0])
        if path not in given:
            return spread(_drawn(axis, rng))
        return spread(_moved(axis, given[path], rng) if rng.random() < change else given[path])

    return draw


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
