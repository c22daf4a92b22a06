"""pure-nas datasets"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pure_nas.data.sources.registry import dataset_names, default_data_dir, get_spec
from pure_nas.paths import expanded
from pure_nas.quantities import some_of
from pure_nas.report.table import Cell, Column, Table
from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.options import DataDir, Json, argument
from pure_nas_cli.terminal_table import print_table

_MOST_LABELS = 100
_COLUMNS = (
    Column("name", "dataset", "left"),
    Column("summary"),
    Column("classes", "classes"),
    Column("image_shape", "shape"),
    Column("train_size", "training"),
    Column("test_size", "test"),
    Column("location", "folder", "left"),
    Column("present", "here", "left"),
)


def datasets(
    name: Annotated[str | None, argument("datasets.name")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    root = expanded(data_dir) if data_dir else default_data_dir()
    if name is not None:
        _show(name, root, as_json=as_json)
        return
    table = _listed(dataset_names(), root)
    if as_json:
        print_json(table.records())
    else:
        print_table(stdout, table)


def _listed(names: Iterable[str], root: Path) -> Table:
    """Datasets, and whether they are in the data directory `root`."""
    lines = []
    for spec in map(get_spec, names):
        shape, files = (spec.in_chans, spec.image_size, spec.image_size), (spec.files or {}).get("train")
        folder = Path(files[0]).parent if files else None
        place = "comes with its package" if folder is None else Cell(str(root / folder), str(folder))
        sizes = spec.num_classes, Cell(shape, " x ".join(map(str, shape))), spec.train_size, spec.test_size
        present = not spec.missing(root, "train")
        lines.append([spec.name, spec.summary, *sizes, place, Cell(present, "yes" if present else "no")])
    notes = (
        "Any folder of images is a dataset too: --dataset path/to/folder, with train/<class>/ and test/<class>/ (or "
        "val/), or with one folder per class, which a seed splits.",
        "pure-nas datasets NAME shows one in full.",
    )
    return Table.of("datasets", _COLUMNS, lines, f"Datasets (data directory: {root})", notes)


def _show(name: str, root: Path, *, as_json: bool) -> None:
    spec, found = get_spec(name), _listed([name], root)
    (info,), labels = found.records(), spec.class_names()
    # Every file that is fetched, once, with where it belongs.
    downloads = dict.fromkeys(each for downloads in (spec.downloads or {}).values() for each in downloads)
    files = [
        {"path": str(root / each.folder / each.name), "url": each.url, "checksum": each.checksum.replace(":", " ")}
        for each in downloads
    ]
    if as_json:
        use = {"flip": spec.flip, "turns": spec.turns, "labels": labels, "licence": spec.licence, "notes": spec.notes}
        print_json({**info, **use, "files": files})
        return
    text = {column.key: found.rows[0].cell(column).text for column in _COLUMNS}
    sizes = f"{text['train_size']} to train and validate on, {text['test_size']} to test on, {text['image_shape']}"
    place = f"{text['present']}, {'looked for in' if files else 'it'} {info['location']}"
    listed = some_of(labels, _MOST_LABELS) or "their names come with the images"
    further = " (--json lists all)" if len(labels) > _MOST_LABELS else ""
    survived = "flips and quarter turns" if spec.turns else "horizontal flips" if spec.flip else "no flip"
    lines = [
        ("images", sizes),
        ("here", place),
        *(("file", "\n".join(filter(None, (file["path"], f"from {file['url']}", file["checksum"])))) for file in files),
        ("classes", f"{spec.num_classes}{':' if labels else ';'} {listed}{further}"),
        ("symmetry", f"labels survive {survived}"),
        ("licence", spec.licence or "not known"),
        *([("notes", spec.notes)] if spec.notes else []),
    ]
    columns = (Column("name", spec.name, "left"), Column("value", spec.summary, "left"))
    print_table(stdout, Table.of("dataset", columns, lines))
