"""Triton kernels of a product-unit block: what stands around its convolution, forward and backward.

A program takes one tile or, where it reduces, every n-th tile, and leaves partial results for each channel. A second,
tiny kernel adds these up: no atomics, so a sum has one order and a run repeats itself to the bit.

Arithmetic is float32 whatever the tensors hold. On Hopper 14 instructions for each element take as long as reading 2
bytes of it, so they are counted: logarithm and power are of base 2, one instruction each. The unit is the same in every
base; an exponent z here is z / ln 2 of the formula.

Pointers are to
    activations (c, z, out, skip and their gradients): float32 or bfloat16, all in one layout
    theta, gamma, beta: parameters of any type; threshold: float32
    norm: float32, (4, channels): mean, rstd = 1 / sqrt(variance + eps), scale = rstd * gamma, and beta
    partial, sums: float32, laid out as `store_partials` and `finish_sums` say
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator"

from __future__ import annotations

import math

import triton
import triton.language as tl
from triton.language.extra import libdevice
from triton.language.target_info import is_cuda

from pure_nas.nn.triton.tiles import load, of_channel, place, store, store_partials, zero_outside, zeros

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
"""Whether the kernels run in Triton's interpreter, which knows no hardware approximations."""

LN_2 = tl.constexpr(math.log(2))
KEEP_NAN = tl.constexpr(tl.PropagateNan.ALL)

STAGES = tl.constexpr(3)  # a reduction computes on one tile while the next two are on their way


@triton.jit
def _log2(x):
    """Within 2e-7, which is a rounding of the numbers around one that it is taken of."""
    if INTERPRETED:
        return tl.log2(x)
    elif is_cuda():
        return libdevice.fast_log2f(x)
    else:
        return tl.log2(x)


@triton.jit
def _quotient(x, y):
    if INTERPRETED:
        return x / y
    else:
        return libdevice.fast_dividef(x, y)


@triton.jit
def _power(z, cap):
    return tl.exp2(tl.minimum(z, cap, propagate_nan=KEEP_NAN))


@triton.jit
def _softplus(theta):
    """log(1 + exp(theta)), also where exp(theta) is small beside one: log(w) * e / (w - 1) with w = 1 + e (Kahan)."""
    exponential = tl.exp(tl.minimum(theta, 20.0))
    above_one = 1.0 + exponential
    excess = above_one - 1.0
    small = excess == 0.0
    log1p = tl.where(small, exponential, tl.log(above_one) * exponential / tl.where(small, 1.0, excess))
    return tl.where(theta > 20.0, theta, log1p)


@triton.jit
def _norm(norm_ptr, form: tl.constexpr):
    """(mean, scale, shift) of a norm, which is (x - mean) * scale + shift."""
    return of_channel(norm_ptr, 0, form), of_channel(norm_ptr, 2, form), of_channel(norm_ptr, 3, form)


@triton.jit
def _norm_gradient(scaled, deviation, scale, norm_ptr, sums_ptr, share, form: tl.constexpr):
    """The gradient of a norm's input x.

    `scaled` is that of its output times `scale`, `deviation` is x - mean, sums are the gradients of beta and gamma, and
    `share` is an element's of a mean, 1 / count.
    """
    constant = scale * share * of_channel(sums_ptr, 0, form)
    slope = scale * share * of_channel(norm_ptr, 1, form) * of_channel(sums_ptr, 1, form)
    return scaled - constant - deviation * slope


@triton.jit
def _logarithm_gradient(grad, u, threshold):
    """ln 2 times the gradient of u from that of log2(max(u, threshold)), and where u is at the threshold: zero."""
    at_threshold = u <= threshold
    return tl.where(at_threshold, 0.0, _quotient(grad, tl.where(at_threshold, threshold, u))), at_threshold


@triton.jit
def _before_relu(grad, out_ptr, tile, form: tl.constexpr):
    """The gradient before a ReLU, from that behind it; `out_ptr` is None where there is none."""
    if out_ptr is None:
        return grad
    else:
        return tl.where(load(out_ptr, tile, form) <= 0.0, 0.0, grad)


@triton.jit
def _load_value(x_ptr, tile, cap, form: tl.constexpr):
    """x, or 2 ** min(x, cap) where there is a cap."""
    x = load(x_ptr, tile, form)
    if cap is None:
        return x
    else:
        return _power(x, cap)


@triton.jit
def moments(x_ptr, partial_ptr, cap, rows, tiles, all_tiles, form: tl.constexpr):
    """Mean and sum of squared deviations of x, or of 2 ** min(x, cap), per channel and program.

    Deviations are from the mean of the program's first tile, so that nothing cancels (shifted data).
    """
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    first, count = place(program, rows, tiles, form)
    x = zero_outside(_load_value(x_ptr, first, cap, form), first, form)
    shift = tl.sum(x, axis=0) / count.to(tl.float32)
    total = zero_outside(x - shift, first, form)
    squares = total * total
    for index in tl.range(program + programs, all_tiles, programs, num_stages=STAGES):
        tile, filled = place(index, rows, tiles, form)
        deviation = zero_outside(_load_value(x_ptr, tile, cap, form) - shift, tile, form)
        total += deviation
        squares += deviation * deviation
        count += filled
    seen = count.to(tl.float32)
    total_of_channel = tl.sum(total, axis=0)
    mean = shift + total_of_channel / seen
    squared = tl.sum(squares, axis=0) - total_of_channel * total_of_channel / seen
    store_partials(partial_ptr, mean, squared, form)
    if tl.program_id(1) == 0:
        tl.store(partial_ptr + 2 * form.channels * programs + program, seen)


@triton.jit
def finish_moments(
    partial_ptr,
    gamma_ptr,
    beta_ptr,
    norm_ptr,
    running_mean_ptr,
    running_var_ptr,
    tracked_ptr,
    theta_ptr,
    threshold_ptr,
    programs,
    eps,
    momentum,
    channels: tl.constexpr,
    cumulative: tl.constexpr,
    block_programs: tl.constexpr,
):
    """Merge the partial moments of a channel (Chan et al.) and move its running statistics, as BatchNorm does.

    The first program counts the batch, unless the average is cumulative: then the others read the count, and the caller
    has seen to it. Where there is a theta, the first program also computes the threshold.
    """
    channel = tl.program_id(0)
    program = tl.arange(0, block_programs)
    ran = program < programs
    seen = tl.load(partial_ptr + 2 * channels * programs + program, mask=ran, other=0.0)
    means = tl.load(partial_ptr + channel * programs + program, mask=ran, other=0.0)
    squares = tl.load(partial_ptr + (channels + channel) * programs + program, mask=ran, other=0.0)
    count = tl.sum(seen, axis=0)
    mean = tl.sum(seen * means, axis=0) / count
    deviation = means - mean
    squared = tl.sum(squares + seen * deviation * deviation, axis=0)
    squared = tl.where(squared < 0.0, 0.0, squared)
    rstd = tl.div_rn(1.0, tl.sqrt_rn(squared / count + eps))
    tl.store(norm_ptr + channel, mean)
    tl.store(norm_ptr + channels + channel, rstd)
    tl.store(norm_ptr + 2 * channels + channel, rstd * tl.load(gamma_ptr + channel).to(tl.float32))
    tl.store(norm_ptr + 3 * channels + channel, tl.load(beta_ptr + channel).to(tl.float32))
    if cumulative:
        factor = 1.0 / tl.load(tracked_ptr).to(tl.float32)
    else:
        factor = momentum
        if channel == 0:
            tl.store(tracked_ptr, tl.load(tracked_ptr) + 1)
    running_mean = tl.load(running_mean_ptr + channel)
    running_var = tl.load(running_var_ptr + channel)
    tl.store(running_mean_ptr + channel, (1.0 - factor) * running_mean + factor * mean)
    tl.store(running_var_ptr + channel, (1.0 - factor) * running_var + factor * (squared / (count - 1.0)))
    if theta_ptr is not None:
        tl.store(threshold_ptr, _softplus(tl.load(theta_ptr).to(tl.float32)) + 1e-7, mask=channel == 0)


@triton.jit
def logarithm(c_ptr, norm_ptr, threshold_ptr, out_ptr, rows, tiles, form: tl.constexpr):
    """log2(max(u, t)) of the normalised u."""
    tile, _ = place(tl.program_id(0), rows, tiles, form)
    c = load(c_ptr, tile, form)
    mean, scale, shift = _norm(norm_ptr, form)
    u = (c - mean) * scale + shift
    store(out_ptr, tile, _log2(tl.maximum(u, tl.load(threshold_ptr), propagate_nan=KEEP_NAN)), form)


@triton.jit
def output(z_ptr, skip_ptr, norm_ptr, out_ptr, cap, rows, tiles, form: tl.constexpr, relu: tl.constexpr):
    """The normalised 2 ** min(z, cap), plus the skip, through the ReLU."""
    tile, _ = place(tl.program_id(0), rows, tiles, form)
    y = _power(load(z_ptr, tile, form), cap)
    mean, scale, shift = _norm(norm_ptr, form)
    out = (y - mean) * scale + shift
    if skip_ptr is not None:
        out += load(skip_ptr, tile, form)
    if relu:
        out = tl.maximum(out, 0.0, propagate_nan=KEEP_NAN)
    store(out_ptr, tile, out, form)


@triton.jit
def output_sums(grad_ptr, out_ptr, z_ptr, norm_ptr, partial_ptr, cap, rows, tiles, all_tiles, form: tl.constexpr):
    """Sums of the output's gradient g and of g * yhat per channel and program: beta's and gamma's gradients."""
    mean = of_channel(norm_ptr, 0, form)
    total, product = zeros(form), zeros(form)
    for index in tl.range(tl.program_id(0), all_tiles, tl.num_programs(0), num_stages=STAGES):
        tile, _ = place(index, rows, tiles, form)
        grad = load(grad_ptr, tile, form)
        y = _power(load(z_ptr, tile, form), cap)
        grad = _before_relu(grad, out_ptr, tile, form)
        total += grad
        product += grad * (y - mean)
    rstd = of_channel(norm_ptr, 1, form)
    store_partials(partial_ptr, tl.sum(total, axis=0), tl.sum(product, axis=0) * rstd, form)


@triton.jit
def output_backward(
    grad_ptr, out_ptr, z_ptr, norm_ptr, sums_ptr, grad_z_ptr, grad_skip_ptr, cap, share, rows, tiles, form: tl.constexpr
):
    """The gradient of z and, behind a ReLU, of the skip (which without one is the output's own gradient)."""
    tile, _ = place(tl.program_id(0), rows, tiles, form)
    grad = load(grad_ptr, tile, form)
    z = load(z_ptr, tile, form)
    grad = _before_relu(grad, out_ptr, tile, form)
    if grad_skip_ptr is not None:
        store(grad_skip_ptr, tile, grad, form)
    y = _power(z, cap)
    mean, scale, _ = _norm(norm_ptr, form)
    scale *= LN_2
    grad_y = _norm_gradient(scale * grad, y - mean, scale, norm_ptr, sums_ptr, share, form)
    store(grad_z_ptr, tile, tl.where(z > cap, 0.0, grad_y * y), form)


@triton.jit
def logarithm_sums(grad_ptr, c_ptr, norm_ptr, threshold_ptr, partial_ptr, rows, tiles, all_tiles, form: tl.constexpr):
    """Sums of du and of du * chat per channel and program, and of dl over what lies at the threshold per program."""
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    mean, scale, shift = _norm(norm_ptr, form)
    threshold = tl.load(threshold_ptr)
    total, product, clamped = zeros(form), zeros(form), zeros(form)
    for index in tl.range(program, all_tiles, programs, num_stages=STAGES):
        tile, _ = place(index, rows, tiles, form)
        grad = load(grad_ptr, tile, form)
        deviation = load(c_ptr, tile, form) - mean
        grad_u, at_threshold = _logarithm_gradient(grad, deviation * scale + shift, threshold)
        total += grad_u
        product += grad_u * deviation
        clamped += tl.where(at_threshold, grad, 0.0)
    rstd = of_channel(norm_ptr, 1, form)
    grad_beta, grad_gamma = tl.sum(total, axis=0) / LN_2, tl.sum(product, axis=0) * rstd / LN_2
    store_partials(partial_ptr, grad_beta, grad_gamma, form)
    of_program = 2 * form.channels * programs + tl.program_id(1) * programs + program
    tl.store(partial_ptr + of_program, tl.sum(tl.sum(clamped, axis=1), axis=0) / LN_2)


@triton.jit
def logarithm_backward(
    grad_ptr, c_ptr, norm_ptr, threshold_ptr, sums_ptr, grad_c_ptr, share, rows, tiles, form: tl.constexpr
):
    """The gradient of c from that of the logarithm."""
    tile, _ = place(tl.program_id(0), rows, tiles, form)
    grad = load(grad_ptr, tile, form)
    c = load(c_ptr, tile, form)
    mean, scale, shift = _norm(norm_ptr, form)
    deviation = c - mean
    grad_u, _ = _logarithm_gradient(grad, deviation * scale + shift, tl.load(threshold_ptr))
    grad_c = _norm_gradient(scale / LN_2 * grad_u, deviation, scale, norm_ptr, sums_ptr, share, form)
    store(grad_c_ptr, tile, grad_c, form)


@triton.jit
def finish_sums(
    partial_ptr,
    theta_ptr,
    threshold_ptr,
    sums_ptr,
    programs,
    all_programs,
    channels: tl.constexpr,
    block_programs: tl.constexpr,
):
    """Add up partial sums: the first of every channel, the second of every channel, then theta's where it is given.

    A channel has one of every program, theta one of every program and block of channels.
    """
    row = tl.program_id(0)
    program = tl.arange(0, block_programs)
    length = tl.where(row < 2 * channels, programs, all_programs)
    total = tl.sum(tl.load(partial_ptr + row * programs + program, mask=program < length, other=0.0), axis=0)
    if theta_ptr is not None:
        slope = tl.sigmoid(tl.load(theta_ptr).to(tl.float32)) / tl.load(threshold_ptr)
        total = tl.where(row == 2 * channels, total * slope, total)
    tl.store(sums_ptr + row, total)
