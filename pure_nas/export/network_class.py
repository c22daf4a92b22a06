"""The `Network` class of an exported file: every layer of an architecture, written out."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from itertools import groupby

from pure_nas.errors import PureNasError
from pure_nas.export.source import LINE_LENGTH, literal
from pure_nas.nn.network import resolved
from pure_nas.space.architecture import Architecture, Block
from pure_nas.space.unit import CONV, Unit, UnitPlace

CONV_3X3 = """
def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
""".strip()
"""The usual short name for the convolution of a ResNet block."""


def network_class(architecture: Architecture) -> str:
    """Source of the class `Network`, whose constructor takes no argument."""
    size, channels = architecture.image_size, architecture.in_chans
    stem = architecture.stem
    options = (f"{name}={literal(getattr(stem, name))}" for name in ("kernel_size", "stride", "relu", "pool"))
    lines = [
        "class Network(nn.Module):",
        f'    """{in_words(architecture)}',
        "",
        "    Shape:",
        f"        (N, {channels}, {size}, {size}) -> (N, {architecture.num_classes}), logits",
        '    """',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *_laid_out(_Call("Stem", (f"{stem.in_channels}", f"{stem.out_channels}", *options)), 8, "self.stem = "),
        *_laid_out(_stages(architecture), 8, "self.stages = "),
        f"        self.classifier = Classifier({architecture.out_channels}, {architecture.num_classes})",
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        "        out: Tensor = self.classifier(self.stages(self.stem(x)))",
        "        return out",
    ]
    return "\n".join(lines)


def in_words(architecture: Architecture) -> str:
    """One sentence about a network: its depth and which units its blocks have."""
    names = [name for stage in architecture.units for name in stage]
    counts = ", ".join(f"{names.count(name)} {name}" for name in sorted(architecture.unit_set))
    blocks = "bottleneck block" if architecture.bottleneck else "residual block"
    plural = "" if len(names) == 1 else "s"
    return f"A residual network of depth {architecture.depth}: {len(names)} {blocks}{plural} ({counts})."


def is_conv3x3(block: Block) -> bool:
    """Whether the unit of a block is written as a call of the function in `CONV_3X3`."""
    unit = block.unit
    same = unit.implementation == CONV.implementation and unit.arguments is CONV.arguments
    return same and block.unit_place.kernel_size == 3


def unit_class(unit: Unit) -> type | None:
    """The class whose source a file with `unit` carries; None where PyTorch has it."""
    return None if unit.source is None else _resolved(unit, unit.source)


@dataclass(frozen=True)
class _Call:
    """A call in source.

    Attributes:
        arguments: source, or other calls.
        exploded: whether every argument has its own line even where one line would do.
        comment: after the opening bracket of an exploded call.
    """

    name: str
    arguments: tuple[str | _Call, ...] = ()
    exploded: bool = False
    comment: str = ""

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


def _laid_out(expression: str | _Call, indent: int, before: str = "", after: str = "") -> list[str]:
    """The lines of `before`, `expression` and `after`, each starting with `indent` spaces."""
    margin = " " * indent
    line = f"{margin}{before}{expression}{after}"
    if isinstance(expression, str) or not expression.arguments or (not expression.exploded and _fits(line)):
        return [line]
    body = [f"{margin}    {', '.join(map(str, expression.arguments))}"]
    if expression.exploded or not _fits(body[0]):
        body = [line for each in expression.arguments for line in _laid_out(each, indent + 4, after=",")]
    return [f"{margin}{before}{expression.name}({expression.comment}", *body, f"{margin}){after}"]


def _fits(line: str) -> bool:
    return len(line) <= LINE_LENGTH


def _stages(architecture: Architecture) -> _Call:
    calls = []
    for _, stage in groupby(architecture.blocks(), key=lambda block: block.stage):
        blocks = list(stage)
        channels, size = blocks[-1].out_channels, blocks[-1].out_size
        comment = f"  # {channels} channels, {size} x {size}"
        calls.append(_Call("nn.Sequential", tuple(map(_block, blocks)), exploded=True, comment=comment))
    return _Call("nn.Sequential", tuple(calls), exploded=True)


def _block(block: Block) -> _Call:
    form = ["bottleneck=True"] if block.bottleneck else []
    form += [f"stride={block.stride}"] if block.stride != 1 and not block.bottleneck else []
    options = (f"{name}={literal(value)}" for name, value in block.options)
    channels = f"{block.in_channels}", f"{block.channels}"
    return _Call("ResidualBlock", (*channels, _unit(block), _shortcut(block), *form, *options))


def _unit(block: Block) -> _Call:
    place = block.unit_place
    if not is_conv3x3(block):
        return _unit_call(block.unit, place)
    stride = [] if place.stride == 1 else [f"stride={place.stride}"]
    return _Call("conv3x3", (f"{place.in_channels}", f"{place.out_channels}", *stride))


def _shortcut(block: Block) -> _Call:
    if block.shortcut == "identity":
        return _Call("nn.Identity")
    name = "ProjectionShortcut" if block.shortcut == "projection" else "PaddingShortcut"
    return _Call(name, (f"{block.in_channels}", f"{block.out_channels}", f"stride={block.stride}"))


def _unit_call(unit: Unit, place: UnitPlace) -> _Call:
    """The construction of `unit` at `place`; arguments at the defaults of its class are left out."""
    name, implementation = _constructed(unit)
    given = unit.arguments(place)
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
    return _Call(name, tuple(written))


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
    found = resolved(unit, name, "exported")
    if not isinstance(found, type):
        raise PureNasError(f'The unit "{unit.name}" cannot be exported: {name} is no class.')
    return found
