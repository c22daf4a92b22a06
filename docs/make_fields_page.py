"""Writes docs/fields.md, the page of all fields, from their descriptions: python docs/make_fields_page.py"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from pure_nas.space.architecture import Architecture
from pure_nas.space.field import Described, default_of, descriptions, field_type
from pure_nas.space.recipe import Recipe

PAGE = Path(__file__).with_name("fields.md")
HEAD = """# Fields

What a network is and how it is trained, field by field. A search space sets a field in `[architecture]` or `[recipe]`
to a value, `{ choices = [...] }` or `{ low = ..., high = ... }`; an experiment sets it in `[networks.NAME]` or
`[recipes.NAME]` to a value or `{ each = [...] }`. `"none"` stands for None, which TOML cannot write.
`python docs/make_fields_page.py` makes this page.
"""
_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "to below {}"}
_WRITTEN = {
    "block": "a unit, or a pattern such as `conv \\| conv product`",
    "kind": "a value, or one for each parameter kind",
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, "## Networks", *_table(Architecture), "", "## Training", *_table(Recipe), ""])


def _table(model: type[BaseModel]) -> Iterator[str]:
    yield "\n| field | what it is | values | default | set by |\n|---|---|---|---|---|"
    for name, described in descriptions(model).items():
        cells = (f"`{name}`", _escaped(described.text), _values(model, name), _default(model, name), _set_by(described))
        yield f"| {' | '.join(cells)} |"


def _set_by(described: Described) -> str:
    if described.elsewhere:
        return described.elsewhere.replace("[scales.NAME]", "`[scales.NAME]`")
    return "spaces (one value), experiments" if described.fixed else "spaces, experiments"


def _values(model: type[BaseModel], name: str) -> str:
    per = descriptions(model)[name].per
    if per == "stage":
        return f"{_of_type(field_type(model, name))}; one for each stage, or for all"
    return _WRITTEN.get(per) or _of_type(field_type(model, name))


def _of_type(kind: Any) -> str:
    if kind is bool:
        return "true, false"
    arguments = get_args(kind)
    if type(None) in arguments:
        return f'{_of_type(arguments[0])}, or "none"'
    if arguments and all(isinstance(each, str) for each in arguments):
        return ", ".join(f'"{each}"' for each in arguments)
    bounds: dict[str, Any] = {}
    for each in arguments[1:]:
        for bound in (each, *getattr(each, "metadata", ())):
            bounds |= {key: getattr(bound, key) for key in _BOUNDS if hasattr(bound, key)}
    kind_of_number = "a whole number" if kind is int or int in arguments else "a number"
    return " ".join(
        [kind_of_number, *(text.format(_number(bounds[key])) for key, text in _BOUNDS.items() if key in bounds)]
    )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(model: type[BaseModel], name: str) -> str:
    if model.model_fields[name].is_required():
        return "must be given" if model is Architecture else "what is usual for the units"
    match default_of(model, name):
        case None:
            return '"none"'
        case bool() as switch:
            return str(switch).lower()
        case value:
            return str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
