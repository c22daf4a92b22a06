"""Python source: of calls and values, laid out as `ruff format` would, and of the classes that a file carries."""

from __future__ import annotations

import builtins
import inspect
import pkgutil
import symtable
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pure_nas.errors import PureNasError
from pure_nas.space.unit import Unit, UnitPlace

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
    return isinstance(expression, Call) and (
        expression.exploded or any(_has_exploded(value) for _, value in expression.arguments)
    )


def literal(value: object) -> str:
    """Python source of a plain value, strings in double quotes where that needs no more escapes."""
    if isinstance(value, str):
        quote = "'" if value.count('"') > value.count("'") else '"'
        return quote + "".join(_escaped(character, quote) for character in value) + quote
    if isinstance(value, tuple):
        inner = ", ".join(literal(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(literal(item) for item in value)}]"
    return repr(value)


def assigned_tuple(name: str, values: Sequence[object]) -> list[str]:
    """The lines of `name = (...)`: one line where it fits, else one line a value."""
    line = f"{name} = {literal(tuple(values))}"
    # Wide characters count two columns for the formatter.
    if len(line) <= LINE_LENGTH and not {"W", "F"} & set(map(unicodedata.east_asian_width, line)):
        return [line]
    return [f"{name} = (", *(f"{' ' * _INDENT}{literal(value)}," for value in values), ")"]


def _escaped(character: str, quote: str) -> str:
    if character == quote:
        return f"\\{character}"
    return character if character in "'\"" else repr(character)[1:-1]


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


def unit_call(unit: Unit, place: UnitPlace) -> Call:
    """The construction of `unit` at `place`; arguments at the defaults of its class are left out."""
    name, implementation = _constructed(unit)
    arguments = unit.arguments(place)
    positional: list[str | Call] = []
    keywords: list[tuple[str, str | Call]] = []
    in_order = True
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.name not in arguments:
            in_order = False
            continue
        value = arguments[parameter.name]
        if in_order and parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(literal(value))
        elif type(value) is not type(parameter.default) or value != parameter.default:
            keywords.append((parameter.name, literal(value)))
    return Call(name, tuple(positional), tuple(keywords))


def unit_class(unit: Unit) -> type | None:
    """The class whose source a file with `unit` carries; None where PyTorch has it."""
    return None if unit.source is None else _resolved(unit, unit.source)


def class_source(of: type, carried: Collection[str] = ()) -> str:
    """The source of a class, without indentation.

    Args:
        carried: names of classes that the file has before it.
    """
    return _source(of, {of.__name__, *carried, *IMPORTS})


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
        module = table.get_type() == "module"
        found |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (symbol.is_global() or module)
        }
        pending += table.get_children()
    return found


def _constructed(unit: Unit) -> tuple[str, type]:
    """The name under which an exported file constructs `unit`, and its class."""
    carried = unit_class(unit)
    if carried is not None:
        return carried.__name__, carried
    module, _, name = unit.implementation.partition(":")
    if module.split(".")[0] != "torch":
        raise PureNasError(
            f'The unit "{unit.name}" cannot be exported: it names no source.',
            hint="The package that declares it can add one: Unit(..., source=...).",
        )
    prefix = "nn" if module == "torch.nn" else module
    return f"{prefix}.{name}", _resolved(unit, unit.implementation)


def _resolved(unit: Unit, name: str) -> type:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise PureNasError(
            f'The unit "{unit.name}" cannot be exported: {name} does not import: {error}.',
            hint="Reinstall the package that declares it.",
        ) from error
    if not isinstance(found, type):
        raise PureNasError(f'The unit "{unit.name}" cannot be exported: {name} is no class.')
    return found
