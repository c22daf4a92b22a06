"""A network for inference alone, with every norm folded into the convolution before it.

After a convolution, a norm a * conv(x) + b is a convolution with other weights and a bias. After a product unit,
a * 2 ** z + b = sign(a) * 2 ** (z + log2 |a|) + b: the shift is a bias of the convolution of logarithms, and the cap
moves with it. After a convolution of logarithms a norm folds as after a convolution. Units of other kinds (the complex
one, those of other packages), units of half precision and their norms stay as they are.
"""

from __future__ import annotations

import copy
import math
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.fused.unit import Floor, FusedConvPU, is_half, is_plain, log2, runs_eagerly, wide
from pure_nas.nn.network import Network
from pure_nas.nn.plain.blocks import ProjectionShortcut, ResidualBlock
from pure_nas.nn.plain.units import ConvPU, LogConv


@torch.no_grad()
def folded(network: Network) -> nn.Module:
    """A copy of `network`, as it is now, that computes what it computes in evaluation mode, faster; it cannot train."""
    stem = network.stem
    parts = [_after(stem.conv, stem.norm, stem.relu), copy.deepcopy(stem.pool)]
    parts += [_block(block) for stage in network.stages.children() for block in stage.children()]
    return nn.Sequential(*parts, copy.deepcopy(network.classifier)).eval().requires_grad_(False)


def _affine(norm: nn.BatchNorm2d, times: float) -> tuple[Tensor, Tensor]:
    """(a, b) of each channel, float64, where `norm` in evaluation mode, `times` a number, is a * x + b."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt() * norm.weight.double()
    shift = -norm.running_mean.double() * scale + norm.bias.double()
    return scale * times, shift * times


def _is_product_unit(module: nn.Module) -> TypeGuard[ConvPU]:
    return type(module) in (ConvPU, FusedConvPU)  # a subclass may compute something else


def _after(module: nn.Module, norm: nn.BatchNorm2d, relu: bool = False, times: float = 1.0) -> nn.Module:
    """`module`, `norm`, a factor of `times` and a ReLU where `relu`, as one where possible."""
    scale, shift = _affine(norm, times)
    parts: list[nn.Module]
    if type(module) is nn.Conv2d and module.padding_mode == "zeros":
        parts = [_convolution(module, scale, shift)]
    elif _is_product_unit(module) and is_plain(module):
        parts = [_Product(module, scale, shift)]
    elif type(module) is LogConv and not is_half(module.weight):
        parts = [_LogConvolution(module, module.weight * _of_kernel(scale * math.log(2), module.weight), shift)]
    else:
        parts = [copy.deepcopy(module), copy.deepcopy(norm), *([] if times == 1.0 else [_Times(times)])]
    return nn.Sequential(*parts, *([nn.ReLU(inplace=True)] if relu else []))


def _convolution(conv: nn.Conv2d, scale: Tensor, shift: Tensor) -> nn.Conv2d:
    found = copy.deepcopy(conv)
    bias = shift if conv.bias is None else shift + scale * conv.bias
    found.weight = nn.Parameter(conv.weight * _of_kernel(scale, conv.weight))
    found.bias = nn.Parameter(bias.to(conv.weight.dtype))
    return found


def _of_kernel(scale: Tensor, weight: Tensor) -> Tensor:
    """`scale`, one for each output channel, as a factor of `weight`."""
    return scale.to(weight.dtype).view(-1, 1, 1, 1)


def _shortcut(shortcut: nn.Module) -> nn.Module:
    if isinstance(shortcut, ProjectionShortcut):
        convolution = _after(shortcut.conv, shortcut.norm)
        return convolution if shortcut.step == 1 else nn.Sequential(nn.AvgPool2d(1, shortcut.step), convolution)
    return copy.deepcopy(shortcut)


def _block(block: nn.Module) -> nn.Module:
    assert isinstance(block, ResidualBlock)
    # A ReLU before a threshold changes nothing: it is above zero.
    before = block.relu_in_block and not (_is_product_unit(block.unit) or type(block.unit) is LogConv)
    parts = [_after(block.conv1, block.norm1, before)]
    if block.bottleneck:
        parts += [_after(block.unit, block.norm2, block.relu_in_block)]
        parts += [_after(block.conv3, block.norm3, times=block.residual_scale)]
    else:
        parts += [_after(block.unit, block.norm2, times=block.residual_scale)]
    return _Residual(nn.Sequential(*parts), _shortcut(block.shortcut), block.relu_after_add)


class _Residual(nn.Module):
    def __init__(self, branch: nn.Module, shortcut: nn.Module, relu: bool) -> None:
        super().__init__()
        self.branch, self.shortcut, self.relu = branch, shortcut, relu

    def forward(self, x: Tensor) -> Tensor:
        branch, skip = self.branch(x), self.shortcut(x)
        in_place = branch.dtype == torch.promote_types(branch.dtype, skip.dtype)
        out: Tensor = branch.add_(skip) if in_place else branch + skip
        return F.relu_(out) if self.relu else out


class _Times(nn.Module):
    """A factor; uses up the memory of its input."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x.mul_(self.factor)


class _LogConvolution(nn.Module):
    """A convolution of log2(max(x, t)) with the floor t of a unit; uses up the memory of its input."""

    floors: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, unit: ConvPU | LogConv, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.stride, self.padding = unit.stride, unit.padding
        t = Floor.of(unit.theta).t
        # A number is faster than a tensor of one; (C, 1, 1) where every channel has its own. On an accelerator it would
        # have to be waited for.
        self.floor = float(t) if unit.theta.dim() == 0 and unit.theta.device.type == "cpu" else None
        self.register_buffer("floors", torch.as_tensor(t))
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias.to(weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = wide(x)
            x = x.clamp_min_(self.floors) if self.floor is None else x.clamp_min_(self.floor)
            return self._behind(F.conv2d(log2(x, out=x), self.weight, self.bias, self.stride, self.padding))

    def _behind(self, out: Tensor) -> Tensor:
        return out


class _Product(_LogConvolution):
    """A product unit and its norm; uses up the memory of its input."""

    limit: Tensor  # (C, 1, 1), the largest exponent: the cap where `capped`, else what overflows, shifted by log2 |a|
    sign: Tensor
    shift: Tensor

    def __init__(self, unit: ConvPU, scale: Tensor, shift: Tensor) -> None:
        dtype, exponent_shift = unit.weight.dtype, scale.abs().log2()
        super().__init__(unit, unit.weight.clone(memory_format=torch.preserve_format), exponent_shift)
        self.capped = unit.exponent_cap is not None
        cap = math.log2(torch.finfo(dtype).max) if unit.exponent_cap is None else unit.exponent_cap / math.log(2)
        self.least_limit, self.negative = -math.inf, True
        if scale.device.type == "cpu":
            self.least_limit = cap + min(exponent_shift[exponent_shift > -math.inf].tolist(), default=math.inf)
            self.negative = bool((scale < 0).any())
        for name, value in (("limit", cap + exponent_shift), ("sign", scale.sign()), ("shift", shift)):
            self.register_buffer(name, value.to(dtype).view(-1, 1, 1))

    def _behind(self, out: Tensor) -> Tensor:
        y = self._limited(out).exp2_()
        return (y.mul_(self.sign) if self.negative else y).add_(self.shift)

    def _limited(self, exponent: Tensor) -> Tensor:
        """What the unlimited exponents are in the network; on the CPU one look often says: themselves."""
        may_look = exponent.device.type == "cpu" and exponent.numel() > 0 and runs_eagerly(exponent)
        if may_look and exponent.amax().item() <= self.least_limit:
            return exponent
        if self.capped:
            return torch.minimum(exponent, self.limit)
        return exponent.masked_fill_(exponent > self.limit, math.inf)
