"""Triton kernels of a product-unit block: what stands before, after and behind its convolution.

A tensor is read as images of rows x channels. In channels_last there is one image of N * H * W rows whose channels lie
side by side; in the contiguous layout there are N images of H * W rows whose rows lie side by side. A program takes one
tile of block_rows x block_channels or, where it reduces, every n-th tile, and leaves one partial result for each
channel. A second, tiny kernel adds these up: no atomics, so a sum has one order and a run repeats itself to the bit.

Arithmetic is float32 whatever the tensors hold. On Hopper 14 instructions for each element take as long as reading 2
bytes of it, so they are counted: logarithm and power are of base 2, one instruction each. The unit is the same in every
base; an exponent z here is z / ln 2 of the formula.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator"

from __future__ import annotations

import math

import triton
import triton.language as tl
from triton.language.extra import libdevice

INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
"""Whether the kernels run in Triton's interpreter, which knows no hardware approximations."""

LN_2 = tl.constexpr(math.log(2))
KEEP_NAN = tl.constexpr(tl.PropagateNan.ALL)

STAGES = tl.constexpr(3)
"""A reduction computes on one tile while the next two are on their way."""


@triton.jit
def _log2(x):
    """Within 2e-7, which is a rounding of the numbers around one that it is taken of."""
    if INTERPRETED:
        return tl.log2(x)
    else:
        return libdevice.fast_log2f(x)


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
def _place(
    tile,
    rows,
    tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """Where a tile lies: its first element, offsets from it, which of them exist, and how many rows do."""
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    row = tl.arange(0, block_rows)
    if channels_last:
        first = tile * block_rows
        start = tl.cast(first, tl.int64) * channels
        offset = row[:, None] * channels + channel[None, :]
    else:
        first = (tile % tiles) * block_rows
        start = tl.cast(tile // tiles, tl.int64) * channels * rows + first
        offset = row[:, None] + channel[None, :] * rows
    inside = (first + row < rows)[:, None] & (channel < channels)[None, :]
    return start, offset, inside, tl.minimum(rows - first, block_rows)


@triton.jit
def _load(pointer, start, offset, inside, even: tl.constexpr):
    if even:
        return tl.load(pointer + start + offset).to(tl.float32)
    else:
        return tl.load(pointer + start + offset, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _store(pointer, start, offset, inside, value, even: tl.constexpr):
    value = value.to(pointer.dtype.element_ty)
    if even:
        tl.store(pointer + start + offset, value)
    else:
        tl.store(pointer + start + offset, value, mask=inside)


@triton.jit
def _of_channel(pointer, channels: tl.constexpr, block_channels: tl.constexpr):
    """One number for each channel of the tile."""
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    return tl.load(pointer + channel, mask=channel < channels, other=0.0).to(tl.float32)


@triton.jit
def _store_partial(pointer, value, channels: tl.constexpr, block_channels: tl.constexpr):
    """One partial result for each channel; those of a channel lie side by side."""
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    tl.store(pointer + channel * tl.num_programs(0) + tl.program_id(0), value, mask=channel < channels)


@triton.jit
def moments(
    x_ptr,
    partial_ptr,
    cap,
    rows,
    tiles,
    all_tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    power: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """Mean and sum of squared deviations of x, or of 2 ** min(x, cap), per channel and program.

    Deviations are from the mean of the program's first tile, so that nothing cancels.
    """
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    start, offset, inside, count = _place(program, rows, tiles, channels, channels_last, block_rows, block_channels)
    x = _load(x_ptr, start, offset, inside, even)
    if power:
        x = _power(x, cap)
    if not even:
        x = tl.where(inside, x, 0.0)
    shift = tl.sum(x, axis=0) / count.to(tl.float32)
    deviation = x - shift
    if not even:
        deviation = tl.where(inside, deviation, 0.0)
    total = deviation
    squares = deviation * deviation
    for tile in tl.range(program + programs, all_tiles, programs, num_stages=STAGES):
        start, offset, inside, filled = _place(tile, rows, tiles, channels, channels_last, block_rows, block_channels)
        x = _load(x_ptr, start, offset, inside, even)
        if power:
            x = _power(x, cap)
        deviation = x - shift
        if not even:
            deviation = tl.where(inside, deviation, 0.0)
        total += deviation
        squares += deviation * deviation
        count += filled
    seen = count.to(tl.float32)
    total_of_channel = tl.sum(total, axis=0)
    mean = shift + total_of_channel / seen
    squared = tl.sum(squares, axis=0) - total_of_channel * total_of_channel / seen
    _store_partial(partial_ptr, mean, channels, block_channels)
    _store_partial(partial_ptr + channels * programs, squared, channels, block_channels)
    if tl.program_id(1) == 0:
        tl.store(partial_ptr + 2 * channels * programs + program, seen)


@triton.jit
def finish_moments(
    partial_ptr,
    mean_ptr,
    rstd_ptr,
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
    """Merge the partial moments of a channel and move its running statistics, as BatchNorm does.

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
    tl.store(mean_ptr + channel, mean)
    tl.store(rstd_ptr + channel, tl.div_rn(1.0, tl.sqrt_rn(squared / count + eps)))
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
def _softplus(theta):
    """log(1 + exp(theta)), also where exp(theta) is small beside one: log(w) * e / (w - 1) with w = 1 + e."""
    exponential = tl.exp(tl.minimum(theta, 20.0))
    above_one = 1.0 + exponential
    excess = above_one - 1.0
    small = excess == 0.0
    log1p = tl.where(small, exponential, tl.log(above_one) * exponential / tl.where(small, 1.0, excess))
    return tl.where(theta > 20.0, theta, log1p)


@triton.jit
def logarithm(
    c_ptr,
    mean_ptr,
    rstd_ptr,
    gamma_ptr,
    beta_ptr,
    threshold_ptr,
    out_ptr,
    rows,
    tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """log2(max(u, t)) of the normalised u."""
    start, offset, inside, _ = _place(
        tl.program_id(0), rows, tiles, channels, channels_last, block_rows, block_channels
    )
    c = _load(c_ptr, start, offset, inside, even)
    mean = _of_channel(mean_ptr, channels, block_channels)
    scale = _of_channel(rstd_ptr, channels, block_channels) * _of_channel(gamma_ptr, channels, block_channels)
    threshold = tl.load(threshold_ptr)
    u = (c - mean) * scale + _of_channel(beta_ptr, channels, block_channels)
    _store(out_ptr, start, offset, inside, _log2(tl.maximum(u, threshold, propagate_nan=KEEP_NAN)), even)


@triton.jit
def output(
    z_ptr,
    skip_ptr,
    mean_ptr,
    rstd_ptr,
    gamma_ptr,
    beta_ptr,
    out_ptr,
    cap,
    rows,
    tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    relu: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """The normalised 2 ** min(z, cap), plus the skip, through the ReLU."""
    start, offset, inside, _ = _place(
        tl.program_id(0), rows, tiles, channels, channels_last, block_rows, block_channels
    )
    y = _power(_load(z_ptr, start, offset, inside, even), cap)
    mean = _of_channel(mean_ptr, channels, block_channels)
    scale = _of_channel(rstd_ptr, channels, block_channels) * _of_channel(gamma_ptr, channels, block_channels)
    out = (y - mean) * scale + _of_channel(beta_ptr, channels, block_channels)
    if skip_ptr is not None:
        out += _load(skip_ptr, start, offset, inside, even)
    if relu:
        out = tl.maximum(out, 0.0, propagate_nan=KEEP_NAN)
    _store(out_ptr, start, offset, inside, out, even)


@triton.jit
def output_sums(
    grad_ptr,
    out_ptr,
    z_ptr,
    mean_ptr,
    rstd_ptr,
    partial_ptr,
    cap,
    rows,
    tiles,
    all_tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """Sums of the output's gradient g and of g * yhat per channel and program: beta's and gamma's gradients."""
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    mean = _of_channel(mean_ptr, channels, block_channels)
    total = tl.zeros((block_rows, block_channels), tl.float32)
    product = tl.zeros((block_rows, block_channels), tl.float32)
    for tile in tl.range(program, all_tiles, programs, num_stages=STAGES):
        start, offset, inside, _ = _place(tile, rows, tiles, channels, channels_last, block_rows, block_channels)
        grad = _load(grad_ptr, start, offset, inside, even)
        y = _power(_load(z_ptr, start, offset, inside, even), cap)
        if out_ptr is not None:
            grad = tl.where(_load(out_ptr, start, offset, inside, even) <= 0.0, 0.0, grad)
        total += grad
        product += grad * (y - mean)
    rstd = _of_channel(rstd_ptr, channels, block_channels)
    _store_partial(partial_ptr, tl.sum(total, axis=0), channels, block_channels)
    _store_partial(partial_ptr + channels * programs, tl.sum(product, axis=0) * rstd, channels, block_channels)


@triton.jit
def output_backward(
    grad_ptr,
    out_ptr,
    z_ptr,
    mean_ptr,
    rstd_ptr,
    gamma_ptr,
    sums_ptr,
    grad_z_ptr,
    grad_skip_ptr,
    cap,
    per_count,
    rows,
    tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """The gradient of z and, behind a ReLU, of the skip (which without one is the output's own gradient)."""
    start, offset, inside, _ = _place(
        tl.program_id(0), rows, tiles, channels, channels_last, block_rows, block_channels
    )
    grad = _load(grad_ptr, start, offset, inside, even)
    z = _load(z_ptr, start, offset, inside, even)
    if out_ptr is not None:
        grad = tl.where(_load(out_ptr, start, offset, inside, even) <= 0.0, 0.0, grad)
        if grad_skip_ptr is not None:
            _store(grad_skip_ptr, start, offset, inside, grad, even)
    y = _power(z, cap)
    mean = _of_channel(mean_ptr, channels, block_channels)
    rstd = _of_channel(rstd_ptr, channels, block_channels)
    scale = rstd * _of_channel(gamma_ptr, channels, block_channels) * LN_2
    constant = scale * per_count * _of_channel(sums_ptr, channels, block_channels)
    slope = scale * per_count * rstd * _of_channel(sums_ptr + channels, channels, block_channels)
    grad_z = (scale * grad - constant - (y - mean) * slope) * y
    _store(grad_z_ptr, start, offset, inside, tl.where(z > cap, 0.0, grad_z), even)


@triton.jit
def logarithm_sums(
    grad_ptr,
    c_ptr,
    mean_ptr,
    rstd_ptr,
    gamma_ptr,
    beta_ptr,
    threshold_ptr,
    partial_ptr,
    rows,
    tiles,
    all_tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """Sums of du and of du * chat per channel and program, and of dl over what lies at the threshold per program."""
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    mean = _of_channel(mean_ptr, channels, block_channels)
    scale = _of_channel(rstd_ptr, channels, block_channels) * _of_channel(gamma_ptr, channels, block_channels)
    beta = _of_channel(beta_ptr, channels, block_channels)
    threshold = tl.load(threshold_ptr)
    total = tl.zeros((block_rows, block_channels), tl.float32)
    product = tl.zeros((block_rows, block_channels), tl.float32)
    clamped = tl.zeros((block_rows, block_channels), tl.float32)
    for tile in tl.range(program, all_tiles, programs, num_stages=STAGES):
        start, offset, inside, _ = _place(tile, rows, tiles, channels, channels_last, block_rows, block_channels)
        grad = _load(grad_ptr, start, offset, inside, even)
        deviation = _load(c_ptr, start, offset, inside, even) - mean
        u = deviation * scale + beta
        at_threshold = u <= threshold
        grad_u = tl.where(at_threshold, 0.0, _quotient(grad, tl.where(at_threshold, threshold, u)))
        total += grad_u
        product += grad_u * deviation
        clamped += tl.where(at_threshold, grad, 0.0)
    rstd = _of_channel(rstd_ptr, channels, block_channels)
    _store_partial(partial_ptr, tl.sum(total, axis=0) / LN_2, channels, block_channels)
    _store_partial(partial_ptr + channels * programs, tl.sum(product, axis=0) * rstd / LN_2, channels, block_channels)
    of_program = 2 * channels * programs + tl.program_id(1) * programs + program
    tl.store(partial_ptr + of_program, tl.sum(tl.sum(clamped, axis=1), axis=0) / LN_2)


@triton.jit
def logarithm_backward(
    grad_ptr,
    c_ptr,
    mean_ptr,
    rstd_ptr,
    gamma_ptr,
    beta_ptr,
    threshold_ptr,
    sums_ptr,
    grad_c_ptr,
    per_count,
    rows,
    tiles,
    channels: tl.constexpr,
    channels_last: tl.constexpr,
    even: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
):
    """The gradient of c from that of the logarithm."""
    start, offset, inside, _ = _place(
        tl.program_id(0), rows, tiles, channels, channels_last, block_rows, block_channels
    )
    grad = _load(grad_ptr, start, offset, inside, even)
    deviation = _load(c_ptr, start, offset, inside, even) - _of_channel(mean_ptr, channels, block_channels)
    rstd = _of_channel(rstd_ptr, channels, block_channels)
    scale = rstd * _of_channel(gamma_ptr, channels, block_channels)
    threshold = tl.load(threshold_ptr)
    u = deviation * scale + _of_channel(beta_ptr, channels, block_channels)
    at_threshold = u <= threshold
    grad_u = tl.where(at_threshold, 0.0, _quotient(grad, tl.where(at_threshold, threshold, u)))
    constant = scale * per_count * _of_channel(sums_ptr, channels, block_channels)
    slope = scale * per_count * rstd * _of_channel(sums_ptr + channels, channels, block_channels)
    _store(grad_c_ptr, start, offset, inside, scale / LN_2 * grad_u - constant - deviation * slope, even)


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
    """Add up partial sums: two of every channel, then, where there is one program more, the gradient of theta."""
    row = tl.program_id(0)
    program = tl.arange(0, block_programs)
    length = tl.where(row < 2 * channels, programs, all_programs)
    total = tl.sum(tl.load(partial_ptr + row * programs + program, mask=program < length, other=0.0), axis=0)
    if theta_ptr is not None:
        slope = tl.sigmoid(tl.load(theta_ptr).to(tl.float32)) / tl.load(threshold_ptr)
        total = tl.where(row == 2 * channels, total * slope, total)
    tl.store(sums_ptr + row, total)
