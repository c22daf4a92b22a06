"""pure-nas predict"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pure_nas.quantities import counted, show_percent
from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Json, argument, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pure_nas.export.prediction import Prediction

SCHEMA = 1


def predict(
    network: Annotated[Path, argument("predict.network")],
    images: Annotated[list[Path], argument("predict.images")],
    trial: Annotated[str | None, option("predict.trial")] = None,
    origin: Annotated[Literal["auto", "search", "retrain"], option("export.origin", "--from")] = "auto",
    seed: Annotated[int | None, option("export.seed")] = None,
    top: Annotated[int, option("predict.top", min=1, max=100)] = 5,
    as_csv: Annotated[bool, option("predict.csv", "--csv")] = False,
    as_json: Json = False,
) -> None:
    with loading():
        from pure_nas.export.prediction import classifier_of, image_files

    paths = image_files(images)
    classify = classifier_of(network, trial, origin=origin, seed=seed)
    stderr.print(f"{classify.title}, {counted(len(paths), 'image')}", soft_wrap=True)
    begun = time.perf_counter()
    found = list(classify(paths, top))
    seconds = time.perf_counter() - begun
    read = [each for each in found if not each.fault]
    if as_json:
        print_json({"schema": SCHEMA, "predictions": [_document(each) for each in found]})
    elif as_csv:
        _write_csv(read, top)
    else:
        _show(read)
    for each in found:
        if each.fault:
            stderr.print(f"{each.path} cannot be classified: {each.fault}", style="red", soft_wrap=True)
    stderr.print(f"{len(read) / max(seconds, 1e-9):,.0f} images/s", soft_wrap=True)
    if len(read) < len(found):
        raise typer.Exit(1)


def _document(found: Prediction) -> dict[str, object]:
    classes = [{"class": name, "probability": probability} for name, probability in found.ranked]
    return {"image": str(found.path), "classes": classes, "fault": found.fault or None}


def _write_csv(read: Sequence[Prediction], top: int) -> None:
    writer = csv.writer(sys.stdout)
    numbers = [""] if top == 1 else ["", *(f"_{place}" for place in range(2, top + 1))]
    writer.writerow(["image", *(f"{name}{number}" for number in numbers for name in ("class", "probability"))])
    for each in read:
        pairs = (value for name, probability in each.ranked for value in (name, f"{probability:.6f}"))
        writer.writerow([str(each.path), *pairs])


def _show(read: Sequence[Prediction]) -> None:
    from pure_nas.report.table import Cell, Column, Table
    from pure_nas_cli.terminal_table import print_table

    columns = (
        Column("image", "image", "left"),
        Column("class", "class", "left"),
        Column("probability", "probability"),
        Column("others", "then", "left", detail=1),
    )
    lines = []
    for each in read:
        (name, probability), *others = each.ranked
        then = ", ".join(f"{other} {show_percent(share, 0)}" for other, share in others)
        lines.append([str(each.path), Cell(name, name, tone="strong"), show_percent(probability, 1), then])
    if lines:
        print_table(stdout, Table.of("predictions", columns, lines))
