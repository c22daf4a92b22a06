"""Networks of one unit that a search trains too, for others to be compared with."""

from __future__ import annotations

from typing import NamedTuple

from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit

FIRST_BASELINES = 2
_EVERY = 4


class Baseline(NamedTuple):
    """A candidate to compare with; the label says its unit, size and recipe: "conv small, usual recipe"."""

    label: str
    candidate: Candidate


def baselines(space: SearchSpace) -> list[Baseline]:
    """All-conv and all-product networks, by the recipe usual for the unit and by a shared one: the rate can decide."""
    networks = [(label, network, network.units[0][0]) for label, network in space.baseline_architectures()]
    shared = space.baseline_recipe([get_unit(name) for name in dict.fromkeys(unit for _, _, unit in networks)])
    found: list[Baseline] = []
    for label, network, unit in networks:
        usual = space.baseline_recipe([get_unit(unit)])
        found.append(Baseline(f"{label}, usual recipe", Candidate(network, usual)))
        if usual != shared:
            found.append(Baseline(f"{label}, shared recipe", Candidate(network, shared)))
    return found


def is_turn_of_a_baseline(number: int) -> bool:
    """Whether a trial is one, as long as there are any: cheap ones come first; large ones would hold up the search."""
    return number < FIRST_BASELINES or number % _EVERY == 0
