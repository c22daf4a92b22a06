"""Which unit each residual block holds: the axis of placements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator

from pure_nas.errors import UsageError
from pure_nas.space.axis import Axis, AxisOf, fixed, note_per
from pure_nas.space.field import FieldFaults, Path
from pure_nas.space.unit import get_unit

Per = Literal["layer", "stage", "network"]
Placement = tuple[tuple[str, ...], ...]


UnitName = Annotated[str, AfterValidator(lambda name: get_unit(name).name)]
_UNIT_NAMES = AxisOf(UnitName)


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

    def plain_placements(self, blocks_per_stage: Sequence[int]) -> list[Placement]:
        """Every pattern, or every unit in all blocks."""
        patterns = self.axis.values if self.per is None else self.names
        return list(dict.fromkeys(expand(pattern, blocks_per_stage) for pattern in patterns))

    def plain(self) -> object:
        """The axis as a search space file writes it."""
        if self.per is not None:
            return {"choices": list(self.axis.values), "per": self.per}
        return self.axis.values[0] if self.axis.fixed else {"patterns": list(self.axis.values)}


def expand(pattern: str, blocks_per_stage: Sequence[int]) -> Placement:
    """The placement that a pattern stands for.

    A pattern lists unit names, which repeat over the blocks of a stage; "|" separates stages, and the last part
    goes on for the stages that follow.

    >>> expand("conv | conv product", [2, 3, 2])
    (('conv', 'conv'), ('conv', 'product', 'conv'), ('conv', 'product'))
    """
    parts = _parts(pattern)
    return tuple(
        tuple(islice(cycle(parts[min(stage, len(parts) - 1)]), blocks)) for stage, blocks in enumerate(blocks_per_stage)
    )


def _parts(pattern: str) -> list[list[str]]:
    return [part.split() for part in pattern.split("|")]


def read_units(raw: object) -> UnitsAxis:
    """The placements that a file writes as `raw`."""
    if isinstance(raw, UnitsAxis):
        return raw
    faults = FieldFaults()
    match raw:
        case str():
            axis = UnitsAxis(fixed(_pattern(raw, faults, ())), None)
        case Mapping() if "patterns" in raw:
            faults.unknown_keys(raw, ("patterns",))
            axis = UnitsAxis(_patterns(raw["patterns"], faults), None)
        case Mapping() if "choices" in raw:
            faults.unknown_keys(raw, ("choices", "per"))
            per: Any = raw.get("per", "layer")
            note_per(per, get_args(Per), faults)
            axis = UnitsAxis(_UNIT_NAMES.parse({"choices": raw["choices"]}, faults), per)
        case _:
            axis = UnitsAxis(fixed(""), None)
            shapes = '"product", { choices = [...], per = "layer" } or { patterns = [...] }'
            faults.add((), f"must be a pattern such as {shapes}")
    faults.raise_any()
    return axis


def _patterns(raw: object, faults: FieldFaults) -> Axis[str]:
    if not isinstance(raw, list) or not raw:
        faults.add(("patterns",), "must be a list of at least one pattern")
        return fixed("")
    return Axis(tuple(_pattern(item, faults, ("patterns", index)) for index, item in enumerate(raw)))


def _pattern(raw: object, faults: FieldFaults, path: Path) -> str:
    if not isinstance(raw, str):
        faults.add(path, "must be a pattern: unit names, with | between stages")
        return ""
    pattern, wrong = read_pattern(raw)
    for message in wrong:
        faults.add(path, message)
    return pattern


def read_pattern(raw: str) -> tuple[str, list[str]]:
    """A pattern with single spaces, and what is wrong with it."""
    parts = _parts(raw)
    wrong = [] if all(parts) else [f'"{raw.strip()[:60]}" has a stage without a unit']
    for name in dict.fromkeys(name for part in parts for name in part):
        try:
            get_unit(name)
        except UsageError as error:
            wrong.append(str(error))
    return " | ".join(" ".join(part) for part in parts), wrong
