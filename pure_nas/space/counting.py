"""How many architectures a space holds, without listing them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import comb, prod

from pure_nas.space.architecture import SETTINGS, Architecture
from pure_nas.space.axis import UnitsAxis, expand
from pure_nas.space.parameters import ALWAYS_DRAWN
from pure_nas.space.toml_tables import ArchitectureTable
from pure_nas.space.unit import settings_read

Names = frozenset[str]
Alive = tuple[str, ...]  # what may still be chosen: patterns that fit all stages so far, or the network's one unit


def count_architectures(axes: ArchitectureTable) -> int:
    """Distinct architectures, as `Architecture.canonical` tells them apart; a range of floats counts once."""
    shapes: int = prod(axes[name].count for name in ALWAYS_DRAWN if name != "bottleneck") * _skip_choices(axes)
    blocks = axes.blocks_per_stage
    if blocks.per == "network":
        return shapes * sum(_with_settings(axes, [[each]] * axes.stages) for each in blocks.at(0).values)
    return shapes * _with_settings(axes, [blocks.at(stage).values for stage in range(axes.stages)])


def _skip_choices(axes: ArchitectureTable) -> int:
    """Distinct kinds of blocks and skips, which depend on neither units nor depth."""
    kinds = product(axes["bottleneck"].values, axes["shortcut"].values)
    unit, blocks = axes.units.names[0], (1,) * axes.stages
    variants = (Architecture.uniform(unit, blocks, bottleneck=kind, shortcut=skip) for kind, skip in kinds)
    return len({variant.canonical() for variant in variants})


def _with_settings(axes: ArchitectureTable, blocks: Sequence[Sequence[int]]) -> int:
    """Placements and the settings that their units read, where stages have a choice of these `blocks`."""
    # What is kept of the stages so far decides which settings count: what may still be chosen, and which units occur.
    choices_of_units = axes.units.axis.values
    starts = [(name,) for name in choices_of_units] if axes.units.per == "network" else [choices_of_units]
    states: Counter[tuple[Alive, Names]] = Counter({(alive, frozenset()): 1 for alive in starts})
    for stage, choices in enumerate(blocks):
        following: Counter[tuple[Alive, Names]] = Counter()
        for (alive, used), ways in states.items():
            for length in choices:
                for left, names, placements in _placements(axes.units, alive, stage, length):
                    following[left, used | names] += ways * placements * _thresholds(axes, "stage", stage, names)
        states = following
    total = 0
    for (_, used), ways in states.items():
        others = prod(axes[name].count for name in SETTINGS if name in settings_read(used))
        total += ways * others * _thresholds(axes, "network", 0, used)
    return total


def _placements(units: UnitsAxis, alive: Alive, stage: int, length: int) -> Iterator[tuple[Alive, Names, int]]:
    """What is left to choose from, the units that occur and in how many ways, for one stage of `length` blocks."""
    match units.per:
        case "layer":
            for kinds in range(1, min(length, len(alive)) + 1):
                for names in combinations(alive, kinds):
                    yield alive, frozenset(names), _surjections(length, kinds)
        case "stage" | "network":
            for name in alive:
                yield alive, frozenset({name}), 1
        case None:
            fitting: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for pattern in alive:
                fitting[expand(pattern, [0] * stage + [length])[stage]].append(pattern)
            for layers, patterns in fitting.items():
                yield tuple(patterns), frozenset(layers), 1


def _surjections(length: int, kinds: int) -> int:
    """Sequences of `length` names in which each of `kinds` names occurs."""
    return sum((-1) ** missing * comb(kinds, missing) * (kinds - missing) ** length for missing in range(kinds + 1))


def _thresholds(axes: ArchitectureTable, per: str, stage: int, names: Names) -> int:
    """Starts of thresholds, if they are chosen `per` that and a unit reads them."""
    thresholds = axes["threshold_init"]
    counted = thresholds.per == per and "threshold_init" in settings_read(names)
    return int(thresholds.at(stage).count) if counted else 1
