"""Ways to convolve single pixels with a stride: as PyTorch does, and with the pixels dropped beforehand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.command import run_command
from benchmarks.comparison import Shape, Variants, compare
from benchmarks.document import Document, Target
from benchmarks.plain_networks import Projection
from benchmarks.setting import Setting
from pure_nas.devices import keep_freed_memory

SAFE_CHANNELS = 16
"""With fewer, the strided form writes past its memory."""


class Sliced(nn.Conv2d):
    """Drops pixels by slicing."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x[:, :, :: self.stride[0], :: self.stride[1]], self.weight)


def projections(channels: int) -> Variants:
    """To twice the channels at half the size; the first is what the others are compared with."""
    kinds: dict[str, type[nn.Conv2d]] = {"averaged": Projection, "sliced": Sliced}
    if channels >= SAFE_CHANNELS:
        kinds = {"strided": nn.Conv2d, **kinds}
    return {name: partial(of, channels, 2 * channels, 1, 2, bias=False) for name, of in kinds.items()}


def main(
    threads: int = 1,
    rounds: int = 15,
    keep_memory: Annotated[
        bool, typer.Option(help="As in trainings here; elsewhere the C library hands it back.")
    ] = True,
    quick: Annotated[bool, typer.Option(help="One tiny shape: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Forward and backward on a CPU, as they are where the strided form is safe, and without it where it is not."""
    torch.set_num_threads(threads)
    if keep_memory:
        keep_freed_memory()
    setting = Setting(channels_last=True, bfloat16=False, device=torch.device("cpu"))
    rounds = 3 if quick else rounds
    document = Document("projection", setting.device, {"rounds": rounds, "keep_memory": keep_memory, "quick": quick})
    wide = [Shape(2, 16, 8)] if quick else [Shape(128, 16, 32), Shape(128, 32, 16), Shape(32, 16, 64)]
    narrow = [Shape(2, 4, 8)] if quick else [Shape(64, 4, 8), Shape(64, 8, 32), Shape(64, 12, 32), Shape(64, 8, 64)]
    found = compare("Wide", document, setting, wide, projections, rounds=rounds, graphs=False)
    what = "wide: averaged / strided, geometric mean"
    document.target(Target(what, found.mean_ratio("averaged"), "at most", 1.5, "x"))
    compare("Narrow", document, setting, narrow, projections, rounds=rounds, graphs=False)
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
