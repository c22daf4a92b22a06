"""The plain, the smallest and the largest networks of a space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeVar

from pure_nas.space.architecture import Architecture
from pure_nas.space.axis import Axis
from pure_nas.space.placement import Placement
from pure_nas.space.recipe import Recipe
from pure_nas.space.tables import ArchitectureTable, RecipeTable, RunTable
from pure_nas.space.unit import Unit
from pure_nas.space.walk import PLAIN_ARCHITECTURE_FIELDS, PLAIN_RECIPE_FIELDS, SETTINGS

T = TypeVar("T")


def depths(axes: ArchitectureTable) -> dict[str, tuple[int, ...]]:
    """The distinct depths where every stage is as short, medium or long as it can be, by name, ascending."""
    small, middle, large = (axes.blocks_of(size) for size in ("smallest", "middle", "largest"))
    named = {"small": small}
    if middle not in (small, large):
        named["middle"] = middle
    if large != small:
        named["large"] = large
    return named


def baseline_architectures(
    axes: ArchitectureTable, images: Mapping[str, int], units: Sequence[str]
) -> list[tuple[str, Architecture]]:
    """Networks of one unit, labelled like "conv small": of `units`, or of the space's where it has none of them."""
    fields = {
        name: getattr(axes, name).nearest(_default(name))
        for name in (*PLAIN_ARCHITECTURE_FIELDS, "shortcut", *SETTINGS)
    }
    fields["base_width"] = axes.base_width.middle
    found = []
    chosen = [unit for unit in units if unit in axes.units.names] or axes.units.names
    for unit, (size, blocks) in product(chosen, depths(axes).items()):
        placement = tuple((unit,) * count for count in blocks)
        found.append((f"{unit} {size}", _architecture(axes, images, placement, fields)))
    return found


def baseline_recipe(axes: RecipeTable, run: RunTable, units: Iterable[Unit]) -> Recipe:
    """The rates and decays that are usual for `units`, the other fields as close to Recipe's defaults as allowed."""
    fields = {name: getattr(axes, name).nearest(Recipe.model_fields[name].default) for name in PLAIN_RECIPE_FIELDS}
    return Recipe.shared(units, epochs=run.epochs, batch_size=run.batch_size, **fields)


def smallest_architectures(axes: ArchitectureTable, images: Mapping[str, int]) -> list[Architecture]:
    """Short and narrow networks, one for each plain placement and choice of the other fields."""
    fields = {"base_width": [axes.base_width.smallest]}
    return list(dict.fromkeys(_variants(axes, images, axes.blocks_of("smallest"), fields)))


def largest_architectures(axes: ArchitectureTable, images: Mapping[str, int]) -> list[Architecture]:
    """Long and wide networks, one for each plain placement and choice of the other fields."""
    fields = {"base_width": [axes.base_width.largest]}
    return list(dict.fromkeys(_variants(axes, images, axes.blocks_of("largest"), fields)))


def _variants(
    axes: ArchitectureTable, images: Mapping[str, int], blocks: Sequence[int], given: Mapping[str, Sequence[Any]]
) -> Iterator[Architecture]:
    names = ("bottleneck", "shortcut", "threshold_per_channel", "relu_in_block", "relu_after_add")
    choices = {
        **given,
        **{name: getattr(axes, name).values for name in names},
        "exponent_cap": _one_and_other(axes.exponent_cap, None),
        "residual_scale": _one_and_other(axes.residual_scale, 1.0),
        "threshold_trainable": [axes.threshold_trainable.nearest(True)],
        "softening": [axes.softening.nearest(0.5)],
        "zero_gamma": [axes.zero_gamma.nearest(False)],
    }
    for placement in axes.units.plain_placements(blocks):
        for values in product(*choices.values()):
            fields = dict(zip(choices, values, strict=True))
            yield _architecture(axes, images, placement, fields).canonical()


def _one_and_other(axis: Axis[T], free: T) -> list[T]:
    """One value that costs what all but `free` cost, and `free`, which costs nothing, as far as the axis holds them."""
    values = [value for value in axis.values if value != free][:1]
    return [*values, *([free] if free in axis else [])]


def _architecture(
    axes: ArchitectureTable, images: Mapping[str, int], placement: Placement, fields: Mapping[str, object]
) -> Architecture:
    thresholds = tuple(axes.threshold_init.at(stage).nearest(0.0) for stage in range(axes.stages))
    return Architecture.model_validate(
        {"family": axes.family, "units": placement, "threshold_init": thresholds, **fields, **images}
    )


def _default(name: str) -> object:
    return Architecture.model_fields[name].default
