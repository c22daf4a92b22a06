"""Internal: product units and the networks built from them."""

from pure_nas.nn.fused.blocks import product_unit_path
from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.network import Network, build, parameter_kinds
from pure_nas.nn.plain.units import ComplexConvPU, ConvPU, LogConv

__all__ = [
    "ComplexConvPU",
    "ConvPU",
    "FusedConvPU",
    "LogConv",
    "Network",
    "build",
    "parameter_kinds",
    "product_unit_path",
]
