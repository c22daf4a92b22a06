"""The list of experiments: what each asks, and what its scales cost."""

from __future__ import annotations

from collections.abc import Sequence

from pure_nas.data.sources.registry import dataset_names, get_spec
from pure_nas.plans.experiment.file import EXPERIMENTS, ExperimentFile, find_experiment
from pure_nas.plans.experiment.grid import Grid
from pure_nas.report.table import Column, Table
from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.terminal_table import print_tables

_SCALE = (
    Column("name", "scale", "left"),
    Column("trainings", "trainings"),
    Column("dataset", "dataset", "left"),
    Column("epochs", "epochs"),
    Column("cost", "cost", "left"),
    *map(Column, ("networks", "seeds")),
)


def list_experiments(names: Sequence[str] | None, *, as_json: bool) -> None:
    found = [(name, find_experiment(name).file) for name in names or EXPERIMENTS.places]
    tables = [_scales(name, file) for name, file in found]
    if as_json:
        print_json(
            [
                {"name": name, "question": file.question, "paper": file.paper, "scales": table.records()}
                for (name, file), table in zip(found, tables, strict=True)
            ]
        )
        return
    print_tables(stdout, tables)
    stdout.print(
        "\npure-nas experiment NAME --scale SCALE runs one; with --dry-run it only estimates the cost here, and with "
        "--show it prints the file to copy and edit.",
        style="dim",
    )


def _scales(title: str, file: ExperimentFile) -> Table:
    """Each scale, on images as the dataset stores them; on those of an unknown one, as CIFAR-10 does."""
    lines = []
    for name, scale in file.scales.items():
        dataset, images = scale.dataset or file.dataset, {"in_chans": 3, "num_classes": 10, "image_size": 32}
        if dataset in dataset_names():
            spec = get_spec(dataset)
            size = scale.image_size or spec.image_size
            images = {"in_chans": spec.in_chans, "num_classes": spec.num_classes, "image_size": size}
        grid = Grid.of(file, scale, images)
        networks = [cell.label for cell in grid.cells]
        lines.append([name, grid.trainings, dataset, scale.epochs, scale.cost, networks, scale.seeds])
    return Table.of("scales", _SCALE, lines, f"{title}  {file.question}")
