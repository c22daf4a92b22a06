"""pure-nas datasets"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table

from pure_nas_cli.console import stdout
from pure_nas_cli.options import DataDir, Json

if TYPE_CHECKING:
    from pure_nas.data import DatasetInfo


def datasets(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the datasets and where each is looked for.

    Example: [bold]pure-nas datasets --data-dir /data[/bold]
    """
    from pure_nas.data import default_data_dir, describe_datasets

    listed = describe_datasets(data_dir or default_data_dir())
    if as_json:
        print(json.dumps([asdict(info) for info in listed], indent=2, default=str))
        return
    table = Table()
    for column in ("dataset", "images", "classes", "shape", "here", "looked for in"):
        table.add_column(column, overflow="fold")
    for info in listed:
        table.add_row(*_row(info))
    stdout.print(table)
    stdout.print(
        "Any folder of images is a dataset too: --dataset path/to/folder, with train/<class>/ and test/<class>/ "
        "(or val/), or with one folder a class, which a seed splits."
    )


def _row(info: DatasetInfo) -> list[str]:
    train, test = (f"{size:,}" if size is not None else "?" for size in (info.train_size, info.test_size))
    return [
        info.name,
        f"{train} + {test}",
        str(info.classes),
        " x ".join(str(size) for size in info.image_shape),
        "yes" if info.present else "no",
        info.location,
    ]
