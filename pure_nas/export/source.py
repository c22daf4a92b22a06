"""Python source: values, calls and classes, as an exported file carries them, laid out as `ruff format` would."""

from __future__ import annotations

import builtins
import inspect
import symtable
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pure_nas.errors import PureNasError

_LINE_LENGTH = 120
_IMPORTED = {"Callable", "Path", "torch", "Tensor", "nn", "F"}
_FOR_ANNOTATIONS = {"IO", "Image"}  # from typing, and Pillow's module


class Call(NamedTuple):
    """A call in source, whose arguments are source or other calls."""

    name: str
    arguments: tuple[str | Call, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({self.inner})"

    @property
    def inner(self) -> str:
        return ", ".join(map(str, self.arguments))


def laid_out(expression: str | Call, indent: int) -> str:
    """The lines of an argument or element, with a comma after it, each starting with `indent` spaces."""
    margin = " " * indent
    line = f"{margin}{expression},"
    if isinstance(expression, str) or not expression.arguments or len(line) <= _LINE_LENGTH:
        return line
    body = f"{margin}    {expression.inner}"
    if len(body) > _LINE_LENGTH:
        body = "\n".join(laid_out(each, indent + 4) for each in expression.arguments)
    return f"{margin}{expression.name}(\n{body}\n{margin}),"


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


def assigned_tuple(name: str, values: Sequence[object]) -> str:
    """`name = (...)`: one line where it fits, else one line per value."""
    line = f"{name} = {literal(tuple(values))}"
    # Wide characters count two columns for the formatter.
    if len(line) <= _LINE_LENGTH and not {"W", "F"} & set(map(unicodedata.east_asian_width, line)):
        return line
    return "\n".join([f"{name} = (", *(f"    {literal(value)}," for value in values), ")"])


def class_source(of: type) -> str:
    """The source of a class."""
    return _source(of, {of.__name__, *_IMPORTED})


def function_sources(functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The sources of functions that may call each other."""
    known = {each.__name__ for each in functions} | _IMPORTED | _FOR_ANNOTATIONS
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
