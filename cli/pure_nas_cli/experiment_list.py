"""The list of experiments: what each asks, and what its scales cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from pure_nas.data.sources.registry import dataset_names, get_spec
from pure_nas.plans.experiment.file import EXPERIMENTS, ExperimentFile, find_experiment
from pure_nas.plans.experiment.grid import Grid
from pure_nas.quantities import counted
from pure_nas_cli.console import print_json, stdout


def list_experiments(names: Sequence[str] | None, *, as_json: bool) -> None:
    found = {name: find_experiment(name).file for name in names or EXPERIMENTS.places}
    if as_json:
        print_json(
            [
                {"name": name, "question": file.question, "paper": file.paper, "scales": list(_scales(file))}
                for name, file in found.items()
            ]
        )
        return
    for name, file in found.items():
        table = Table.grid(Column(no_wrap=True), Column(justify="right", no_wrap=True), Column(), padding=(0, 2))
        for scale in _scales(file):
            cost = f"{scale['dataset']}, {counted(scale['epochs'], 'epoch')}: {scale['cost']}"
            table.add_row(scale["name"], counted(scale["trainings"], "training"), cost, style="dim")
        stdout.print(Text.assemble((name, "bold"), "  ", file.question))
        stdout.print(Padding(table, (0, 0, 1, 2)))
    stdout.print(
        "pure-nas experiment NAME --scale SCALE runs one, with --dry-run only says what it would cost here, and with "
        "--show prints its file to copy and edit.",
        style="dim",
    )


def _scales(file: ExperimentFile) -> Iterator[dict[str, Any]]:
    """Each scale, on images as the dataset stores them; on those of an unknown one, as CIFAR-10 does."""
    for name, scale in file.scales.items():
        dataset, images = scale.dataset or file.dataset, {"in_chans": 3, "num_classes": 10, "image_size": 32}
        if dataset in dataset_names():
            spec = get_spec(dataset)
            size = scale.image_size or spec.image_size
            images = {"in_chans": spec.in_chans, "num_classes": spec.num_classes, "image_size": size}
        grid = Grid.of(file, scale, images)
        yield {
            "name": name,
            "cost": scale.cost,
            "dataset": dataset,
            "networks": [cell.label for cell in grid.cells],
            "epochs": scale.epochs,
            "seeds": scale.seeds,
            "trainings": grid.trainings,
        }
