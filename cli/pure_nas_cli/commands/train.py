"""pure-nas train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pure_nas.quantities import show_number, show_percent, show_seconds
from pure_nas.run.schema import LARGEST
from pure_nas_cli.console import print_json, say_loading, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Arch, DataDir, DatasetName, Device, ImageSize, Json, SkipCorrupt, option


def train(
    architecture: Arch,
    dataset: DatasetName,
    epochs: Annotated[int | None, option("train.epochs", min=1)] = None,
    batch_size: Annotated[int | None, option("train.batch_size", min=2)] = None,
    learning_rate: Annotated[float | None, option("train.learning_rate", "--lr", min=1e-6, max=100)] = None,
    output: Annotated[Path | None, option("train.output", "--output", "-o")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    seed: Annotated[int, option("train.seed", min=0, max=LARGEST)] = 0,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    as_json: Json = False,
) -> None:
    with loading():
        from pure_nas.run.search_results import find_architecture

        find_architecture(architecture)
        say_loading()
        from pure_nas.plans import train as training
        from pure_nas_cli.progress import EpochLines

    settings = training.TrainSettings(
        architecture=architecture,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        dataset=dataset,
        data_dir=data_dir,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
        device=device,
        seed=seed,
    )
    prepared = training.prepare(settings)
    folder = output or prepared.default_folder
    with EpochLines(stderr, prepared) as progress:
        result = training.train(prepared, folder, progress)
    if as_json:
        print_json(result)
    elif result["state"] == "complete":
        stdout.print(
            f"validation error {show_percent(result['metrics']['error'])}, "
            f"{show_number(result['cost']['params'])} parameters, {show_number(result['cost']['flops'])} FLOPs, "
            f"{show_seconds(result['seconds'])}"
        )
        stdout.print(f"weights: {folder / 'weights.safetensors'}", soft_wrap=True)
    else:
        stderr.print(f"{result['state']}: {result['reason']}")
    if result["state"] != "complete":
        raise typer.Exit(1)
