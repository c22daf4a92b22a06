"""How a Triton kernel reads and writes a tile of a tensor, and numbers that each channel of the tile has one of.

A tensor is read as images of rows x channels. In channels_last there is one image of N * H * W rows whose channels lie
side by side; in the contiguous layout there are N images of H * W rows whose rows lie side by side. A tile has
block_rows x block_channels elements; program_id(1) says which block of channels. Values are float32 whatever the tensor
holds.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, no-any-return, untyped-decorator"

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl


@dataclass(frozen=True)
class Form:
    """What a kernel over tiles is compiled for."""

    channels: int
    channels_last: bool  # else the rows of a channel lie side by side
    even: bool  # nothing of any tile is outside the tensor
    block_rows: int
    block_channels: int


@triton.jit
def place(index, rows, tiles, form: tl.constexpr):
    """Where a tile lies, and how many of its rows exist.

    A tile is its first element (64 bits), the offsets of its elements from it, and which of them exist.
    """
    channel = tl.program_id(1) * form.block_channels + tl.arange(0, form.block_channels)
    row = tl.arange(0, form.block_rows)
    if form.channels_last:
        first = index * form.block_rows
        start = tl.cast(first, tl.int64) * form.channels
        offset = row[:, None] * form.channels + channel[None, :]
    else:
        first = (index % tiles) * form.block_rows
        start = tl.cast(index // tiles, tl.int64) * form.channels * rows + first
        offset = row[:, None] + channel[None, :] * rows
    inside = (first + row < rows)[:, None] & (channel < form.channels)[None, :]
    return (start, offset, inside), tl.minimum(rows - first, form.block_rows)


@triton.jit
def zeros(form: tl.constexpr):
    """A tile of zeros."""
    block_rows: tl.constexpr = form.block_rows
    block_channels: tl.constexpr = form.block_channels
    return tl.zeros((block_rows, block_channels), tl.float32)


@triton.jit
def load(pointer, tile, form: tl.constexpr):
    """The elements of a tile; zero outside."""
    start, offset, inside = tile
    if form.even:
        return tl.load(pointer + start + offset).to(tl.float32)
    else:
        return tl.load(pointer + start + offset, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def store(pointer, tile, value, form: tl.constexpr):
    """Write the elements of a tile."""
    start, offset, inside = tile
    tl.store(pointer + start + offset, value.to(pointer.dtype.element_ty), mask=None if form.even else inside)


@triton.jit
def zero_outside(value, tile, form: tl.constexpr):
    """`value`, computed from a tile, with zeros outside it."""
    _, _, inside = tile
    if form.even:
        return value
    else:
        return tl.where(inside, value, 0.0)


@triton.jit
def of_channel(pointer, row: tl.constexpr, form: tl.constexpr):
    """Row `row` of a (rows, channels) matrix, at the channels of the tile."""
    channel = tl.program_id(1) * form.block_channels + tl.arange(0, form.block_channels)
    return tl.load(pointer + row * form.channels + channel, mask=channel < form.channels, other=0.0)


@triton.jit
def store_partials(pointer, first, second, form: tl.constexpr):
    """Write this program's two results for each channel: those of a channel lie side by side, all first ones first."""
    channel = tl.program_id(1) * form.block_channels + tl.arange(0, form.block_channels)
    programs = tl.num_programs(0)
    place_of_channel = pointer + channel * programs + tl.program_id(0)
    tl.store(place_of_channel, first, mask=channel < form.channels)
    tl.store(place_of_channel + form.channels * programs, second, mask=channel < form.channels)
