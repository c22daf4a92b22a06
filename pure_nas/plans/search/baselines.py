"""The networks that every search is compared with, trained before anything is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit


@dataclass(frozen=True)
class Baseline:
    """A candidate to compare with.

    Attributes:
        label: the unit, the size and the recipe: "conv small, usual recipe".
    """

    label: str
    candidate: Candidate


def baselines(space: SearchSpace) -> list[Baseline]:
    """All-conv and all-product networks at the space's smallest, middle and largest depth.

    Each is trained twice: by the recipe usual for its unit, and by one shared recipe between them, because the
    learning rate alone can decide such a race.
    """
    networks = space.baseline_architectures()
    units = [get_unit(name) for name in dict.fromkeys(architecture.units[0][0] for _, architecture in networks)]
    shared = space.baseline_recipe(units)
    found: list[Baseline] = []
    for label, architecture in networks:
        usual = space.baseline_recipe([get_unit(architecture.units[0][0])])
        found.append(Baseline(f"{label}, usual recipe", Candidate(architecture, usual)))
        if usual != shared:
            found.append(Baseline(f"{label}, shared recipe", Candidate(architecture, shared)))
    return found
