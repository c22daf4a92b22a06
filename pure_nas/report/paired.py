"""Two trained networks compared image by image, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pure_nas.analysis.statistics import Paired, holm
from pure_nas.quantities import show_points
from pure_nas.report.notes import notes
from pure_nas.report.table import NETWORK, Cell, Column, Table, p_value, points_text

_COLUMNS = (
    NETWORK,
    Column("compared_with", "compared with", "left"),
    Column("difference", "points of error"),
    Column("low", "95 % interval", detail=1),
    Column("high"),
    Column("only_first", "right alone", detail=2),
    Column("only_second", "the other alone", detail=2),
    Column("images"),
    Column("p", "p", detail=1),
    Column("p_adjusted", "p, Holm"),
)


class Pair(NamedTuple):
    """Two networks by their names, and how they compare."""

    network: str
    other: str
    found: Paired


def paired_table(pairs: Sequence[Pair], title: str) -> Table:
    """A row for each pair of different networks; p-values are also corrected for their number."""
    adjusted = holm([found.p for _, _, found in pairs])
    lines = (
        [
            pair.network,
            pair.other,
            Cell(pair.found.difference, show_points(pair.found.difference)),
            Cell(pair.found.low, points_text((pair.found.low, pair.found.high))),
            pair.found.high,
            pair.found.only_first,
            pair.found.only_second,
            pair.found.images,
            p_value(pair.found.p),
            p_value(corrected),
        ]
        for pair, corrected in zip(pairs, adjusted, strict=True)
    )
    return Table.of("paired", _COLUMNS, lines, title, notes("paired", len(pairs)))
