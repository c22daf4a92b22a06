"""Architecture: which network it is, as plain validated data."""

from __future__ import annotations

import hashlib
import operator
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from pure_nas.errors import UsageError
from pure_nas.space.unit import (
    HYBRID,
    MULTIPLYING,
    PRODUCT,
    ParameterKind,
    Setting,
    Unit,
    UnitPlace,
    get_unit,
    unit_names,
)
from pure_nas.validation import Document

Family = Literal["cifar", "imagenet"]


BOTTLENECK_EXPANSION = 4

_IMAGENET_BLOCKS: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}
_NAME = re.compile(r"(?:(pure|resnet)|(.+)-)([1-9]\d{0,3})")
_UNIT_OF_NAME = {"pure": "product", "resnet": "conv"}

Theta = Annotated[float, Field(ge=-50.0, le=50.0)]


@dataclass(frozen=True, kw_only=True)
class Stem:
    """The first convolution and its normalisation.

    Attributes:
        pool: whether a 3x3 max-pool of stride 2 follows.
        relu: whether a ReLU follows the normalisation.
    """

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
    """One residual block, resolved: everything that building, counting or exporting it needs.

    Attributes:
        name: its path in the network, such as "stages.0.2".
        channels: channels between its convolutions.
        out_channels: channels it adds to the skip (4 x channels in a bottleneck).
        unit_place: where its unit sits.
        shortcut: "identity", "projection" (1x1 convolution + norm) or "padding" (subsample, zero channels).
        residual_scale: what its branch is multiplied by before the addition.
    """

    name: str
    stage: int
    unit: Unit
    unit_place: UnitPlace
    bottleneck: bool
    in_channels: int
    channels: int
    out_channels: int
    stride: int
    in_size: int
    out_size: int
    shortcut: Literal["identity", "projection", "padding"]
    relu_in_block: bool
    relu_after_add: bool
    residual_scale: float


def _one(value: float) -> bool:
    return value == 1.0


def _half(value: float) -> bool:
    return value == 0.5


def _zero_in_every_stage(validated: dict[str, Any]) -> tuple[float, ...]:
    return (0.0,) * len(validated["units"])


class Architecture(Document):
    """A residual network of which every layer's unit is chosen.

    Attributes:
        family: "cifar" (3x3 stem) or "imagenet" (7x7 stem of stride 2 and a max-pool).
        units: unit names, one tuple a stage, one name a residual block; each stage after the first halves the
            image and doubles the width.
        base_width: channels of the first stage.
        bottleneck: 1x1, unit, 1x1 (x4) instead of 3x3, unit.
        shortcut: how a skip changes its shape: "projection" (1x1 convolution and norm) or "padding"
            (parameter-free: every second pixel, new channels zero).
        threshold_init: start of the raw threshold theta per stage; the floor is softplus(theta) + 1e-7.
        threshold_trainable: whether theta is trained.
        threshold_per_channel: whether every input channel of a unit has a theta of its own.
        exponent_cap: upper bound of the exponent z in exp(z); None reproduces the paper strictly.
        softening: a unit with complex logarithms takes log sqrt(x ** 2 + softening ** 2) for log |x|.
        relu_in_block: a ReLU after each inner norm of blocks that do not always have it.
        relu_after_add: a ReLU after the addition of blocks that do not always have it.
        residual_scale: what the branch of every block is multiplied by before it is added to the skip.
        zero_gamma: whether the last norm of every branch starts at zero, so that blocks start as their skips.
        in_chans: channels of the images.
        num_classes: classes to tell apart.
        image_size: height and width of the images, pixels.

    Example:
        >>> Architecture(units=(("conv", "product"), ("product",)), base_width=4).depth
        8
        >>> Architecture.named("pure20").kind
        'product'
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    family: Family = "cifar"
    units: Annotated[
        tuple[Annotated[tuple[str, ...], Field(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=6),
    ]
    base_width: Annotated[int, Field(ge=1, le=4096)] = 16
    bottleneck: bool = False
    shortcut: Literal["projection", "padding"] = "projection"
    threshold_init: tuple[Theta, ...] = Field(default_factory=_zero_in_every_stage)
    threshold_trainable: bool = True
    # Fields that came later are left out of files and digests at their defaults, so that older digests stay true.
    threshold_per_channel: Annotated[bool, Field(exclude_if=operator.not_)] = False
    exponent_cap: Annotated[float, Field(gt=0, le=80)] | None = 20.0
    softening: Annotated[float, Field(ge=1e-6, le=10, exclude_if=_half)] = 0.5
    relu_in_block: bool = False
    relu_after_add: bool = False
    residual_scale: Annotated[float, Field(gt=0, le=10, exclude_if=_one)] = 1.0
    zero_gamma: Annotated[bool, Field(exclude_if=operator.not_)] = False
    in_chans: Annotated[int, Field(ge=1, le=1024)] = 3
    num_classes: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    image_size: Annotated[int, Field(ge=1, le=8192)] = 32

    @field_validator("units")
    @classmethod
    def _units_exist(cls, units: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for name in dict.fromkeys(name for stage in units for name in stage):
            get_unit(name)
        return units

    @model_validator(mode="after")
    def _one_threshold_a_stage(self) -> Self:
        if len(self.threshold_init) != len(self.units):
            raise ValueError(
                f"threshold_init has {len(self.threshold_init)} values for {len(self.units)} stages; give one a stage"
            )
        return self

    @classmethod
    def uniform(cls, unit: str, blocks_per_stage: Sequence[int], **fields: object) -> Self:
        """The architecture with `unit` in every block; `fields` as in the constructor."""
        return cls.model_validate({"units": tuple((unit,) * blocks for blocks in blocks_per_stage), **fields})

    @classmethod
    def named(cls, name: str, **fields: object) -> Self:
        """A network by its usual name ("pure20", "resnet56", "pure34" ...) or by its unit's: "log-conv-20".

        18, 34, 50, 101 and 152 are the ImageNet family at 224 pixels and 1000 classes (50 and up bottlenecks);
        any other 6n+2 is the CIFAR family at 32 pixels and 10 classes. `fields` override.

        Raises:
            UsageError: no network has that name.
        """
        match = _NAME.fullmatch(name.strip().lower())
        usual, own, digits = match.groups(default="") if match else ("", "", "0")
        unit = _UNIT_OF_NAME.get(usual, own)
        depth = int(digits) if usual or own in unit_names() else 0
        if depth in _IMAGENET_BLOCKS:
            blocks, bottleneck = _IMAGENET_BLOCKS[depth]
            defaults: dict[str, object] = {
                "family": "imagenet",
                "base_width": 64,
                "bottleneck": bottleneck,
                "num_classes": 1000,
                "image_size": 224,
            }
            return cls.uniform(unit, blocks, **{**defaults, **fields})
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
            return next(iter(self.unit_set))
        return PRODUCT.name if self.unit_set <= MULTIPLYING else HYBRID

    @property
    def parameter_kinds(self) -> frozenset[ParameterKind]:
        """The parameter kinds that training changes."""
        kinds = frozenset[ParameterKind]({"trunk"}).union(*(get_unit(name).kinds for name in self.unit_set))
        return kinds if self.threshold_trainable else kinds - {"thresholds"}

    def with_unit(self, unit: str) -> Self:
        """The twin: the same network with `unit` in every block.

        Raises:
            UsageError: there is no such unit.
        """
        get_unit(unit)
        return self.model_copy(update={"units": tuple((unit,) * blocks for blocks in self.blocks_per_stage)})

    def canonical(self) -> Self:
        """The same network with every setting that nothing in it reads at its default."""
        fields = type(self).model_fields
        updates: dict[str, object] = {}
        read: set[Setting] = set().union(*(get_unit(name).reads for name in self.unit_set))
        for setting in get_args(Setting):
            if setting not in read and setting != "threshold_init":
                updates[setting] = fields[setting].default
        if all(block.shortcut == "identity" for block, _ in self.distinct_blocks()):
            updates["shortcut"] = fields["shortcut"].default
        updates["threshold_init"] = tuple(
            theta + 0.0 if any("threshold_init" in get_unit(name).reads for name in stage) else 0.0
            for theta, stage in zip(self.threshold_init, self.units, strict=True)
        )
        return self.model_copy(update=updates)

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
                yield self._block(stage, index)

    def distinct_blocks(self) -> Iterator[tuple[Block, int]]:
        """One block of each shape and unit, and how often it occurs: what counting needs of a deep network."""
        for stage, names in enumerate(self.units):
            yield self._block(stage, 0), 1
            for name, occurrences in Counter(names[1:]).items():
                yield self._block(stage, names.index(name, 1)), occurrences

    def _block(self, stage: int, index: int) -> Block:
        unit = get_unit(self.units[stage][index])
        enters = index == 0
        channels = self.widths[stage]
        channels_out = channels * self._expansion
        channels_in = channels_out if not enters else self._stage_in_channels(stage)
        stride = 2 if enters and stage > 0 else 1
        size_out = self.stage_sizes[stage]
        size_in = self.stage_sizes[stage - 1] if stride == 2 else size_out
        changes = stride != 1 or channels_in != channels_out
        return Block(
            name=f"stages.{stage}.{index}",
            stage=stage,
            unit=unit,
            unit_place=UnitPlace(
                in_channels=channels,
                out_channels=channels,
                stride=stride if self.bottleneck else 1,
                in_size=size_in if self.bottleneck else size_out,
                out_size=size_out,
                threshold_init=self.threshold_init[stage],
                threshold_trainable=self.threshold_trainable,
                threshold_per_channel=self.threshold_per_channel,
                exponent_cap=self.exponent_cap,
                softening=self.softening,
            ),
            bottleneck=self.bottleneck,
            in_channels=channels_in,
            channels=channels,
            out_channels=channels_out,
            stride=stride,
            in_size=size_in,
            out_size=size_out,
            shortcut=self.shortcut if changes else "identity",
            relu_in_block=unit.always_relu or self.relu_in_block,
            relu_after_add=unit.always_relu or self.relu_after_add,
            residual_scale=self.residual_scale,
        )

    @property
    def stage_sizes(self) -> tuple[int, ...]:
        """Height and width of each stage's output, pixels."""
        sizes = [self.stem.out_size]
        while len(sizes) < len(self.units):
            sizes.append(halved(sizes[-1]))
        return tuple(sizes)

    @property
    def _expansion(self) -> int:
        return BOTTLENECK_EXPANSION if self.bottleneck else 1

    def _stage_in_channels(self, stage: int) -> int:
        return self.widths[stage - 1] * self._expansion if stage > 0 else self.base_width

    @property
    def out_channels(self) -> int:
        """Features that reach the classifier."""
        return self.widths[-1] * self._expansion


def halved(size: int) -> int:
    """Output size of a padded layer of stride 2."""
    return (size + 1) // 2
