"""The `Network` class of an exported file: every layer of an architecture, written out."""

from __future__ import annotations

from pure_nas.export.source import Call, laid_out, literal, unit_call
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
        *laid_out(_stem(architecture), indent=8, before="self.stem = "),
        *laid_out(_stages(architecture), indent=8, before="self.stages = "),
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


def _stem(architecture: Architecture) -> Call:
    stem = architecture.stem
    return Call(
        "Stem",
        (literal(stem.in_channels), literal(stem.out_channels)),
        tuple((name, literal(getattr(stem, name))) for name in ("kernel_size", "stride", "relu", "pool")),
    )


def _stages(architecture: Architecture) -> Call:
    stages: list[list[Block]] = [[] for _ in architecture.units]
    for block in architecture.blocks():
        stages[block.stage].append(block)
    calls = [
        Call(
            "nn.Sequential",
            tuple(map(_block, blocks)),
            exploded=True,
            comment=f"{blocks[-1].out_channels} channels, {blocks[-1].out_size} x {blocks[-1].out_size}",
        )
        for blocks in stages
    ]
    return Call("nn.Sequential", tuple(calls), exploded=True)


def _block(block: Block) -> Call:
    stride = [] if block.bottleneck or block.stride == 1 else [("stride", literal(block.stride))]
    options = [(name, literal(value)) for name, value in block.options]
    return Call(
        "BottleneckBlock" if block.bottleneck else "BasicBlock",
        (literal(block.in_channels), literal(block.channels), _unit(block), _shortcut(block)),
        (*stride, *options),
    )


def _unit(block: Block) -> Call:
    place = block.unit_place
    if not is_conv3x3(block.unit, place):
        return unit_call(block.unit, place)
    stride: tuple[tuple[str, str], ...] = () if place.stride == 1 else (("stride", literal(place.stride)),)
    return Call("conv3x3", (literal(place.in_channels), literal(place.out_channels)), stride)


def is_conv3x3(unit: Unit, place: UnitPlace) -> bool:
    """Whether a unit is written as a call of the function in `CONV_3X3`."""
    return unit.implementation == CONV.implementation and unit.arguments is CONV.arguments and place.kernel_size == 3


def _shortcut(block: Block) -> Call:
    if block.shortcut == "identity":
        return Call("nn.Identity")
    name = "ProjectionShortcut" if block.shortcut == "projection" else "PaddingShortcut"
    return Call(name, (literal(block.in_channels), literal(block.out_channels)), (("stride", literal(block.stride)),))
