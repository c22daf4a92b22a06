"""pure-nas datasets"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from rich.table import Column, Table

from pure_nas.data.sources.registry import DatasetSpec, dataset_names, default_data_dir, get_spec
from pure_nas.paths import expanded
from pure_nas.quantities import some_of
from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.options import DataDir, Json, argument

_MOST_LABELS = 100


def datasets(
    name: Annotated[str | None, argument("datasets.name")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    root = expanded(data_dir) if data_dir else default_data_dir()
    if name is not None:
        _show(name, root, as_json=as_json)
        return
    listed = [_described(get_spec(each), root) for each in dataset_names()]
    if as_json:
        print_json(listed)
        return
    names = ("dataset", "images", "classes", "shape", "here", "looked for in")
    table = Table(*(Column(each, overflow="fold") for each in names))
    for info in listed:
        train, test, shape, here = _in_words(info)
        table.add_row(info["name"], f"{train} + {test}", str(info["classes"]), shape, here, info["location"])
    stdout.print(table)
    stdout.print(
        "Any folder of images is a dataset too: --dataset path/to/folder, with train/<class>/ and test/<class>/ "
        "(or val/), or with one folder a class, which a seed splits. pure-nas datasets NAME shows one in full."
    )


def _described(spec: DatasetSpec, root: Path) -> dict[str, Any]:
    """What `--json` says of a dataset in a listing, and whether it is in the data directory `root`."""
    files = (spec.files or {}).get("train", ())
    return {
        "name": spec.name,
        "summary": spec.summary,
        "classes": spec.num_classes,
        "image_shape": (spec.in_chans, spec.image_size, spec.image_size),
        "train_size": spec.train_size,
        "test_size": spec.test_size,
        "location": str((root / files[0]).parent) if files else "comes with its package",
        "present": not spec.missing(root, "train"),
    }


def _in_words(info: dict[str, Any]) -> tuple[str, str, str, str]:
    train, test = (f"{size:,}" if size is not None else "?" for size in (info["train_size"], info["test_size"]))
    return train, test, " x ".join(map(str, info["image_shape"])), "yes" if info["present"] else "no"


def _show(name: str, root: Path, *, as_json: bool) -> None:
    spec = get_spec(name)
    info, labels = _described(spec, root), spec.class_names()
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
    train, test, shape, here = _in_words(info)
    columns = Column(style="bold", no_wrap=True), Column(overflow="fold")
    table = Table(*columns, show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row(spec.name, spec.summary)
    table.add_row("images", f"{train} to train and validate on, {test} to test on, {shape}")
    table.add_row("here", f"{here}, looked for in {info['location']}" if files else f"{here}, it {info['location']}")
    for file in files:
        table.add_row("file", "\n".join(filter(None, (file["path"], f"from {file['url']}", file["checksum"]))))
    listed = some_of(labels, _MOST_LABELS) or "their names come with the images"
    further = " (--json lists all)" if len(labels) > _MOST_LABELS else ""
    table.add_row("classes", f"{spec.num_classes}{':' if labels else ';'} {listed}{further}")
    survived = "flips and quarter turns" if spec.turns else "horizontal flips" if spec.flip else "no flip"
    table.add_row("symmetry", f"labels survive {survived}")
    table.add_row("licence", spec.licence or "not known")
    if spec.notes:
        table.add_row("notes", spec.notes)
    stdout.print(table)
