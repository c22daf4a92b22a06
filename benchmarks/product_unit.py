"""The product unit against a convolution, its block against ResNet's: time, memory for the backward pass, roofline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn
from torchvision.models import resnet as torchvision_resnet

from benchmarks.command import run_command
from benchmarks.comparison import Comparison, Shape, Variants, compare
from benchmarks.document import Column, Document, Target
from benchmarks.inference import inference_rows
from benchmarks.measure import compiled
from benchmarks.setting import Setting, settings_of
from pure_nas.devices import keep_freed_memory, resolve_device
from pure_nas.nn.fused.blocks import FusedBlock
from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.plain.blocks import ResidualBlock
from pure_nas.nn.plain.units import ConvPU
from pure_nas.nn.triton import block as triton_block


def shapes(batch: int, quick: bool) -> list[Shape]:
    """CIFAR's three stages at `batch`, and the first of ImageNet at 8."""
    if quick:
        return [Shape(2, 4, 8)]
    return [Shape(batch, 16, 32), Shape(batch, 32, 16), Shape(batch, 64, 8), Shape(max(8, batch // 16), 64, 56)]


def units(channels: int, with_compiled: bool) -> Variants:
    """Second operations of a residual block; the first is what the others are compared with."""
    found: dict[str, Callable[[], nn.Module]] = {
        "conv2d": lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        "plain": lambda: ConvPU(channels, channels),
        "fused": lambda: FusedConvPU(channels, channels),
    }
    if with_compiled:
        found["compiled"] = lambda: compiled(ConvPU(channels, channels))
    return found


def blocks(channels: int, with_compiled: bool) -> Variants:
    """Residual blocks; the first is what the others are compared with."""

    def convolution() -> nn.Module:
        return nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def plain() -> nn.Module:
        return ResidualBlock(channels, channels, ConvPU(channels, channels), nn.Identity())

    found: dict[str, Callable[[], nn.Module]] = {
        "ResNet": lambda: ResidualBlock(
            channels, channels, convolution(), nn.Identity(), relu_in_block=True, relu_after_add=True
        ),
        "torchvision": lambda: torchvision_resnet.BasicBlock(channels, channels),
        "plain": plain,
        "fused": lambda: FusedBlock(channels, channels, FusedConvPU(channels, channels), nn.Identity()),
    }
    if with_compiled:
        found["compiled"] = lambda: compiled(plain())
    return found


def main(
    device: str = "auto",
    batch: Annotated[int | None, typer.Option(help="128 on a CPU, 512 on a GPU if left out.")] = None,
    threads: int = 1,
    rounds: int = 9,
    with_compiled: Annotated[bool, typer.Option("--compiled", help="torch.compile too, a minute more.")] = False,
    quick: Annotated[bool, typer.Option(help="One tiny shape: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Time and memory of product units and their blocks against convolutions and ResNet's blocks."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = resolve_device(device)
    batch = batch or (512 if where.type == "cuda" else 128)
    rounds = 3 if quick else rounds
    document = Document(
        "product_unit", where, {"batch": batch, "rounds": rounds, "compiled": with_compiled, "quick": quick}
    )
    chosen = shapes(batch, quick)
    depth, images = (8, 2) if quick else (20, batch)
    for setting in settings_of(where):
        roofline = not setting.bfloat16
        of_units = compare(
            "Unit",
            document,
            setting,
            chosen,
            lambda channels: units(channels, with_compiled),
            rounds=rounds,
            graphs=False,
            roofline=roofline,
        )
        _unit_targets(document, setting, of_units)
        for graphs in (False, True) if where.type == "cuda" else (False,):
            of_blocks = compare(
                "Block",
                document,
                setting,
                chosen,
                lambda channels: blocks(channels, with_compiled),
                rounds=rounds,
                graphs=graphs,
            )
            _block_targets(document, setting, of_blocks, graphs)
        _inference(document, setting, depth, images, rounds)
    _kernels(document, where, rounds)
    if quick:
        document.note("--quick: sizes so small that no number means anything.")
    document.write(json_file)


def _inference(document: Document, setting: Setting, depth: int, batch: int, rounds: int) -> None:
    rows = inference_rows(setting, depth, batch, rounds)
    columns = (
        Column("network", "network"),
        Column("ms", "ms", ".2f"),
        Column("spread", "IQR", ".0%"),
        Column("ratio", "x ResNet", ".2f"),
    )
    document.table(f"Inference, {setting.label}: a batch of {batch} images of 32 px", columns, rows)


def _kernels(document: Document, device: torch.device, rounds: int) -> None:
    """Bandwidth of the kernels, over tensors of a quarter of a gigabyte: larger than any cache."""
    why_not = triton_block.available(device)
    if why_not or device.type != "cuda":
        document.note(f"The GPU kernels were not run: {why_not or 'they are for a CUDA device'}.")
        return
    from benchmarks.kernels import kernel_rows

    rows = kernel_rows((8192, 16, 32, 32), torch.bfloat16, device, rounds)
    columns = (
        Column("kernel", "kernel"),
        Column("streams", "streams", "d"),
        Column("ms", "ms", ".3f"),
        Column("gb_per_second", "GB/s", ",.0f"),
        Column("share", "of a copy's", ".0%"),
    )
    document.table("Kernels over bfloat16 channels_last tensors of 16@32, batch 8192", columns, rows)
    for row in rows[1:]:
        what = f"{row['kernel']}: share of a copy's bandwidth"
        document.target(Target(what, row["share"], "at least", 0.8))


def _unit_targets(document: Document, setting: Setting, found: Comparison) -> None:
    if setting.device.type != "cpu" or setting.bfloat16:
        return
    bound = 1.30 if setting.channels_last else 1.25
    what = f"fused unit / conv2d, {setting.label}"
    document.target(Target(f"{what}, geometric mean", found.mean_ratio("fused"), "at most", bound, "x"))
    document.target(Target(f"{what}, worst shape", max(found.values("fused", "ratio")), "at most", 1.5, "x"))


def _block_targets(document: Document, setting: Setting, found: Comparison, graphs: bool) -> None:
    if not setting.bfloat16:
        what = f"bytes saved by a fused PURe block, {setting.label}, worst shape"
        document.target(Target(f"{what}, / plain", found.saved_ratio("fused", "plain"), "at most", 0.6, "x"))
        document.target(Target(f"{what}, / ResNet block", found.saved_ratio("fused", "ResNet"), "at most", 1.0, "x"))
    elif graphs:
        what = f"fused PURe block / ResNet block, {setting.label}, both graphed, geometric mean"
        document.target(Target(what, found.mean_ratio("fused"), "at most", 1.1, "x"))


if __name__ == "__main__":
    run_command(main)
