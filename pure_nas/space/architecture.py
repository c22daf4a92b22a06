"""Architecture: which network it is, as plain validated data."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pure_nas.errors import UsageError
from pure_nas.space.field import Described, DescribedDocument, default_of, descriptions, later
from pure_nas.space.unit import (
    HYBRID,
    PRODUCT,
    RELUS,
    UNITS,
    ParameterKind,
    Unit,
    UnitPlace,
    get_unit,
    settings_read,
)
from pure_nas.validation import checked

Family = Literal["cifar", "imagenet"]
BaseWidth = Annotated[int, Field(ge=1, le=4096)]

_IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_UNIT_OF_NAME = {"pure": "product", "resnet": "conv"}
_USUAL_THRESHOLD = 0.0


@dataclass(frozen=True, kw_only=True)
class Stem:
    """The first convolution and its norm, a ReLU where `relu`, then a 3x3 max-pool of stride 2 where `pool`."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    in_size: int
    conv_size: int
    out_size: int
    pool: bool
    relu: bool


@dataclass(frozen=True, kw_only=True)
class Block:
    """One residual block, resolved: everything that building, counting or exporting it needs."""

    name: str  # its path in the network, such as "stages.0.2"
    stage: int
    unit: Unit
    unit_place: UnitPlace
    bottleneck: bool
    in_channels: int
    channels: int  # between its convolutions
    out_channels: int  # what it adds to the skip (4 x channels in a bottleneck)
    stride: int
    in_size: int
    out_size: int
    shortcut: Literal["identity", "projection", "padding"]
    options: tuple[tuple[str, Any], ...]  # what its class takes of the architecture's settings, unless at the default


class Architecture(DescribedDocument):
    """A residual network of which every layer's unit is chosen.

    Example:
        >>> Architecture(units=(("conv", "product"), ("product",)), base_width=4).depth
        8
        >>> Architecture.named("pure20").kind
        'product'
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    family: Annotated[Family, Described(fixed=True, in_place=True)] = "cifar"
    """stem: "cifar" (3x3) or "imagenet" (7x7 of stride 2 and a max-pool)"""
    units: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=6),
        Described(per="block", in_place=True),
    ]
    """unit of each residual block, stage by stage; each stage after the first halves the image and doubles the width"""
    base_width: Annotated[BaseWidth, Described(in_place=True)] = 16
    """channels of the first stage"""
    bottleneck: bool = False
    """bottleneck blocks (1x1, unit, 1x1 to four times the channels), not basic ones (3x3, unit)"""
    shortcut: Literal["projection", "padding"] = "projection"
    """how a skip changes its shape: "projection" (1x1 convolution and norm) or "padding" (parameter-free: every second
    pixel, new channels zero)"""
    threshold_init: Annotated[
        tuple[Annotated[float, Field(ge=-50.0, le=50.0)], ...], Described(per="stage", of_units=True, costs=False)
    ] = Field(default_factory=lambda validated: (_USUAL_THRESHOLD,) * len(validated.get("units", ())))
    """initial value of the raw threshold theta of each stage; the floor is softplus(theta) + 1e-7"""
    threshold_trainable: Annotated[bool, Described(of_units=True, costs=False)] = True
    """whether theta is trained"""
    threshold_per_channel: Annotated[bool, later(False), Described(of_units=True)] = False
    """whether every input channel of a unit has a theta of its own"""
    exponent_cap: Annotated[Annotated[float, Field(gt=0, le=80)] | None, Described(of_units=True, free=(None,))] = 20.0
    """upper bound of the exponent z in exp(z); None is the paper's product unit"""
    softening: Annotated[float, Field(ge=1e-6, le=10), later(0.5), Described(of_units=True, costs=False)] = 0.5
    """units with complex logarithms compute log sqrt(x ** 2 + softening ** 2) instead of log |x|"""
    relu_in_block: Annotated[bool, Described(of_units=True, of_blocks=True)] = False
    """a ReLU after each inner norm, in blocks that do not always have one"""
    relu_after_add: Annotated[bool, Described(of_units=True, of_blocks=True)] = False
    """a ReLU after the addition, in blocks that do not always have one"""
    residual_scale: Annotated[float, Field(gt=0, le=10), later(1.0), Described(of_blocks=True, free=(1.0,))] = 1.0
    """factor of the branch of every block before it is added to the skip"""
    zero_gamma: Annotated[bool, later(False), Described(costs=False)] = False
    """whether the last norm of every branch starts at zero, so that each block starts as its skip"""
    in_chans: Annotated[
        int, Field(ge=1, le=1024), Described(elsewhere="the dataset decides in_chans", in_place=True)
    ] = 3
    """channels of the images"""
    num_classes: Annotated[
        int, Field(ge=2, le=1_000_000), Described(elsewhere="the dataset decides num_classes", in_place=True)
    ] = 10
    """number of classes"""
    image_size: Annotated[
        int, Field(ge=1, le=8192), Described(elsewhere="image_size belongs to a scale: [scales.NAME]", in_place=True)
    ] = 32
    """height and width of the images, pixels"""

    @field_validator("units")
    @classmethod
    def _units_exist(cls, units: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for name in dict.fromkeys(name for stage in units for name in stage):
            if unknown := sorted(get_unit(name).reads - set(OF_UNITS)):
                raise UsageError(
                    f'The unit "{name}" reads {", ".join(unknown)}, which no architecture has.',
                    hint=f"Units can read {', '.join(OF_UNITS)}.",
                )
        return units

    @model_validator(mode="after")
    def _one_threshold_a_stage(self) -> Self:
        if len(self.threshold_init) != len(self.units):
            raise ValueError(
                f"threshold_init has {len(self.threshold_init)} values for {len(self.units)} stages; give one per stage"
            )
        return self

    @classmethod
    @checked
    def uniform(cls, unit: str, blocks_per_stage: Sequence[int], **fields: object) -> Self:
        """The architecture with `unit` in every block; `fields` as in the constructor."""
        values: dict[str, Any] = {"units": tuple((unit,) * blocks for blocks in blocks_per_stage), **fields}
        return cls(**values)

    @classmethod
    @checked
    def named(cls, name: str, **fields: object) -> Self:
        """A network by its usual name ("pure20", "resnet56", "pure34" ...) or by its unit's: "log-conv-20".

        18, 34, 50, 101 and 152 are the ImageNet family at 224 pixels and 1000 classes (50 and up bottlenecks);
        any other 6n+2 is the CIFAR family at 32 pixels and 10 classes. `fields` override.

        Raises:
            UsageError: no network has that name.
        """
        match = re.fullmatch(r"(?:(pure|resnet)|(.+)-)([1-9]\d{0,3})", name.strip().lower())
        known, own, digits = match.groups(default="") if match else ("", "", "0")
        unit = _UNIT_OF_NAME.get(known, own)
        depth = int(digits) if unit in UNITS.names else 0
        if depth in _IMAGENET_BLOCKS:
            usual = {"family": "imagenet", "base_width": 64, "num_classes": 1000, "image_size": 224}
            return cls.uniform(unit, _IMAGENET_BLOCKS[depth], **{**usual, "bottleneck": depth >= 50, **fields})
        if depth >= 8 and (depth - 2) % 6 == 0 and depth <= 1202:
            return cls.uniform(unit, ((depth - 2) // 6,) * 3, **fields)
        raise UsageError(
            f'There is no architecture "{name}".',
            hint="Names are pure<depth> and resnet<depth>: 18, 34, 50, 101, 152 (ImageNet family), or 6n+2 up to "
            "1202 such as 20, 32, 44, 56, 110 (CIFAR family). Networks of one other unit are called <unit>-<depth>, "
            "such as log-conv-20.",
        )

    @property
    def blocks_per_stage(self) -> tuple[int, ...]:
        """Residual blocks in each stage."""
        return tuple(len(stage) for stage in self.units)

    @property
    def depth(self) -> int:
        """Weighted layers along the trunk, shortcuts not counted: 20 in PURe20."""
        return (3 if self.bottleneck else 2) * sum(self.blocks_per_stage) + 2

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.base_width * 2**stage for stage in range(len(self.units)))

    @property
    def unit_set(self) -> frozenset[str]:
        """Names of the units that occur."""
        return frozenset(name for stage in self.units for name in stage)

    @property
    def kind(self) -> str:
        """The name of the unit if there is one only, "product" where all of several multiply, else "hybrid"."""
        if len(self.unit_set) == 1:
            return min(self.unit_set)
        return PRODUCT.name if all(get_unit(name).multiplies for name in self.unit_set) else HYBRID

    @property
    def parameter_kinds(self) -> frozenset[ParameterKind]:
        """The parameter kinds that training changes."""
        kinds = frozenset[ParameterKind]({"trunk"}).union(*(get_unit(name).kinds for name in self.unit_set))
        return kinds if self.threshold_trainable else kinds - {"thresholds"}

    def with_unit(self, unit: str) -> Self:
        """The twin: the same network with `unit` in every block; raises `UsageError` if there is no such unit."""
        get_unit(unit)
        return self.model_copy(update={"units": tuple((unit,) * blocks for blocks in self.blocks_per_stage)})

    def canonical(self) -> Self:
        """The same network with every setting that nothing in it reads at its default."""
        read = settings_read(self.unit_set)
        unread = set(SETTINGS) - read
        if all(block.shortcut == "identity" for block, _ in self.distinct_blocks()):
            unread.add("shortcut")
        thresholds = tuple(_USUAL_THRESHOLD if theta is None else theta + 0.0 for theta in self.thresholds_read)
        return self.model_copy(update={"threshold_init": thresholds, **{name: _USUAL[name] for name in unread}})

    @property
    def thresholds_read(self) -> tuple[float | None, ...]:
        """`threshold_init`, None for stages without a unit that reads it."""
        return tuple(
            theta if "threshold_init" in settings_read(set(stage)) else None
            for theta, stage in zip(self.threshold_init, self.units, strict=True)
        )

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits, equal for architectures that build the same network."""
        text = self.canonical().model_dump_json(by_alias=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def stem(self) -> Stem:
        """The first layers. An all-conv network has a ResNet's ReLU there, one that starts with product units none."""
        imagenet = self.family == "imagenet"
        conv_size = halved(self.image_size) if imagenet else self.image_size
        first = get_unit(self.units[0][0])
        return Stem(
            in_channels=self.in_chans,
            out_channels=self.base_width,
            kernel_size=7 if imagenet else 3,
            stride=2 if imagenet else 1,
            in_size=self.image_size,
            conv_size=conv_size,
            out_size=halved(conv_size) if imagenet else conv_size,
            pool=imagenet,
            relu=first.always_relu or self.relu_in_block,
        )

    def blocks(self) -> Iterator[Block]:
        """The residual blocks in the order in which they run."""
        for stage, names in enumerate(self.units):
            for index in range(len(names)):
                yield self.block(stage, index)

    def distinct_blocks(self) -> Iterator[tuple[Block, int]]:
        """One block of each shape and unit, and how often it occurs: what counting needs of a deep network."""
        return ((self.block(stage, index), occurrences) for stage, index, occurrences in self.distinct_places())

    def distinct_places(self) -> Iterator[tuple[int, int, int]]:
        """The same by their places: stage, index in it, and how often."""
        for stage, names in enumerate(self.units):
            yield stage, 0, 1
            for name, occurrences in Counter(names[1:]).items():
                yield stage, names.index(name, 1), occurrences

    def block(self, stage: int, index: int) -> Block:
        """The residual block at a place."""
        unit = get_unit(self.units[stage][index])
        halves = index == 0 and stage > 0
        stride, out_size = 2 if halves else 1, self.stage_sizes[stage]
        in_size = self.stage_sizes[stage - 1] if halves else out_size
        first_channels, out_channels = (self.base_width, *self._channels)[stage : stage + 2]
        in_channels = first_channels if index == 0 else out_channels
        options = {name: True if unit.always_relu and name in RELUS else getattr(self, name) for name in _OF_BLOCKS}
        return Block(
            name=f"stages.{stage}.{index}",
            stage=stage,
            unit=unit,
            unit_place=UnitPlace(
                in_channels=self.widths[stage],
                out_channels=self.widths[stage],
                stride=stride if self.bottleneck else 1,
                in_size=in_size if self.bottleneck else out_size,
                out_size=out_size,
                settings={
                    name: self.threshold_init[stage] if name == "threshold_init" else getattr(self, name)
                    for name in sorted(unit.reads.difference(RELUS))
                },
            ),
            bottleneck=self.bottleneck,
            in_channels=in_channels,
            channels=self.widths[stage],
            out_channels=out_channels,
            stride=stride,
            in_size=in_size,
            out_size=out_size,
            shortcut=self.shortcut if stride != 1 or in_channels != out_channels else "identity",
            options=tuple((name, value) for name, value in options.items() if value != _USUAL[name]),
        )

    @property
    def stage_sizes(self) -> tuple[int, ...]:
        """Height and width of each stage's output, pixels."""
        return tuple(accumulate(self.units[1:], lambda size, _: halved(size), initial=self.stem.out_size))

    @property
    def _channels(self) -> list[int]:
        """What the blocks of each stage add to the skip."""
        return [width * (4 if self.bottleneck else 1) for width in self.widths]

    @property
    def out_channels(self) -> int:
        """Features that reach the classifier."""
        return self._channels[-1]


def halved(size: int) -> int:
    """Output size of a padded layer of stride 2."""
    return (size + 1) // 2


_DESCRIBED = descriptions(Architecture)
_USUAL = {name: default_of(Architecture, name) for name in _DESCRIBED}
_OF_BLOCKS = [name for name, each in _DESCRIBED.items() if each.of_blocks]
OF_UNITS = [name for name, each in _DESCRIBED.items() if each.of_units]
"""What only the units take that read it."""
SETTINGS = [name for name in OF_UNITS if _DESCRIBED[name].per == "network"]
"""Of these, what a network has one value of; thresholds may start elsewhere in every stage."""
