"""Python source: values and classes, as an exported file carries them, laid out as `ruff format` would."""

from __future__ import annotations

import builtins
import inspect
import symtable
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from pure_nas.errors import PureNasError

LINE_LENGTH = 120

IMPORTS = {
    "Callable": "from collections.abc import Callable",
    "Path": "from pathlib import Path",
    "torch": "import torch",
    "Tensor": "from torch import Tensor",
    "nn": "from torch import nn",
    "F": "from torch.nn import functional as F",
}
"""The names that an exported file may import, and how."""

ANNOTATIONS = frozenset({"IO", "Image"})
"""What it may import for annotations only: from typing, and Pillow's module."""


def literal(value: object) -> str:
    """Python source of a plain value, strings in double quotes where that needs no more escapes."""
    if isinstance(value, str):
        quote = "'" if value.count('"') > value.count("'") else '"'
        escaped = (f"\\{each}" if each == quote else each if each in "'\"" else repr(each)[1:-1] for each in value)
        return f"{quote}{''.join(escaped)}{quote}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return repr(value)


def assigned_tuple(name: str, values: Sequence[object]) -> list[str]:
    """The lines of `name = (...)`: one line where it fits, else one line per value."""
    line = f"{name} = {literal(tuple(values))}"
    # Wide characters count two columns for the formatter.
    if len(line) <= LINE_LENGTH and not {"W", "F"} & set(map(unicodedata.east_asian_width, line)):
        return [line]
    return [f"{name} = (", *(f"    {literal(value)}," for value in values), ")"]


def class_source(of: type) -> str:
    """The source of a class."""
    return _source(of, {of.__name__, *IMPORTS})


def function_sources(functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The sources of functions that may call each other."""
    known = {each.__name__ for each in functions} | IMPORTS.keys() | ANNOTATIONS
    return [_source(each, known) for each in functions]


def _source(of: type | Callable[..., Any], known: set[str]) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(of)).strip("\n")
    except (OSError, TypeError) as error:
        raise PureNasError(f"{of.__module__}.{of.__qualname__} cannot be exported: it has no source file.") from error
    foreign = sorted(names_used(source) - known - set(dir(builtins)))
    if foreign:
        raise PureNasError(
            f"{of.__module__}.{of.__qualname__} cannot be exported: its source uses {', '.join(foreign)}.",
            hint="An exported class may use only torch, nn, F, Tensor and what it defines itself.",
        )
    return source


def names_used(source: str) -> set[str]:
    """Names that `source` takes from its module or from Python."""
    found: set[str] = set()
    pending = [symtable.symtable(source, "<exported>", "exec")]
    while pending:
        table = pending.pop()
        pending += table.get_children()
        used = (symbol for symbol in table.get_symbols() if symbol.is_referenced())
        found |= {symbol.get_name() for symbol in used if symbol.is_global() or table.get_type() == "module"}
    return found
