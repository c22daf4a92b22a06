"""The source of the classes and functions that an exported file carries."""

from __future__ import annotations

import builtins
import inspect
import pkgutil
import symtable
import textwrap
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pure_nas.errors import PureNasError
from pure_nas.export.layout import Call, literal
from pure_nas.space.unit import Unit, UnitPlace

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
        elif not _same(value, parameter.default):
            keywords.append((parameter.name, literal(value)))
    return Call(name, tuple(positional), tuple(keywords))


def unit_class(unit: Unit) -> type | None:
    """The class whose source a file with `unit` carries; None where PyTorch has it."""
    return None if unit.source is None else _resolved(unit, unit.source)


def class_source(of: type, carried: Collection[str] = ()) -> str:
    """The source of a class, without indentation.

    Args:
        carried: names of classes that the file has before it.

    Raises:
        PureNasError: there is none, or it needs names that an exported file does not have.
    """
    return _source(of, {of.__name__, *carried, *IMPORTS})


def function_sources(functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The sources of functions that may call each other.

    Raises:
        PureNasError: as `class_source`.
    """
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


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default
