"""Product units and the networks built from them."""

from pure_nas.nn.fused_blocks import product_unit_path
from pure_nas.nn.fused_unit import FusedConvPU
from pure_nas.nn.network import Network, build, parameter_kinds
from pure_nas.nn.product_unit import ConvPU

__all__ = ["ConvPU", "FusedConvPU", "Network", "build", "parameter_kinds", "product_unit_path"]
