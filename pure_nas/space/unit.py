"""Units: what a residual layer's second operation is, as data that networks, cost, spaces and export read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from pure_nas.plugins import Registry
from pure_nas.validation import checked_fields

ParameterKind = Literal["trunk", "conv", "product_conv", "exponents", "thresholds"]
"""What a parameter is, for learning rates and weight decay.

trunk: stem and classifier; conv: the blocks around units that are convolutions, and those units;
product_conv: convolutions and norms of the blocks around product units; exponents: the weights of product
units; thresholds: their trainable floors.
"""
PARAMETER_KINDS: tuple[ParameterKind, ...] = get_args(ParameterKind)
LearningRate = Annotated[float, Field(gt=0, le=100)]
DecayValue = Annotated[float, Field(ge=0, le=10)]

RELUS = ("relu_in_block", "relu_after_add")  # those of the block around a unit
HYBRID = "hybrid"  # the kind of a network whose units are neither all the same nor all multiply


@dataclass(frozen=True, kw_only=True)
class UnitPlace:
    """Where one unit sits: shapes, pixels, the settings it reads; counts of a full convolution there, for one image."""

    in_channels: int
    out_channels: int
    stride: int
    in_size: int
    out_size: int
    kernel_size: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def weights(self) -> int:
        """Weights of the convolution."""
        return self.in_channels * self.out_channels * self.kernel_size**2

    @property
    def macs(self) -> int:
        """Its multiply-accumulates."""
        return self.weights * self.out_size**2

    @property
    def in_elements(self) -> int:
        """Values of the unit's input."""
        return self.in_channels * self.in_size**2

    @property
    def out_elements(self) -> int:
        """Values of its output."""
        return self.out_channels * self.out_size**2

    @property
    def thresholds(self) -> int:
        """Thresholds of a unit that has some: one, or one a channel."""
        return self.in_channels if self.settings["threshold_per_channel"] else 1


@dataclass(frozen=True)
class UnitCost:
    """What one unit costs for one image."""

    params: int  # trainable or not
    macs: int  # multiply-accumulates of its convolution
    elementwise: int  # one per element and operation


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Unit:
    """One kind of second operation in a residual layer.

    On a GPU a training step is recorded once and replayed, so what a unit's forward pass does in Python (counting
    steps, say) happens in the first steps only. State that changes belongs into buffers.

    Attributes:
        name: as written in architectures and search spaces.
        summary: one line for listings.
        title: what people call it; its name if left out.
        sign: the one character that stands for a layer with it in tables and figures (default: its first letter).
        multiplies: whether its output is a product of its inputs, not a sum.
        implementation: "module:Class" of the `nn.Module` that computes it.
        arguments: constructor arguments of that class at a place; plain values whose `repr` is Python source.
        cost: its cost at a place, in closed form, equal to what fvcore counts on `implementation`.
        reads: the settings of an architecture that it takes; its places have those. A unit that reads
            `relu_in_block` and `relu_after_add` leaves the block's ReLUs to the architecture; one that does not sits
            in a block that always has them.
        block_kind: the parameter kind of the rest of its block.
        parameter_kinds: the kind of each of its own parameters, by name.
        usual_learning_rate: what it is usually trained with (SGD, batch 128).
        usual_weight_decay: the coefficient that goes with it.
        source: "module:Class" whose source an exported file carries; None where `implementation` is part of
            PyTorch. It may use only `torch`, `nn`, `F` (`torch.nn.functional`) and `Tensor`.
    """

    name: str
    summary: str
    implementation: str
    arguments: Callable[[UnitPlace], dict[str, object]]
    cost: Callable[[UnitPlace], UnitCost]
    reads: frozenset[str] = frozenset()
    block_kind: ParameterKind = "conv"
    parameter_kinds: Mapping[str, ParameterKind] = field(default_factory=dict)
    usual_learning_rate: LearningRate = 0.1
    usual_weight_decay: DecayValue = 1e-4
    source: str | None = None
    title: str = ""
    sign: Annotated[str, Field(max_length=1)] = ""
    multiplies: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.name)
        object.__setattr__(self, "sign", self.sign or self.name[:1].upper())

    @property
    def always_relu(self) -> bool:
        """Whether its block is a ResNet block with both ReLUs, whatever the architecture's switches say."""
        return not self.reads & set(RELUS)

    @property
    def kinds(self) -> frozenset[ParameterKind]:
        """Every parameter kind that a block with this unit holds."""
        return frozenset({self.block_kind, *self.parameter_kinds.values()})


_THRESHOLDS = ("threshold_init", "threshold_trainable", "threshold_per_channel")


def _arguments(place: UnitPlace, settings: tuple[str, ...] = (), **more: object) -> dict[str, object]:
    return {
        "in_channels": place.in_channels,
        "out_channels": place.out_channels,
        "kernel_size": place.kernel_size,
        "stride": place.stride,
        "padding": place.kernel_size // 2,
        **{name: place.settings[name] for name in settings},
        **more,
    }


def _cost(
    place: UnitPlace, *, convolutions: int = 1, thresholds: bool = False, before: int = 0, after: int = 0
) -> UnitCost:
    if after and place.settings["exponent_cap"] is not None:
        after += 1  # what follows is exp, which the cap precedes
    return UnitCost(
        params=place.weights + (place.thresholds if thresholds else 0),
        macs=convolutions * place.macs,
        elementwise=before * place.in_elements + after * place.out_elements,
    )


CONV = Unit(
    name="conv",
    title="convolution",
    sign="+",
    summary="a 3x3 convolution in a ResNet block (ReLUs kept)",
    implementation="torch.nn:Conv2d",
    arguments=partial(_arguments, bias=False),
    cost=_cost,
    parameter_kinds={"weight": "conv"},
)

PRODUCT = Unit(
    name="product",
    title="product unit",
    sign="×",
    multiplies=True,
    summary="a 3x3 product unit (ConvPU) in a PURe block (no activations unless asked for)",
    implementation="pure_nas.nn.fused.unit:FusedConvPU",
    arguments=partial(_arguments, settings=(*_THRESHOLDS, "exponent_cap")),
    cost=partial(_cost, thresholds=True, before=2, after=1),  # max and log, then exp
    reads=frozenset({*_THRESHOLDS, "exponent_cap", *RELUS}),
    block_kind="product_conv",
    parameter_kinds={"weight": "exponents", "theta": "thresholds"},
    usual_learning_rate=0.01,
    usual_weight_decay=1e-3,
    source="pure_nas.nn.plain.units:ConvPU",
)

PRODUCT_COMPLEX = replace(
    PRODUCT,
    name="product-complex",
    title="complex product unit",
    sign="⊗",
    summary="a 3x3 product unit with complex logarithms: signs count, |x| is softened, not floored (no activations "
    "unless asked for)",
    implementation="pure_nas.nn.plain.units:ComplexConvPU",
    arguments=partial(_arguments, settings=("exponent_cap", "softening")),
    cost=partial(_cost, convolutions=2, before=4, after=4),  # square, sum, log, half; then exp, cosine, two products
    reads=frozenset({"exponent_cap", "softening", *RELUS}),
    parameter_kinds={"weight": "exponents"},
    # Measured, as there is no paper: of 0.001 to 0.03 the lowest was best (docs/results.md).
    usual_learning_rate=0.001,
    source="pure_nas.nn.plain.units:ComplexConvPU",
)

LOG_CONV = replace(
    PRODUCT,
    name="log-conv",
    title="convolution of logarithms",
    sign="ℓ",
    multiplies=False,
    summary="a 3x3 convolution of logarithms: a product unit without its exp (no activations unless asked for)",
    implementation="pure_nas.nn.plain.units:LogConv",
    arguments=partial(_arguments, settings=_THRESHOLDS),
    cost=partial(_cost, thresholds=True, before=2),  # max and log
    reads=frozenset({*_THRESHOLDS, *RELUS}),
    source="pure_nas.nn.plain.units:LogConv",
)

PLAIN_CONV = replace(
    CONV,
    name="plain-conv",
    title="convolution without ReLU",
    sign="⊕",
    summary="a 3x3 convolution in a PURe block (no activations unless asked for)",
    reads=frozenset({*RELUS}),
)


def _hadamard_cost(place: UnitPlace) -> UnitCost:
    return UnitCost(params=2 * place.weights, macs=2 * place.macs, elementwise=place.out_elements)


HADAMARD = Unit(
    name="hadamard",
    title="product of two convolutions",
    sign="⊙",
    multiplies=True,
    summary="the product of two 3x3 convolutions in a PURe block (no activations unless asked for)",
    implementation="pure_nas.nn.plain.units:Hadamard",
    arguments=_arguments,
    cost=_hadamard_cost,
    reads=frozenset({*RELUS}),
    parameter_kinds={"weight": "conv"},
    source="pure_nas.nn.plain.units:Hadamard",
)

_SHIPPED = (CONV, PRODUCT, PRODUCT_COMPLEX, LOG_CONV, PLAIN_CONV, HADAMARD)
BUILT_IN: Mapping[str, Unit] = {unit.name: unit for unit in _SHIPPED}
UNITS = Registry("pure_nas.units", Unit, BUILT_IN)


def get_unit(name: str) -> Unit:
    """The unit called so; that there is none is a `UsageError`."""
    return UNITS.get(name)


def register_unit(unit: Unit) -> None:
    """Let architectures and search spaces of this process use `unit` by its name.

    A unit that is registered again replaces the earlier one of that name, as a notebook's cell does that is run again.
    Packages declare units under the entry-point group `pure_nas.units` instead, which the command line sees as well.

    Raises:
        UsageError: the name is that of a unit that ships or is installed.

    Example:
        >>> import dataclasses
        >>> pure_nas.register_unit(dataclasses.replace(pure_nas.get_unit("plain-conv"), name="my-conv"))
        >>> pure_nas.Architecture(units=(("my-conv", "product"),)).depth
        6
    """
    UNITS.register(unit)


def settings_read(names: Iterable[str]) -> frozenset[str]:
    """The settings that any of the units called `names` reads."""
    return frozenset[str]().union(*(get_unit(name).reads for name in names))


def sign_of(kind: str) -> str:
    """The sign of a unit or of `HYBRID`; of a unit that is not installed, the first letter of its name."""
    if kind == HYBRID:
        return "±"
    return get_unit(kind).sign if kind in UNITS.names else kind[:1].upper()
