"""The tail of a product-unit block on a CUDA device, around cuDNN's convolution.

    u = norm1(c)    l = log(max(u, t))    z = conv2d(l, W)    y = exp(min(z, cap))    out = norm2(y) (+ skip) (relu)

Written as modules this keeps six activations for the backward pass and moves some fifty through memory. Here u and y
exist only in registers, l is computed again where it is needed, and c and z are what is kept (out too behind a ReLU).
With g the gradient of out behind the ReLU, means over a channel, and yhat and chat the normalised y and c:

    dy = rstd2 * gamma2 * (g - mean(g) - yhat * mean(g * yhat))
    dz = dy * y where z <= cap, else 0
    du = dl / u where u > t, else 0
    dtheta = sigmoid(theta) / t * sum(dl where u <= t)
    dc = rstd1 * gamma1 * (du - mean(du) - chat * mean(du * chat))

Logarithms, exponentials and sums are float32. l, W and z have the type of c: in bfloat16, which c has under autocast,
the convolution runs on tensor cores with bfloat16 operands, and out has the wider type of c and skip, as the block of a
ResNet would. Nothing waits for the device, so that a step can be captured as a CUDA graph.
"""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pure_nas.nn.fused.unit import refuse_second_derivative, scaled
from pure_nas.nn.plain.units import ConvPU

LARGEST = 2**31 - 2**13
"""Rows and elements of an image are counted in 32 bits, and a last tile may reach 2**13 beyond; elements in 64."""


@cache
def available(device: torch.device) -> str:
    """Why `product_tail` cannot run its kernels on `device`, in words; empty where it can.

    With TRITON_INTERPRET=1 in the environment before Triton is imported, they run on the CPU, slowly.
    """
    if find_spec("triton") is None:
        return "Triton is not installed"
    if device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1":
        return ""
    if device.type != "cuda":
        return f"Triton's kernels need a CUDA device, not {device.type}"
    if torch.version.hip is not None:
        return "Triton's kernels were not tried on ROCm"
    try:
        import_module("pure_nas.nn.triton.passes")
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"Triton cannot be used: {error}"
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        return f"Triton's kernels need compute capability 8.0, this GPU has {capability[0]}.{capability[1]}"
    return ""


def product_tail(
    c: Tensor,
    skip: Tensor | None,
    norm1: nn.BatchNorm2d,
    unit: ConvPU,
    norm2: nn.BatchNorm2d,
    relu: bool,
    scale: float = 1.0,
) -> Tensor:
    """norm2(unit(norm1(c))) * scale, plus `skip` where there is one, through a ReLU where `relu`, in training mode.

    Running statistics move as in `nn.BatchNorm2d`. What the kernels do not take (float16, float64, empty batches, a
    threshold for each channel) is computed by the modules themselves.
    """
    if not _kernels_take(c, skip, unit):
        out = norm2(unit(norm1(c)))
        out = out if scale == 1.0 else out * scale
        out = out if skip is None else out + skip
        return F.relu(out) if relu else out
    parameters = norm1.weight, norm1.bias, unit.weight, unit.theta, *scaled(norm2, scale)
    result: Tensor = _ProductTail.apply(c, skip, (norm1, unit, norm2), relu, *parameters)
    return result


def _kernels_take(c: Tensor, skip: Tensor | None, unit: ConvPU) -> bool:
    n, _, height, width = c.shape
    out_channels, _, kernel_size, _ = unit.weight.shape
    sides = ((side + 2 * unit.padding - kernel_size) // unit.stride + 1 for side in (height, width))
    shapes = c.shape, torch.Size((n, out_channels, *sides))
    counts = [n * height * width for n, _, height, width in shapes]
    images = [shape[1:].numel() for shape in shapes]
    return (
        c.dtype in (torch.float32, torch.bfloat16)
        and unit.theta.dim() == 0
        and (skip is None or skip.shape == shapes[1])
        and min(counts) > 1
        and max(*counts, *images) <= LARGEST
    )


class _ProductTail(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        c: Tensor,
        skip: Tensor | None,
        modules: tuple[nn.BatchNorm2d, ConvPU, nn.BatchNorm2d],
        relu: bool,
        *parameters: Tensor,
    ) -> Tensor:
        from pure_nas.nn.triton import passes

        norm1, unit, norm2 = modules
        gamma1, beta1, weight, theta, gamma2, beta2 = parameters
        last = c.is_contiguous(memory_format=torch.channels_last) or not c.is_contiguous()
        layout = torch.channels_last if last else torch.contiguous_format
        c = c.contiguous(memory_format=layout)
        cap = math.inf if unit.exponent_cap is None else unit.exponent_cap / math.log(2)
        exponents = weight.to(c.dtype, memory_format=layout)
        # Triton launches on the current device, whatever the tensors' own.
        current = torch.cuda.device(c.device) if c.is_cuda else nullcontext()
        with current, torch.autocast(c.device.type, enabled=False):
            tiling1 = passes.Tiling.of(c.shape, layout)
            threshold = c.new_empty((), dtype=torch.float32)
            of_norm1 = passes.moments(c, tiling1, norm1, gamma1, beta1, None, theta, threshold)
            logarithm = passes.logarithm(c, tiling1, of_norm1, threshold)
            z = F.conv2d(logarithm, exponents, None, unit.stride, unit.padding).contiguous(memory_format=layout)
            del logarithm
            tiling2 = passes.Tiling.of(z.shape, layout)
            of_norm2 = passes.moments(z, tiling2, norm2, gamma2, beta2, cap)
            dtype = c.dtype
            if skip is not None:
                dtype = torch.promote_types(dtype, skip.dtype)
                skip = skip.contiguous(memory_format=layout)
            out = passes.output(z, tiling2, of_norm2, skip, relu, cap, dtype)
        ctx.save_for_backward(c, z, exponents, theta, threshold, of_norm1, of_norm2, out if relu else None)
        ctx.layout, ctx.cap, ctx.has_skip = layout, cap, skip is not None
        ctx.stride, ctx.padding = unit.stride, unit.padding
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        from pure_nas.nn.triton import passes

        refuse_second_derivative()
        c, z, exponents, theta, threshold, of_norm1, of_norm2, out = ctx.saved_tensors
        tiling1, tiling2 = passes.Tiling.of(c.shape, ctx.layout), passes.Tiling.of(z.shape, ctx.layout)
        grad = grad.contiguous(memory_format=ctx.layout)
        grad_z, grad_skip, grad_gamma2, grad_beta2 = passes.output_backward(
            grad, out, z, tiling2, of_norm2, ctx.has_skip, ctx.cap
        )
        logarithm = passes.logarithm(c, tiling1, of_norm1, threshold)
        stride, padding = [ctx.stride] * 2, [ctx.padding] * 2
        grad_logarithm, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad_z, logarithm, exponents, None, stride, padding, [1, 1], False, [0, 0], 1, [True, True, False]
        )
        del logarithm
        grad_logarithm = grad_logarithm.contiguous(memory_format=ctx.layout)
        grad_c, grad_gamma1, grad_beta1, grad_theta = passes.logarithm_backward(
            grad_logarithm, c, tiling1, of_norm1, theta, threshold
        )
        of_parameters = grad_gamma1, grad_beta1, grad_weight, grad_theta, grad_gamma2, grad_beta2
        # The engine casts a gradient to the dtype of its input.
        return grad_c, grad_skip, None, None, *of_parameters
