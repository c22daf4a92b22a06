"""Internal: product units and the networks built from them."""

from pure_nas.nn.fused.blocks import product_unit_path
from pure_nas.nn.network import Network, build, parameter_kinds
from pure_nas.nn.plain.units import ConvPU

__all__ = ["ConvPU", "Network", "build", "parameter_kinds", "product_unit_path"]
