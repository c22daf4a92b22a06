"""Residual blocks whose tail (norm, product unit, norm and skip) is one autograd function.

On the CPU it saves the first norm's input and the unit's output, and computes again what lies between.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.fused.unit import (
    Floor,
    FusedConvPU,
    backward_dtype,
    is_plain,
    power,
    power_gradients,
    refuse_second_derivative,
    runs_eagerly,
    scaled,
    wide,
)
from pure_nas.nn.plain.blocks import ResidualBlock
from pure_nas.nn.plain.units import ConvPU
from pure_nas.nn.triton import block as triton_block

logger = logging.getLogger(__name__)
_aten = torch.ops.aten


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


class FusedBlock(ResidualBlock):
    """`ResidualBlock` in less time and memory where its unit is a product unit and it trains."""

    def forward(self, x: Tensor) -> Tensor:
        if not _can_fuse(self, x):
            return super().forward(x)
        if self.bottleneck:
            out = _tail(self, self.conv1(x), None, self.relu_in_block)
            return self.added(self.norm3(self.conv3(out)), x)
        return _tail(self, self.conv1(x), self.shortcut(x), self.relu_after_add, self.residual_scale)


def _tail(block: ResidualBlock, c: Tensor, skip: Tensor | None, relu: bool, scale: float = 1.0) -> Tensor:
    """What `product_tail` computes, without a ReLU before the unit: its threshold is above zero anyway."""
    norm1, unit, norm2 = block.norm1, block.unit, block.norm2
    assert isinstance(unit, FusedConvPU)
    if c.device.type != "cpu":
        return triton_block.product_tail(c, skip, norm1, unit, norm2, relu, scale)
    parameters = norm1.weight, norm1.bias, unit.weight, unit.theta, *scaled(norm2, scale)
    out: Tensor = _ProductTail.apply(c, skip, (norm1, unit, norm2), *parameters)
    return F.relu(out) if relu else out


def _can_fuse(block: ResidualBlock, x: Tensor) -> bool:
    """Whether norms and unit of `block` are of the kinds that are fused, train, and nobody watches between them."""
    norms = block.norm1, block.norm2
    return (
        runs_eagerly(x)
        and type(block.unit) is FusedConvPU
        and is_plain(block.unit)
        and all(type(norm) is nn.BatchNorm2d and norm.training for norm in norms)
        and all(norm.affine and norm.track_running_stats for norm in norms)
        and not any(map(_has_hooks, (*norms, block.unit)))
        and len(x) > 1  # a norm refuses single values
        and (x.device.type == "cpu" or not _triton_reason(x.device))
    )


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


class _ProductTail(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        c: Tensor,
        skip: Tensor | None,
        modules: tuple[nn.BatchNorm2d, ConvPU, nn.BatchNorm2d],
        *parameters: Tensor,
    ) -> Tensor:
        norm1, unit, norm2 = modules
        gamma1, beta1, weight, theta, gamma2, beta2 = parameters
        floor = Floor.of(theta)
        x = wide(c)
        moments1 = _moments(x, norm1)
        y, passed = power(floor.logarithm_(_normed(x, gamma1, beta1, moments1)), weight, unit)
        moments2 = _moments(y, norm2)
        out = _normed(y, gamma2, beta2, moments2)
        ctx.save_for_backward(c, y, passed, gamma1, beta1, weight, theta, gamma2, *moments1[:2], *moments2[:2])
        ctx.t, ctx.eps1, ctx.eps2, ctx.unit = floor.t, norm1.eps, norm2.eps, unit
        ctx.operand_dtype = backward_dtype(c.device.type)
        return out if skip is None else out.add_(skip)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        c, y, passed, gamma1, beta1, weight, theta, gamma2, mean1, variance1, mean2, variance2 = ctx.saved_tensors
        moments1, moments2 = (mean1, variance1, ctx.eps1), (mean2, variance2, ctx.eps2)
        needs_c, needs_skip, _, *needs, needs_weight, needs_theta, needs_gamma2, needs_beta2 = ctx.needs_input_grad
        needs_norm1 = needs_c, *needs
        needs_logarithm = any(needs_norm1) or needs_theta
        d_c = d_gamma1 = d_beta1 = d_theta = d_weight = None
        if d_out.stride() != y.stride():  # a norm takes six times as long on two layouts
            d_out = torch.empty_like(y).copy_(d_out)
        needs_norm2 = needs_logarithm or needs_weight, needs_gamma2, needs_beta2
        d_y, d_gamma2, d_beta2 = _norm_gradients(d_out, y, gamma2, moments2, needs_norm2)
        if d_y is not None:
            floor = Floor(theta, ctx.t)
            x = wide(c)
            logarithm = floor.logarithm_(_normed(x, gamma1, beta1, moments1))
            needs = needs_logarithm, needs_weight
            d_logarithm, d_weight = power_gradients(ctx, d_y.mul_(y), passed, logarithm, weight, needs)
            del d_y
            if d_logarithm is not None:
                d_normed, d_theta = floor.gradients(d_logarithm, logarithm.exp2_(), any(needs_norm1), needs_theta)
                if d_normed is not None:
                    d_c, d_gamma1, d_beta1 = _norm_gradients(d_normed, x, gamma1, moments1, needs_norm1)
        d_skip = d_out if needs_skip else None
        # The engine casts a gradient to the dtype of its input.
        return d_c, d_skip, None, d_gamma1, d_beta1, d_weight, d_theta, d_gamma2, d_beta2


_Moments = tuple[Tensor, Tensor, float]  # mean and biased variance of each channel, and the norm's eps


def _moments(x: Tensor, norm: nn.BatchNorm2d) -> _Moments:
    """Those of a batch, after which the running statistics of `norm` moved."""
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    mean, variance = _aten.batch_norm_update_stats(x, norm.running_mean, norm.running_var, momentum)
    return mean, variance, norm.eps


def _normed(x: Tensor, gamma: Tensor, beta: Tensor, moments: _Moments) -> Tensor:
    """The same to the last bit in the forward and in the backward pass."""
    mean, variance, eps = moments
    normed: Tensor = _aten.native_batch_norm(x, gamma, beta, mean, variance, False, 0.0, eps)[0]
    return normed


def _norm_gradients(
    d_normed: Tensor, x: Tensor, gamma: Tensor, moments: _Moments, needs: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """dL/dx, dL/dgamma and dL/dbeta of a norm in training mode, as far as needed."""
    mean, variance, eps = moments
    gradients: tuple[Tensor | None, Tensor | None, Tensor | None] = _aten.native_batch_norm_backward(
        d_normed, x, gamma, None, None, mean, (variance + eps).rsqrt_(), True, eps, needs
    )
    return gradients
