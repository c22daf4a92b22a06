"""Which unit each residual block holds: the axis of placements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator

from pure_nas.errors import UsageError
from pure_nas.space.axis import Axis, AxisOf, fixed, read_per
from pure_nas.space.field import FieldFaults, ReadBy
from pure_nas.space.unit import get_unit
from pure_nas.validation import shown

Per = Literal["layer", "stage", "network"]
Placement = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class UnitsAxis:
    """The placements of a space: units that are chosen `per` layer, stage or network, or patterns (None)."""

    axis: Axis[str]
    per: Per | None

    @property
    def names(self) -> tuple[str, ...]:
        """Every unit that can occur."""
        if self.per is not None:
            return self.axis.values
        names = (name for pattern in self.axis.values for part in _parts(pattern) for name in part)
        return tuple(dict.fromkeys(names))

    def plain(self) -> object:
        """The axis as a search space file writes it."""
        if self.per is not None:
            return {"choices": list(self.axis.values), "per": self.per}
        return self.axis.values[0] if self.axis.fixed else {"patterns": list(self.axis.values)}


def expand(pattern: str, blocks_per_stage: Sequence[int]) -> Placement:
    """The placement that a pattern stands for; its names repeat over a stage, its last part over the other stages.

    >>> expand("conv | conv product", [2, 3, 2])
    (('conv', 'conv'), ('conv', 'product', 'conv'), ('conv', 'product'))
    """
    parts = _parts(pattern)
    return tuple(
        tuple(islice(cycle(parts[min(stage, len(parts) - 1)]), blocks)) for stage, blocks in enumerate(blocks_per_stage)
    )


def _parts(pattern: str) -> list[list[str]]:
    return [part.split() for part in pattern.split("|")]


def read_pattern(raw: object, faults: FieldFaults) -> str:
    """A pattern with single spaces."""
    if not isinstance(raw, str):
        faults.add((), f"must be a pattern: unit names, with | between stages, got {shown(raw)}")
        return ""
    parts = _parts(raw)
    if not all(parts):
        faults.add((), f'"{raw.strip()[:60]}" has a stage without a unit')
    for name in dict.fromkeys(name for part in parts for name in part):
        try:
            get_unit(name)
        except UsageError as error:
            faults.add((), str(error))
    return " | ".join(" ".join(part) for part in parts)


UnitName = Annotated[str, AfterValidator(lambda name: get_unit(name).name)]
Pattern = Annotated[str, ReadBy(read_pattern)]
_UNIT_NAMES, _PATTERNS = AxisOf(UnitName), AxisOf(Pattern)


def read_units(raw: object, faults: FieldFaults) -> UnitsAxis:
    """The placements that a file writes as `raw`."""
    match raw:
        case str():
            return UnitsAxis(_PATTERNS.parse(raw, faults), None)
        case Mapping() if "patterns" in raw:
            return UnitsAxis(_PATTERNS.listed(raw, "patterns", faults), None)
        case Mapping() if "choices" in raw:
            per = read_per(raw, get_args(Per), faults)
            return UnitsAxis(_UNIT_NAMES.listed(raw, "choices", faults, more=["per"]), per)
    shapes = '"product", { choices = [...], per = "layer" } or { patterns = [...] }'
    faults.add((), f"must be a pattern such as {shapes}")
    return UnitsAxis(fixed(""), None)
