"""Residual blocks whose tail (norm, product unit, norm and skip) is one autograd function."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor, nn

from pure_nas.nn.fused import tail as fused_tail
from pure_nas.nn.fused.unit import FusedConvPU, is_plain, runs_eagerly
from pure_nas.nn.plain.blocks import BasicBlock, BottleneckBlock
from pure_nas.nn.triton import block as triton_block

logger = logging.getLogger(__name__)


def product_unit_path(device: torch.device) -> str:
    """How product units are computed on `device` in training, and why, for records."""
    if device.type == "cpu":
        return "fused"
    reason = _triton_reason(device)
    return f"plain blocks with fused units: {reason}" if reason else "triton"


@cache
def _triton_reason(device: torch.device) -> str:
    """Why `device` cannot run the Triton kernels; empty where it can."""
    if device.type != "cuda":
        return f"there are no kernels for {device.type}"
    reason = triton_block.available(device)
    if reason:
        logger.warning("Product units run without fused kernels on %s: %s.", device, reason)
    return reason


class FusedBasicBlock(BasicBlock):
    """`BasicBlock` in less time and memory where its unit is a product unit and it trains."""

    def forward(self, x: Tensor) -> Tensor:
        if not _can_fuse(self, x):
            return super().forward(x)
        return _tail(self, self.conv1(x), self.shortcut(x), self.relu_after_add, self.residual_scale)


class FusedBottleneckBlock(BottleneckBlock):
    """`BottleneckBlock` in less time and memory where its unit is a product unit and it trains."""

    def forward(self, x: Tensor) -> Tensor:
        if not _can_fuse(self, x):
            return super().forward(x)
        out = _tail(self, self.conv1(x), None, self.relu_in_block)
        return self.added(self.norm3(self.conv3(out)), x)


def _tail(
    block: BasicBlock | BottleneckBlock, c: Tensor, skip: Tensor | None, relu: bool, scale: float = 1.0
) -> Tensor:
    """Norm, unit and norm of `block`, times `scale`, the skip where there is one, and a ReLU where `relu`.

    A ReLU before a product unit changes nothing: its threshold is above zero.
    """
    assert isinstance(block.unit, FusedConvPU)
    product_tail = fused_tail.product_tail if c.device.type == "cpu" else triton_block.product_tail
    return product_tail(c, skip, block.norm1, block.unit, block.norm2, relu, scale)


def _can_fuse(block: BasicBlock | BottleneckBlock, x: Tensor) -> bool:
    """Whether norms and unit of `block` are of the kinds that are fused, train, and nobody watches between them."""
    norms = block.norm1, block.norm2
    return (
        runs_eagerly(x)
        and type(block.unit) is FusedConvPU
        and is_plain(block.unit)
        and all(map(_trains_as_usual, norms))
        and not any(map(_has_hooks, (*norms, block.unit)))
        and len(x) > 1  # a norm refuses single values
        and (x.device.type == "cpu" or not _triton_reason(x.device))
    )


def _trains_as_usual(norm: nn.Module) -> bool:
    return type(norm) is nn.BatchNorm2d and norm.training and norm.affine and norm.track_running_stats


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )
