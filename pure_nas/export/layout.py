"""Python expressions laid out as `ruff format` would."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

LINE_LENGTH = 120
_INDENT = 4


@dataclass(frozen=True)
class Call:
    """A call in source.

    Attributes:
        name: what is called.
        positional: arguments in order; strings are source, other calls are laid out in their turn.
        keywords: keyword arguments likewise.
        exploded: whether every argument stands on its own line even where one line would do.
        comment: stands behind the opening bracket of an exploded call.
    """

    name: str
    positional: tuple[str | Call, ...] = ()
    keywords: tuple[tuple[str, str | Call], ...] = ()
    exploded: bool = False
    comment: str = ""

    @property
    def arguments(self) -> tuple[tuple[str, str | Call], ...]:
        """Every argument with what stands before it: "" or "name="."""
        return (*(("", value) for value in self.positional), *((f"{name}=", value) for name, value in self.keywords))


def laid_out(expression: str | Call, *, indent: int = 0, before: str = "", after: str = "") -> list[str]:
    """The lines of `before`, `expression` and `after`, each starting with `indent` spaces."""
    margin = " " * indent
    if isinstance(expression, str):
        return [f"{margin}{before}{expression}{after}"]
    flat = None if _has_exploded(expression) else f"{margin}{before}{_flat(expression)}{after}"
    if flat is not None and (len(flat) <= LINE_LENGTH or not expression.arguments):
        return [flat]
    opening = f"{margin}{before}{expression.name}(" + (f"  # {expression.comment}" if expression.comment else "")
    return [opening, *_body(expression, indent + _INDENT), f"{margin}){after}"]


def _body(call: Call, indent: int) -> list[str]:
    if not _has_exploded(call):
        line = " " * indent + ", ".join(f"{name}{_flat(value)}" for name, value in call.arguments)
        if len(line) <= LINE_LENGTH:
            return [line]
    lines = []
    for name, value in call.arguments:
        lines += laid_out(value, indent=indent, before=name, after=",")
    return lines


def _flat(expression: str | Call) -> str:
    if isinstance(expression, str):
        return expression
    return f"{expression.name}({', '.join(name + _flat(value) for name, value in expression.arguments)})"


def _has_exploded(expression: str | Call) -> bool:
    if isinstance(expression, str):
        return False
    return expression.exploded or any(_has_exploded(value) for _, value in expression.arguments)


def literal(value: object) -> str:
    """Python source of a plain value, strings in double quotes where that needs no more escapes."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, tuple):
        inner = ", ".join(literal(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(literal(item) for item in value)}]"
    return repr(value)


def assigned_tuple(name: str, values: Sequence[object]) -> list[str]:
    """The lines of `name = (...)`: one line where it fits, else one line a value."""
    line = f"{name} = {literal(tuple(values))}"
    if len(line) <= LINE_LENGTH and all(map(_narrow, line)):
        return [line]
    return [f"{name} = (", *(f"{' ' * _INDENT}{literal(value)}," for value in values), ")"]


def _quoted(text: str) -> str:
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + "".join(_escaped(character, quote) for character in text) + quote


def _escaped(character: str, quote: str) -> str:
    if character == quote:
        return f"\\{character}"
    return character if character in "'\"" else repr(character)[1:-1]


def _narrow(character: str) -> bool:
    """Whether a character is as wide as its formatter thinks: wide ones count two columns."""
    return unicodedata.east_asian_width(character) not in {"W", "F"}
