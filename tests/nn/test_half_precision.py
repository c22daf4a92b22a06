"""Units whose weights are half precision: all compute in float32."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pure_nas.nn.complex_unit import ComplexConvPU
from pure_nas.nn.fused_unit import FusedConvPU
from pure_nas.nn.log_conv import LogConv
from pure_nas.nn.product_unit import ConvPU

UNITS: dict[str, Callable[[], nn.Module]] = {
    "complex": lambda: ComplexConvPU(2, 3),
    "fused": lambda: FusedConvPU(2, 3, threshold_init=-1.0),
    "log-conv": lambda: LogConv(2, 3, threshold_init=-1.0, threshold_per_channel=True),
    "product": lambda: ConvPU(2, 3, threshold_init=-1.0),
}


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_with_in_float32_and_give_the_dtype_of_the_input(
    name: str, dtype: torch.dtype
) -> None:
    narrow, x = UNITS[name]().to(dtype), torch.rand(2, 2, 4, 4).to(dtype)
    wide = copy.deepcopy(narrow).float()
    with torch.no_grad():
        y = narrow(x)
        assert torch.equal(y, wide(x.float()).to(dtype))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(narrow(x), y)
