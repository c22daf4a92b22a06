"""pure-nas train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import ARCHITECTURE_HELP, DataDir, Device, ImageSize, Json, Seed, SkipCorrupt, expand


def train(
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help=ARCHITECTURE_HELP)],
    dataset: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="A dataset (see pure-nas datasets) or a folder of images.")
    ],
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Epochs (default: 160, or as in the trial).")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Batch size (default: 128, or as in the trial).")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--lr", min=1e-6, max=100, metavar="RATE", help="Learning rate of every parameter kind."),
    ] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    device: Device = "auto",
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Directory to write (default: runs/train-ARCH-DATASET).",
            callback=expand,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train one network and score it on the validation split.

    Networks given by name or file take the recipe usual for their units; a trial keeps its own. The same command
    again goes on where it stopped.

    Example: [bold]pure-nas train pure20 --dataset cifar10 --epochs 30[/bold]
    """
    with loading():
        from pure_nas.run.results import find_architecture

        find_architecture(architecture)
        stderr.print("Loading PyTorch and the images ...", style="dim")
        from pure_nas.plans.single import TrainSettings, prepare
        from pure_nas_cli.train_run import run_training

    settings = TrainSettings(
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
    prepared = prepare(settings)
    if code := run_training(prepared, output or prepared.default_folder, as_json=as_json):
        raise typer.Exit(code)
