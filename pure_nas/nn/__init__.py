"""Product units and the networks built from them."""

from pure_nas.nn.network import Network, build, parameter_kinds
from pure_nas.nn.product_unit import ConvPU

__all__ = ["ConvPU", "Network", "build", "parameter_kinds"]
