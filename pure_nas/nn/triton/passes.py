"""The passes of a product-unit block over its tensors on a GPU: a function per Triton kernel, or a kernel and its sums.

Block sizes are fixed, not tuned: a trial then runs the same kernels in every process, and starts without trying them.

Activations (c, z, out, skip and their gradients) are (N, C, H, W), float32 or bfloat16, in the layout of their tiling;
gamma and beta (C,), theta a number, threshold a float32 number, a norm what `moments` returns, (4, C) and float32.
Gradients of parameters are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from triton import next_power_of_2

from pure_nas.nn.triton import kernels
from pure_nas.nn.triton.tiles import Form

ELEMENTS = 4096  # of a tile: 16 a thread, two 16-byte loads of bfloat16, at 8 warps
WARPS = 8
PROGRAMS = 256
"""At most, of a reduction: two for each of some 130 multiprocessors, and as many partial results per channel."""

OPTIONS = {"enable_fp_fusion": True}  # said to the compiler, because its default depends on Triton's version


@dataclass(frozen=True)
class Tiling:
    """How a tensor is cut into tiles."""

    form: Form
    count: int  # elements of a channel, N * H * W
    rows: int  # of an image; all N * H * W in channels_last, which is one image to the kernels
    tiles: int  # of an image
    all_tiles: int

    @classmethod
    def of(cls, shape: torch.Size, memory_format: torch.memory_format) -> Tiling:
        """Tiles that are widest along the side whose elements are neighbours in memory."""
        n, channels, height, width = shape
        channels_last = memory_format == torch.channels_last
        images, rows = (1, n * height * width) if channels_last else (n, height * width)
        if channels_last:
            block_channels = min(next_power_of_2(channels), 128)
            block_rows = ELEMENTS // block_channels
        else:
            block_rows = min(next_power_of_2(rows), 1024)
            block_channels = min(next_power_of_2(channels), ELEMENTS // block_rows)
        tiles = -(-rows // block_rows)
        even = rows % block_rows == 0 and channels % block_channels == 0
        form = Form(channels, channels_last, even, block_rows, block_channels)
        return cls(form, images * rows, rows, tiles, images * tiles)

    @property
    def channel_blocks(self) -> int:
        return -(-self.form.channels // self.form.block_channels)

    @property
    def programs(self) -> int:
        """Programs per block of channels in a reduction."""
        return min(self.all_tiles, max(1, PROGRAMS // self.channel_blocks))

    @property
    def block_programs(self) -> int:
        """Partial results that are added up at once, a power of two: of all programs, for theta."""
        all_programs: int = next_power_of_2(self.programs * self.channel_blocks)
        return max(PROGRAMS, all_programs)

    def each(self, kernel: Any, *arguments: object, **constants: object) -> None:
        """Run a kernel with one program per tile."""
        grid = self.all_tiles, self.channel_blocks
        kernel[grid](*arguments, self.rows, self.tiles, form=self.form, **constants, num_warps=WARPS, **OPTIONS)

    def reduce(self, kernel: Any, *arguments: object) -> None:
        """Run a kernel whose programs take several tiles each."""
        grid = self.programs, self.channel_blocks
        kernel[grid](*arguments, self.rows, self.tiles, self.all_tiles, form=self.form, num_warps=WARPS, **OPTIONS)


def moments(
    x: Tensor,
    tiling: Tiling,
    norm: nn.BatchNorm2d,
    gamma: Tensor,
    beta: Tensor,
    cap: float | None = None,
    theta: Tensor | None = None,
    threshold: Tensor | None = None,
) -> Tensor:
    """`norm` of x, or of 2 ** min(x, cap) with a cap, as the kernels read it; its running statistics move.

    Where there is a theta, softplus(theta) + 1e-7 is written to `threshold`.
    """
    programs, channels = tiling.programs, tiling.form.channels
    partial = x.new_empty((2 * channels + 1) * programs, dtype=torch.float32)
    tiling.reduce(kernels.moments, x, partial, cap)
    found = x.new_empty((4, channels), dtype=torch.float32)
    cumulative = norm.momentum is None
    if cumulative:
        norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
    running = norm.running_mean, norm.running_var, norm.num_batches_tracked
    constants = {"channels": channels, "cumulative": cumulative, "block_programs": tiling.block_programs, **OPTIONS}
    kernels.finish_moments[channels,](
        partial, gamma, beta, found, *running, theta, threshold, programs, norm.eps, norm.momentum or 0.0, **constants
    )
    return found


def logarithm(c: Tensor, tiling: Tiling, norm: Tensor, threshold: Tensor) -> Tensor:
    """log2(max(norm1(c), threshold))."""
    out = torch.empty_like(c)
    tiling.each(kernels.logarithm, c, norm, threshold, out)
    return out


def output(
    z: Tensor, tiling: Tiling, norm: Tensor, skip: Tensor | None, relu: bool, cap: float, dtype: torch.dtype
) -> Tensor:
    """norm2(2 ** min(z, cap)) + skip, through the ReLU where `relu`."""
    out = torch.empty_like(z, dtype=dtype)
    tiling.each(kernels.output, z, skip, norm, out, cap, relu=relu)
    return out


def output_backward(
    grad: Tensor, out: Tensor | None, z: Tensor, tiling: Tiling, norm: Tensor, has_skip: bool, cap: float
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """The gradients of z, skip (if any), gamma and beta of `output`, which returned `out` where a ReLU stood last."""
    channels = tiling.form.channels
    partial = z.new_empty(2 * channels * tiling.programs, dtype=torch.float32)
    tiling.reduce(kernels.output_sums, grad, out, z, norm, partial, cap)
    sums = _finish_sums(partial, tiling)
    grad_z = torch.empty_like(z)
    masked = torch.empty_like(grad) if has_skip and out is not None else None
    tiling.each(kernels.output_backward, grad, out, z, norm, sums, grad_z, masked, cap, 1.0 / tiling.count)
    grad_skip = grad if has_skip and out is None else masked
    return grad_z, grad_skip, sums[channels:], sums[:channels]


def logarithm_backward(
    grad: Tensor, c: Tensor, tiling: Tiling, norm: Tensor, theta: Tensor, threshold: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of c, gamma, beta and theta of `logarithm`, from that of what it returned."""
    channels = tiling.form.channels
    partial = c.new_empty((2 * channels + tiling.channel_blocks) * tiling.programs, dtype=torch.float32)
    tiling.reduce(kernels.logarithm_sums, grad, c, norm, threshold, partial)
    sums = _finish_sums(partial, tiling, theta, threshold)
    grad_c = torch.empty_like(c)
    tiling.each(kernels.logarithm_backward, grad, c, norm, threshold, sums, grad_c, 1.0 / tiling.count)
    return grad_c, sums[channels : 2 * channels], sums[:channels], sums[-1]


def _finish_sums(
    partial: Tensor, tiling: Tiling, theta: Tensor | None = None, threshold: Tensor | None = None
) -> Tensor:
    """Two sums of every channel, all of the first kind before those of the second, then theta's gradient if given."""
    rows, all_programs = 2 * tiling.form.channels + (theta is not None), tiling.programs * tiling.channel_blocks
    sums = partial.new_empty(rows)
    constants = {"channels": tiling.form.channels, "block_programs": tiling.block_programs, **OPTIONS}
    kernels.finish_sums[rows,](partial, theta, threshold, sums, tiling.programs, all_programs, **constants)
    return sums
