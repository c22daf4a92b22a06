"""How each network of an experiment is drawn: one colour a table, paler towards the beginning of its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pure_nas.findings.rows import Row
from pure_nas.report.chart import Dash, NetworkStyle
from pure_nas.report.palette import style_of

_ROLES = ("conv", "product", "hybrid", "other-1", "other-2", "other-3")
_DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
_PALEST = 0.35
_LONGEST_END = 8
"""Characters that have room at the end of a line."""


def network_styles(rows: Sequence[Row]) -> Mapping[str, NetworkStyle]:
    """The style of every row, by its label: a colour a table, a dash a series."""
    series: dict[str, list[Row]] = {}
    roles: dict[str, str] = {}
    for row in rows:
        series.setdefault(row.series, []).append(row)
        if row.table not in roles:
            roles[row.table] = _role(style_of(row.kind).role, list(roles.values()))
    names = _names(rows)
    drawn: list[str] = []
    found = {}
    for members in series.values():
        role = roles[members[0].table]
        dash = _DASHES[drawn.count(role) % len(_DASHES)]
        drawn.append(role)
        for index, row in enumerate(members):
            share = index / (len(members) - 1) if len(members) > 1 else 1.0
            opacity = round(_PALEST + (1 - _PALEST) * share, 3)
            end, name = names[row.label]
            found[row.label] = NetworkStyle(
                role=role, shape=style_of(row.kind).symbol, dash=dash, opacity=opacity, name=name, end=end
            )
    return found


def _names(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """What each row is called at the ends of its lines and in legends: its label, or its number where they are long."""
    if max((len(row.label) for row in rows), default=0) <= _LONGEST_END:
        return {row.label: (row.label, row.label) for row in rows}
    return {row.label: (str(number), f"{number}: {row.label}") for number, row in enumerate(rows, start=1)}


def _role(usual: str, taken: Sequence[str]) -> str:
    """The unit's own colour, or else the one that is used least."""
    return usual if usual not in taken else min(_ROLES, key=lambda role: (taken.count(role), _ROLES.index(role)))


def varied(rows: Sequence[Row]) -> list[list[Row]]:
    """The series that vary a number, each in the order of that number."""
    series: dict[str, list[Row]] = {}
    for row in rows:
        if row.axis and row.place is not None:
            series.setdefault(row.series, []).append(row)
    return [sorted(members, key=lambda row: row.place or 0.0) for members in series.values() if len(members) > 1]
