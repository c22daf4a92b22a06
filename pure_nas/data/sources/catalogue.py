"""Which datasets there are, where each is looked for, and whether it is there. No PyTorch.

A package adds a dataset by exposing one `DatasetSpec` under the entry-point group `pure_nas.datasets`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pure_nas.data.sources.built_in import BUILT_IN
from pure_nas.data.sources.spec import DatasetSpec
from pure_nas.paths import cache_folder, expanded
from pure_nas.plugins import Registry

ENTRY_POINT_GROUP = "pure_nas.datasets"
DATA_DIR_VARIABLE = "PURE_NAS_DATA"


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """One line of a dataset listing.

    Attributes:
        classes: how many.
        image_shape: (channels, height, width) as stored.
        train_size: images in the train part, None where unknown.
        test_size: likewise for the test part.
        location: where it is looked for.
        present: whether its train part can be read now, without a download.
    """

    name: str
    summary: str
    classes: int
    image_shape: tuple[int, int, int]
    train_size: int | None
    test_size: int | None
    location: str
    present: bool


DATASETS = Registry(ENTRY_POINT_GROUP, DatasetSpec, BUILT_IN)


def default_data_dir() -> Path:
    """Where datasets are kept: `$PURE_NAS_DATA`, or `data` in `cache_folder()`."""
    named = os.environ.get(DATA_DIR_VARIABLE)
    return expanded(named) if named else cache_folder() / "data"


def dataset_names() -> tuple[str, ...]:
    """Names of every dataset that can be used, the built-in ones first."""
    return DATASETS.names


def get_spec(name: str) -> DatasetSpec:
    """The dataset called `name`.

    Raises:
        UsageError: no dataset has that name.
    """
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
