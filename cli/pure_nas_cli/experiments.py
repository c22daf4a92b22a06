"""The list of experiments: what each asks, and what its scales cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pure_nas.data import dataset_names, describe_datasets
from pure_nas.plans.experiment.file import EXPERIMENTS, ExperimentFile, find_experiment
from pure_nas.plans.experiment.grid import Grid
from pure_nas.plans.experiment.scale import Scale
from pure_nas.quantities import counted
from pure_nas_cli.console import print_json, stdout

_DEFAULT_IMAGES = {"in_chans": 3, "num_classes": 10, "image_size": 32}


def list_experiments(names: Sequence[str] | None, *, as_json: bool) -> None:
    """Print every experiment that ships, or those named."""
    found = {name: find_experiment(name).file for name in names or EXPERIMENTS.places}
    if as_json:
        print_json([_record(name, file) for name, file in found.items()])
        return
    for name, file in found.items():
        stdout.print(Text.assemble((name, "bold"), "  ", file.question))
        stdout.print(Padding(_scales(file), (0, 0, 1, 2)))
    stdout.print(
        "pure-nas experiment NAME --scale SCALE runs one, with --dry-run only says what it would cost here, and with "
        "--show prints its file to copy and edit.",
        style="dim",
    )


def _scales(file: ExperimentFile) -> Table:
    table = Table.grid(padding=(0, 2))
    for index in range(3):
        table.add_column(justify="right" if index == 1 else "left", no_wrap=index < 2)
    for name, scale in file.scales.items():
        cost = f"{scale.dataset or file.dataset}, {counted(scale.epochs, 'epoch')}: {scale.cost}"
        table.add_row(name, counted(_grid(file, scale).trainings, "training"), cost, style="dim")
    return table


def _grid(file: ExperimentFile, scale: Scale) -> Grid:
    """The grid on images as the dataset stores them; on those of an unknown one, as CIFAR-10 does."""
    name = scale.dataset or file.dataset
    images = dict(_DEFAULT_IMAGES)
    if name in dataset_names():
        info = next(each for each in describe_datasets() if each.name == name)
        chans, size, _ = info.image_shape
        images = {"in_chans": chans, "num_classes": info.classes, "image_size": scale.image_size or size}
    return Grid.of(file, scale, images)


def _record(name: str, file: ExperimentFile) -> dict[str, Any]:
    scales = []
    for scale_name, scale in file.scales.items():
        grid = _grid(file, scale)
        scales.append(
            {
                "name": scale_name,
                "cost": scale.cost,
                "dataset": scale.dataset or file.dataset,
                "networks": [cell.label for cell in grid.cells],
                "epochs": scale.epochs,
                "seeds": scale.seeds,
                "trainings": grid.trainings,
            }
        )
    return {"name": name, "question": file.question, "paper": file.paper, "scales": scales}
