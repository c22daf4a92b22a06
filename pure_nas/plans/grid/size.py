"""How many networks an experiment file asks for, known from the lengths of its lists before any is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pure_nas.space.field import FieldFaults

MOST = 10_000
"""Networks by recipes that a file may have."""


def check_size(data: Mapping[str, Any], found: FieldFaults) -> None:
    """Note grids that are too large to be trained, or even listed.

    Args:
        data: the content of a file, however faulty.
    """
    totals = {}
    for key in ("networks", "recipes"):
        tables = data.get(key)
        lengths = {name: _lengths(table) for name, table in (tables.items() if isinstance(tables, Mapping) else ())}
        for name, each in lengths.items():
            if math.prod(each) > MOST:
                found.add((key, name), f"is a grid of {_product(each)} {key}; at most {MOST:,} can be made")
        totals[key] = max(1, sum(map(math.prod, lengths.values())))
    if not len(found) and math.prod(totals.values()) > MOST:
        networks, recipes = (f"{count:,} {key if count > 1 else key[:-1]}" for key, count in totals.items())
        found.add((), f"has {networks} by {recipes}, {math.prod(totals.values()):,}; at most {MOST:,} can be made")


def _lengths(table: object) -> list[int]:
    """How many values each field of a table has that is written as { each = [...] }."""
    fields = table.values() if isinstance(table, Mapping) else ()
    each = (field["each"] for field in fields if isinstance(field, Mapping) and "each" in field)
    return [len(values) for values in each if isinstance(values, list) and values]


def _product(lengths: list[int]) -> str:
    total = f"{math.prod(lengths):,}"
    return f"{' x '.join(f'{length:,}' for length in lengths)} = {total}" if len(lengths) > 1 else total
