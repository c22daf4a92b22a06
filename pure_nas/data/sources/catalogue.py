"""The datasets that ship and those that other packages add; where each is looked for, and whether it is there.

A package adds a dataset by exposing one `DatasetSpec` under the entry-point group `pure_nas.datasets`. No PyTorch.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pure_nas.data.sources.spec import DatasetSpec, Download
from pure_nas.paths import cache_folder, expanded
from pure_nas.plugins import Registry

ENTRY_POINT_GROUP = "pure_nas.datasets"
DATA_DIR_VARIABLE = "PURE_NAS_DATA"


def _text(file: str) -> str:
    return resources.files("pure_nas.data.sources").joinpath(file).read_text(encoding="utf-8")


@cache
def imagenet_classes() -> dict[str, str]:
    """The name of each class of ImageNet by its WordNet identifier, in the order of its labels, which is theirs."""
    return dict(line.split(" ", 1) for line in _text("imagenet_classes.txt").splitlines())


def imagenet_names() -> tuple[str, ...]:
    """The names of the classes of ImageNet in the order of their labels."""
    return tuple(imagenet_classes().values())


def _shipped(name: str, fields: dict[str, Any]) -> DatasetSpec:
    """A dataset of datasets.toml."""
    for table in ("files", "instead"):
        if table in fields:
            fields[table] = {part: tuple(paths) for part, paths in fields[table].items()}
    if "downloads" in fields:
        fields["downloads"] = {
            part: tuple(Download(**each) for each in files) for part, files in fields["downloads"].items()
        }
    labels = imagenet_names if name == "imagenet" else tuple(fields.pop("labels", ()))
    return DatasetSpec(name=name, labels=labels, **fields)


BUILT_IN: Mapping[str, DatasetSpec] = {
    name: _shipped(name, fields) for name, fields in tomllib.loads(_text("datasets.toml")).items()
}
DATASETS = Registry(ENTRY_POINT_GROUP, DatasetSpec, BUILT_IN)


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """One line of a dataset listing.

    Attributes:
        classes: number of classes.
        image_shape: (channels, height, width) as stored.
        train_size: images in the train part, None if unknown.
        test_size: images in the test part, None if unknown.
        location: folder of its files.
        present: whether its train part can be read without a download.
    """

    name: str
    summary: str
    classes: int
    image_shape: tuple[int, int, int]
    train_size: int | None
    test_size: int | None
    location: str
    present: bool


def default_data_dir() -> Path:
    """Where datasets are kept: `$PURE_NAS_DATA`, or `data` in `cache_folder()`."""
    named = os.environ.get(DATA_DIR_VARIABLE)
    return expanded(named) if named else cache_folder() / "data"


def dataset_names() -> tuple[str, ...]:
    """Names of every dataset that can be used, the built-in ones first."""
    return DATASETS.names


def get_spec(name: str) -> DatasetSpec:
    """The dataset called `name`, or a `UsageError` if there is none."""
    return DATASETS.get(
        name, hint="The path of a folder of images works too: folder/train/<class>/*, or folder/<class>/*."
    )


def describe_datasets(data_dir: Path | None = None) -> list[DatasetInfo]:
    """Every dataset that can be named, and whether it is in `data_dir` (default `default_data_dir()`)."""
    root = default_data_dir() if data_dir is None else expanded(data_dir)
    return [describe(get_spec(name), root) for name in dataset_names()]


def describe(spec: DatasetSpec, root: Path) -> DatasetInfo:
    """One dataset, and whether it is in `root`."""
    files = (spec.files or {}).get("train", ())
    return DatasetInfo(
        name=spec.name,
        summary=spec.summary,
        classes=spec.num_classes,
        image_shape=(spec.in_chans, spec.image_size, spec.image_size),
        train_size=spec.train_size,
        test_size=spec.test_size,
        location=str((root / files[0]).parent) if files else "comes with its package",
        present=not spec.missing(root, "train"),
    )
