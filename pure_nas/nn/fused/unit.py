"""ConvPU as one autograd function that saves two activation-sized tensors.

The unit is the same in every base: y = 2 ** conv(log2(max(x, t)), W). Base 2 is the fastest on a CPU, and with it
the backward pass needs only the logarithm and y, because max(x, t) is 2 ** logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.errors import PureNasError
from pure_nas.nn.plain.units import ConvPU

_aten = torch.ops.aten
_LN_2 = math.log(2)


class FusedConvPU(ConvPU):
    """`ConvPU` in less time and memory: the same parameters, state-dict keys and numbers.

    Where x == t, or where the logarithms of both are within a few roundings, the gradient goes to the threshold (the
    plain composition halves it). Compiled, exported, traced or transformed by `torch.func`, and with weights of half
    precision, it is the plain composition. Its gradients cannot be differentiated again.

    Under bfloat16 autocast the forward pass stays in float32, because an error of the exponent is multiplied by its
    size: bfloat16 exponents put a relative error of 0.1 to 2 % into y. The operands of both backward convolutions are
    rounded to bfloat16, which puts 0.2 % into the gradients, as in any convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not runs_eagerly(x) or not is_plain(self):
            return super().forward(x)
        y: Tensor = _ProductUnit.apply(wide(x), self.weight, self.theta, self)
        return y


def runs_eagerly(x: Tensor) -> bool:
    """Whether operations on `x` compute at once: nothing compiles, exports, traces, fakes or transforms them."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        or type(x) not in (Tensor, nn.Parameter)
        or torch._C._are_functorch_transforms_active()
    )


def refuse_second_derivative() -> None:
    """Stop a backward pass that is itself recorded (create_graph=True): its second derivative would lack terms."""
    if torch.is_grad_enabled():
        raise PureNasError(
            "Fused product units cannot be differentiated twice (create_graph=True).",
            hint="Build the network with ConvPU, or differentiate with torch.func or under torch.compile.",
        )


def is_plain(unit: ConvPU) -> bool:
    """Whether nothing is added to the exponents of `unit`, and its weights are not of half precision."""
    return unit.exponent_bias is None and not is_half(unit.weight)


def is_half(x: Tensor) -> bool:
    """Whether `x` is narrower than float32."""
    return x.dtype in (torch.float16, torch.bfloat16)


def wide(x: Tensor) -> Tensor:
    """`x` in float32 where it is narrower."""
    return x.float() if is_half(x) else x


def backward_dtype(device_type: str) -> torch.dtype | None:
    """What the operands of backward convolutions are rounded to: bfloat16 under such autocast, else None, nothing."""
    if not torch.amp.is_autocast_available(device_type) or not torch.is_autocast_enabled(device_type):
        return None
    return torch.bfloat16 if torch.get_autocast_dtype(device_type) == torch.bfloat16 else None


def scaled(norm: nn.BatchNorm2d, scale: float) -> tuple[Tensor, Tensor]:
    """Weight and bias of `norm` with which its result is `scale` times as large: autograd knows the rest."""
    if scale == 1.0:
        return norm.weight, norm.bias
    return norm.weight * scale, norm.bias * scale


@dataclass(frozen=True)
class Floor:
    """The threshold t = softplus(theta) + 1e-7 of a unit and what the backward pass asks about it.

    A number on the CPU where all channels share it; elsewhere reading it would wait for the device.
    """

    theta: Tensor
    t: float | Tensor

    @classmethod
    def of(cls, theta: Tensor) -> Floor:
        t = F.softplus(theta) + 1e-7
        return cls(theta, t.item() if t.device.type == "cpu" and t.dim() == 0 else t)

    def logarithm_(self, x: Tensor) -> Tensor:
        """log2(max(`x`, t)) in the memory of `x`."""
        x = x.clamp_min_(self.t)
        return log2(x, out=x)

    def gradients(
        self, d_logarithm: Tensor, floored: Tensor, needs_x: bool, needs_theta: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """dL/dx and dL/dtheta, as far as needed, from dL/d(ln max(x, t)); the memory of both arguments is used up.

        `floored` is max(x, t) up to roundings: what is that close to t counts as t.
        """
        gradient = d_logarithm.div_(floored)
        d_x = self._where_above(gradient, floored)
        if not needs_theta:
            return d_x, None
        # Gradients of the clamped elements alone, exactly: the difference of two sums over many would lose digits.
        clamped = gradient.sub_(d_x)
        d_t = clamped.sum() if self.theta.dim() == 0 else clamped.sum((0, 2, 3)).view_as(self.theta)
        return d_x if needs_x else None, d_t * torch.sigmoid(self.theta)

    def _where_above(self, gradient: Tensor, floored: Tensor) -> Tensor:
        """`gradient` where `floored` is above t or NaN, zero elsewhere, in the memory of `floored`."""
        margin = 4 * torch.finfo(floored.dtype).eps
        if isinstance(self.t, Tensor):
            return torch.where(floored <= self.t * (1 + margin * (1 + self.t.log2().abs())), 0, gradient)
        edge = self.t * (1 + margin * (1 + abs(math.log2(self.t))))
        d_x: Tensor = _aten.threshold_backward.grad_input(gradient, floored, edge, grad_input=floored)
        return d_x


def power(logarithm: Tensor, weight: Tensor, unit: ConvPU) -> tuple[Tensor, Tensor | None]:
    """y = 2 ** conv(`logarithm`, `weight`), at most e ** cap, and a mask of what the cap let pass (None: all)."""
    with torch.autocast(logarithm.device.type, enabled=False):
        exponent = F.conv2d(logarithm, weight, None, unit.stride, unit.padding)
    if unit.exponent_cap is None or exponent.numel() == 0:
        return exponent.exp2_(), None
    limit = unit.exponent_cap / _LN_2
    if exponent.device.type == "cpu" and exponent.amax().item() <= limit:
        return exponent.exp2_(), None
    passed = exponent <= limit
    return exponent.clamp_max_(limit).exp2_(), passed


def power_gradients(
    ctx: Any, d_exponent: Tensor, passed: Tensor | None, logarithm: Tensor, weight: Tensor, needs: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """dL/d(ln max(x, t)) and dL/dW where needed, from dL/dy * y, whose memory is used up.

    `ctx` has the unit, and the dtype (None: their own) that the operands are rounded to.
    """
    if passed is not None:
        d_exponent.masked_fill_(~passed, 0)
    dtype = logarithm.dtype
    stride, padding = [ctx.unit.stride] * 2, [ctx.unit.padding] * 2
    rounded = (tensor.to(ctx.operand_dtype or dtype) for tensor in (d_exponent, logarithm, weight))
    d_logarithm, d_weight, _ = _aten.convolution_backward(
        *rounded, None, stride, padding, [1, 1], False, [0, 0], 1, [*needs, False]
    )
    return d_logarithm.to(dtype) if needs[0] else None, d_weight.to(dtype).mul_(_LN_2) if needs[1] else None


class _ProductUnit(torch.autograd.Function):
    """(x, W, theta) -> y; saves log2(max(x, t)) and y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, theta: Tensor, unit: ConvPU) -> Tensor:
        floor = Floor.of(theta)
        logarithm = torch.clamp_min(x, floor.t)
        y, passed = power(log2(logarithm, out=logarithm), weight, unit)
        ctx.save_for_backward(logarithm, y, weight, theta, passed)
        ctx.t, ctx.unit, ctx.operand_dtype = floor.t, unit, backward_dtype(x.device.type)
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative()
        logarithm, y, weight, theta, passed = ctx.saved_tensors
        needs_x, needs_weight, needs_theta = ctx.needs_input_grad[:3]
        needs = needs_x or needs_theta, needs_weight
        d_exponent = d_y * y
        d_logarithm, d_weight = power_gradients(ctx, d_exponent, passed, logarithm, weight, needs)
        if d_logarithm is None:
            return None, d_weight, None, None
        room = d_exponent if d_exponent.shape == logarithm.shape else None
        d_x, d_theta = Floor(theta, ctx.t).gradients(d_logarithm, torch.exp2(logarithm, out=room), needs_x, needs_theta)
        return d_x, d_weight, d_theta, None


_THREADS_OF_PYTORCH = 4  # from so many on PyTorch, which uses them all, outruns NumPy, which uses one


def log2(x: Tensor, out: Tensor) -> Tensor:
    """log2(`x`) in `out`, which has the shape, dtype and layout of `x` and may be `x`; no gradient passes.

    PyTorch's single-precision logarithm goes through MKL, which takes four times as long on an AMD CPU (0.87 against
    0.23 ns an element) as the AVX-512 code of NumPy. Both are within two units in the last place.
    """
    if _numpy_is_faster(x):
        np.log2(x.detach().numpy(), out=out.detach().numpy())
        return out
    return torch.log2(x, out=out)


def _numpy_is_faster(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
        and not (x.requires_grad and torch.is_grad_enabled())
        and x.dtype == torch.float32
        and torch.get_num_threads() < _THREADS_OF_PYTORCH
        and _numpy_has_avx512()
    )


@cache
def _numpy_has_avx512() -> bool:
    """Whether NumPy found AVX-512 at run time; its name changed with NumPy 2.4."""
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    return not {"AVX512_SKX", "X86_V4"}.isdisjoint(found)
