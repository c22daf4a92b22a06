"""One Python file that defines a network with nothing but PyTorch: templates/network.py.jinja, filled in."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
import math
import symtable
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from torch import nn

from pure_nas.cost.layers import cost_of
from pure_nas.data import preprocessing
from pure_nas.errors import PureNasError, UsageError
from pure_nas.nn.network import resolved
from pure_nas.nn.plain import blocks
from pure_nas.process_state import global_random_state
from pure_nas.quantities import counted
from pure_nas.run.directory import WEIGHTS_FILE
from pure_nas.space.architecture import Architecture, Block
from pure_nas.space.unit import CONV, Unit, get_unit

_LINE_LENGTH = 120
_IMPORTED = {"Callable", "Path", "torch", "Tensor", "nn", "F"}
_FOR_ANNOTATIONS = {"IO", "Image"}  # from typing, and Pillow's module
_OWN = preprocessing.__name__
_DECODING = [each for each in vars(preprocessing).values() if getattr(each, "__module__", "") == _OWN]
_TAKEN = {"Network", "conv3x3", "load", "preprocess", "Image", *(each.__name__ for each in _DECODING)}


@dataclass(frozen=True, kw_only=True)
class About:
    """What an exported file says of a network, and of the images that it was trained on; sizes are in pixels."""

    title: str = ""  # first line of the file's docstring (default: a description of the network)
    notes: Sequence[str] = ()  # further paragraphs of it
    classes: Sequence[str] | None = None  # their names, one for each logit
    mean: Sequence[float] | None = None  # what is subtracted from images scaled to 0 ... 1, one value per channel
    std: Sequence[float] | None = None  # what they are then divided by
    decoded_size: int | None = None  # of the squares that images are decoded to (default: `stored_size`)
    stored_size: int | None = None  # what these are scaled to; the network is shown the middle (default: all of it)


def python_source(architecture: Architecture, about: About = About(), weights_file: str = WEIGHTS_FILE) -> str:
    """One Python file that defines the network of `architecture` with nothing but PyTorch.

    Its class `Network` has the state-dict keys of pure-nas's `Network`; its function `load` reads the safetensors
    file next to it. Where images have one or three channels, its function `preprocess` gives what the network is shown
    of an image, and the file classifies images as a program.
    """
    _check(architecture, about)
    stored = about.stored_size or architecture.image_size
    decoded = about.decoded_size or stored
    decoding = [each for each in _DECODING if each is not preprocessing.scaled or decoded != stored]
    named = (("MEAN", about.mean, float), ("STD", about.std, float), ("CLASSES", about.classes, str))
    words = in_words(architecture)
    texts = [_clean(about.title) or words, *filter(None, map(_clean, about.notes))]
    paragraphs = "\n\n".join(textwrap.fill(text, 110, break_long_words=False) for text in texts)
    return template("network.py.jinja").render(
        paragraphs=" " + paragraphs if paragraphs.startswith('"') else paragraphs,
        in_words=words,
        parameters=cost_of(architecture).params,
        network=architecture,
        size=architecture.image_size,
        channels=architecture.in_chans,
        mode={1: "L", 3: "RGB"}.get(architecture.in_chans),
        classes=[_source(each, {each.__name__, *_IMPORTED}) for each in _classes(architecture)],
        has_conv3x3=any(map(_is_conv3x3, architecture.blocks())),
        stages=[list(stage) for _, stage in groupby(architecture.blocks(), key=lambda block: block.stage)],
        constants={name: [*map(kind, values)] for name, values, kind in named if values is not None},
        decoding=function_sources(decoding),
        decoded_size=decoded,
        stored_size=stored,
        weights_file=weights_file,
        block_call=_block_call,
        laid_out=laid_out,
        assigned_tuple=assigned_tuple,
        names_used=names_used,
    )


def template(name: str) -> Template:
    """One of the templates of exported files."""
    environment = Environment(
        loader=PackageLoader("pure_nas.export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


@contextmanager
def imported_beside(folder: Path, name: str) -> Iterator[ModuleType]:
    """A module of a folder, which may import others of it; modules of such names that were imported before stay."""
    names = [path.stem for path in folder.glob("*.py")]
    before = {each: sys.modules.pop(each) for each in names if each in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(Path(name).stem)
    finally:
        sys.path.remove(str(folder))
        for each in names:
            sys.modules.pop(each, None)
        sys.modules.update(before)


def imported_network(file: Path, weights_file: str = WEIGHTS_FILE) -> tuple[ModuleType, nn.Module]:
    """An exported file as a module, and the network that it loads."""
    spec = importlib.util.spec_from_file_location("exported_network", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with global_random_state(0):  # from which its layers draw before weights are loaded
        network = module.load(weights_file)
    assert isinstance(network, nn.Module)
    return module, network


def _check(architecture: Architecture, about: About) -> None:
    if about.classes is not None and len(about.classes) != architecture.num_classes:
        raise UsageError(f"classes has {len(about.classes)} names for a network of {architecture.num_classes} classes.")
    if (about.mean is None) != (about.std is None):
        raise UsageError("mean and std belong together: give both or neither.")
    for name, values in (("mean", about.mean), ("std", about.std)):
        if values is not None and len(values) != architecture.in_chans:
            raise UsageError(f"{name} has {len(values)} values for images of {architecture.in_chans} channels.")
        if values is not None and not all(map(math.isfinite, values)):
            raise UsageError(f"{name} must be finite, but is {tuple(values)}.")
    if about.std is not None and min(about.std) <= 0:
        raise UsageError(f"std must be above zero, but is {tuple(about.std)}.")


def _clean(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split()).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def in_words(architecture: Architecture) -> str:
    """A network in a sentence."""
    names = [name for stage in architecture.units for name in stage]
    counts = ", ".join(f"{names.count(name)} {name}" for name in sorted(architecture.unit_set))
    count = counted(len(names), "bottleneck block" if architecture.bottleneck else "residual block")
    return f"A residual network of depth {architecture.depth}: {count} ({counts})."


def _classes(architecture: Architecture) -> Iterator[type]:
    shortcuts = {block.shortcut for block in architecture.blocks()}
    classes = [
        blocks.Stem,
        *(_resolved(unit, unit.source) for unit in map(get_unit, sorted(architecture.unit_set)) if unit.source),
        *([blocks.ProjectionShortcut] if "projection" in shortcuts else []),
        *([blocks.PaddingShortcut] if "padding" in shortcuts else []),
        blocks.ResidualBlock,
        blocks.Classifier,
    ]
    by_name: dict[str, type] = {}
    for each in classes:
        if each.__name__ in _TAKEN or by_name.setdefault(each.__name__, each) is not each:
            raise PureNasError(
                f'{each.__module__}.{each.__qualname__} cannot be exported: the file already has a "{each.__name__}".',
                hint="Rename the class of the unit.",
            )
    return iter(by_name.values())


def _block_call(block: Block) -> Call:
    size = f"{block.in_channels}", f"{block.channels}"
    form = ["bottleneck=True"] if block.bottleneck else []
    form += [f"stride={block.stride}"] if block.stride != 1 and not block.bottleneck else []
    options = (f"{name}={literal(value)}" for name, value in block.options)
    return Call("ResidualBlock", (*size, _unit_call(block), _shortcut_call(block), *form, *options))


def _shortcut_call(block: Block) -> Call:
    if block.shortcut == "identity":
        return Call("nn.Identity")
    name = "ProjectionShortcut" if block.shortcut == "projection" else "PaddingShortcut"
    return Call(name, (f"{block.in_channels}", f"{block.out_channels}", f"stride={block.stride}"))


def _is_conv3x3(block: Block) -> bool:
    unit = block.unit
    same = unit.implementation == CONV.implementation and unit.arguments is CONV.arguments
    return same and block.unit_place.kernel_size == 3


def _unit_call(block: Block) -> Call:
    """The construction of a block's unit; arguments at the defaults of its class are left out."""
    place = block.unit_place
    if _is_conv3x3(block):
        stride = [] if place.stride == 1 else [f"stride={place.stride}"]
        return Call("conv3x3", (f"{place.in_channels}", f"{place.out_channels}", *stride))
    name, implementation = _constructed(block.unit)
    given = block.unit.arguments(place)
    written: list[str] = []
    in_order = True
    for parameter in inspect.signature(implementation).parameters.values():
        if parameter.name not in given:
            in_order = False
            continue
        value = given[parameter.name]
        if in_order and parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY:
            written.append(literal(value))
        elif type(value) is not type(parameter.default) or value != parameter.default:
            written.append(f"{parameter.name}={literal(value)}")
    return Call(name, tuple(written))


def _constructed(unit: Unit) -> tuple[str, type]:
    if unit.source is not None:
        carried = _resolved(unit, unit.source)
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
    found = resolved(unit, name, "exported")
    if not isinstance(found, type):
        raise PureNasError(f'The unit "{unit.name}" cannot be exported: {name} is not a class.')
    return found


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
