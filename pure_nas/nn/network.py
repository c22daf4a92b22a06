"""From an architecture to a network."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pure_nas.errors import PureNasError
from pure_nas.nn.fused.blocks import FusedBlock
from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.plain.blocks import Classifier, PaddingShortcut, ProjectionShortcut, ResidualBlock, Stem
from pure_nas.process_state import global_random_state
from pure_nas.space.architecture import Architecture, Block
from pure_nas.space.unit import ParameterKind, Unit, UnitPlace
from pure_nas.validation import checked

_SHORTCUTS = {"projection": ProjectionShortcut, "padding": PaddingShortcut}


class Network(nn.Module):
    """The network of an architecture, (N, in_chans, H, W) -> (N, num_classes), logits."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        stem = architecture.stem
        self.stem = Stem(stem.in_channels, stem.out_channels, stem.kernel_size, stem.stride, stem.relu, stem.pool)
        stages = [nn.Sequential() for _ in architecture.units]
        for block in architecture.blocks():
            stages[block.stage].append(_build_block(block))
        self.stages = nn.Sequential(*stages)
        self.classifier = Classifier(architecture.out_channels, architecture.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.classifier(self.stages(self.stem(x)))
        return out


@checked
def build(architecture: Architecture, *, generator: torch.Generator | None = None) -> Network:
    """Build and initialise the network of `architecture`.

    Convolutions start Kaiming normal (fan-out), norms at one and zero (where the architecture says `zero_gamma`, the
    last of every branch at zero alone), units as they define it. The global random state is left alone; `generator`
    (seed 0 by default) decides every weight.

    Example:
        >>> build(Architecture.named("pure20"))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    generator = generator or torch.Generator().manual_seed(0)
    with global_random_state(_seed_from(generator)):
        network = Network(architecture)
    _initialise(network, generator)
    if architecture.zero_gamma:
        for block in architecture.blocks():
            norm = "norm3" if block.bottleneck else "norm2"
            nn.init.zeros_(network.get_parameter(f"{block.name}.{norm}.weight"))
    return network


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        match module:
            case nn.Conv2d():
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            case nn.Linear():
                bound = module.in_features**-0.5
                for parameter in module.parameters():
                    nn.init.uniform_(parameter, -bound, bound, generator=generator)
            case _ if callable(reset) and "generator" in inspect.signature(reset).parameters:
                reset(generator=generator)
            case _ if callable(reset):  # as of most layers of PyTorch, which draw from the global state only
                with global_random_state(_seed_from(generator)):
                    reset()


def _seed_from(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))


def parameter_kinds(network: Network) -> Mapping[str, ParameterKind]:
    """The kind of every parameter of `network`, by its name."""
    kinds: dict[str, ParameterKind] = {name: "trunk" for name, _ in network.named_parameters()}
    for block in network.architecture.blocks():
        for name, _ in network.get_submodule(block.name).named_parameters(prefix=block.name):
            _, in_unit, own = name.partition(f"{block.name}.unit.")
            if in_unit and own not in block.unit.parameter_kinds:
                raise PureNasError(
                    f'The unit "{block.unit.name}" does not say of which kind its parameter "{own}" is.',
                    hint="The package that declares it lists every parameter in Unit(..., parameter_kinds=...).",
                )
            kinds[name] = block.unit.parameter_kinds[own] if in_unit else block.unit.block_kind
    return kinds


def resolved(unit: Unit, name: str, done: str) -> Any:
    """What `name`, "module:Class", stands for; that it does not import and `unit` cannot be `done` is an error."""
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PureNasError(
            f'The unit "{unit.name}" cannot be {done}: {name} does not import: {error}.',
            hint="Reinstall the package that declares it.",
        ) from error


def build_unit(unit: Unit, place: UnitPlace) -> nn.Module:
    """The module of `unit` at `place`."""
    module = resolved(unit, unit.implementation, "built")(**unit.arguments(place))
    if not isinstance(module, nn.Module):
        raise PureNasError(f'The unit "{unit.name}" builds a {type(module).__name__}, not a torch.nn.Module.')
    return module


def _build_block(block: Block) -> nn.Module:
    unit = build_unit(block.unit, block.unit_place)
    ends = block.in_channels, block.out_channels, block.stride
    shortcut = nn.Identity() if block.shortcut == "identity" else _SHORTCUTS[block.shortcut](*ends)
    kind = FusedBlock if isinstance(unit, FusedConvPU) else ResidualBlock
    stride = 1 if block.bottleneck else block.stride
    return kind(block.in_channels, block.channels, unit, shortcut, stride, block.bottleneck, **dict(block.options))
