"""The datasets that ship and those that packages add. No PyTorch: a loader is imported when its images are read."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field

from pure_nas.errors import PureNasError
from pure_nas.paths import cache_folder, expanded
from pure_nas.plugins import Registry
from pure_nas.validation import checked_fields

if TYPE_CHECKING:
    from pure_nas.data.raw_images import LargeImages, RawImages

ENTRY_POINT_GROUP = "pure_nas.datasets"
DATA_DIR_VARIABLE = "PURE_NAS_DATA"

Positive = Annotated[int, Field(ge=1)]
SMALLEST_IMAGE, LARGEST_IMAGE = 8, 1024
ImageSize = Annotated[int, Field(ge=SMALLEST_IMAGE, le=LARGEST_IMAGE)]  # to which images can be brought, pixels
MostImages = Annotated[int, Field(ge=4)]  # how many of the images outside test are used
Part = Literal["train", "test"]
"""The two halves of a dataset; "test" is read only when a final network is evaluated."""

Load: TypeAlias = "Callable[[Path, Part], RawImages | LargeImages]"


@dataclass(frozen=True, kw_only=True)
class Download:
    """A file that is fetched once, and where it goes when fetched by hand."""

    url: str  # official address, or the page to register at
    folder: str = ""  # of the file, relative to the data directory
    file: str = ""  # official file name (default: the last part of the address)
    checksum: str = ""  # "sha256:" or "md5:" and hexadecimal digits, if published

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file or self.url.rsplit("/", 1)[-1]


@checked_fields
@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A dataset that can be named on the command line.

    Attributes:
        name: as written by users.
        summary: one line for listings.
        image_size: height and width of the images, or the default if they are of many sizes, pixels.
        flip: whether labels survive a horizontal flip.
        load: a function that reads one part from the data directory or raises `DataError`, or its "module:function".
        train_size: images in the train part, if known; `test_size` in the test part.
        validation: default size of the validation split: images (at most a tenth of train), or a share.
        turns: whether labels also survive vertical flips and quarter turns.
        files: files of each part, relative to the data directory; None if nothing has to be downloaded.
        instead: files or folders that a part is read from instead if they exist, relative to the data directory.
        downloads: what is downloaded for each part, by this program or by hand.
        labels: names of the classes, if known without the images, or a function that returns them.
        licence: terms of use of the images.
        notes: anything else to know about its parts, files and use.
    """

    name: str
    summary: str
    num_classes: Positive
    in_chans: Positive
    image_size: Positive
    flip: bool
    load: Load | str
    train_size: int | None = None
    test_size: int | None = None
    validation: int | float = 0.1
    turns: bool = False
    files: Mapping[Part, tuple[str, ...]] | None = None
    instead: Mapping[Part, tuple[str, ...]] | None = None
    downloads: Mapping[Part, tuple[Download, ...]] | None = None
    labels: tuple[str, ...] | Callable[[], tuple[str, ...]] = ()
    licence: str = ""
    notes: str = ""

    def read(self, data_dir: Path, part: Part) -> RawImages | LargeImages:
        """The images of one part; a `DataError` if they are absent, damaged, or cannot be downloaded."""
        load = self.load
        if isinstance(load, str):
            module, _, function = load.partition(":")
            try:
                load = cast("Load", getattr(import_module(module), function))
            except (ImportError, AttributeError, ValueError) as error:
                raise PureNasError(
                    f'The loader "{self.load}" of dataset "{self.name}" cannot be imported: {error}',
                    hint="Reinstall or remove the package that declares it.",
                ) from error
        return load(data_dir, part)

    def missing(self, data_dir: Path, part: Part) -> tuple[Path, ...]:
        """Files of a part that are not in `data_dir`; none if it is read from elsewhere instead."""
        if any((data_dir / place).exists() for place in (self.instead or {}).get(part, ())):
            return ()
        paths = (data_dir / name for name in (self.files or {}).get(part, ()))
        return tuple(path for path in paths if not path.is_file())

    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; empty if they come with the images."""
        return self.labels() if callable(self.labels) else self.labels


def _text(file: str) -> str:
    return resources.files("pure_nas.data.sources").joinpath(file).read_text(encoding="utf-8")


IMAGENET_CLASSES: Mapping[str, str] = dict(line.split(" ", 1) for line in _text("imagenet_classes.txt").splitlines())
"""The name of each class of ImageNet by its WordNet identifier, in the order of its labels, which is theirs."""


def _shipped(name: str, fields: dict[str, Any]) -> DatasetSpec:
    for table in {"files", "instead", "downloads"} & fields.keys():
        fields[table] = {
            part: tuple(Download(**each) if table == "downloads" else each for each in entries)
            for part, entries in fields[table].items()
        }
    labels = tuple(IMAGENET_CLASSES.values() if name == "imagenet" else fields.pop("labels", ()))
    return DatasetSpec(name=name, labels=labels, **fields)


BUILT_IN: Mapping[str, DatasetSpec] = {
    name: _shipped(name, fields) for name, fields in tomllib.loads(_text("datasets.toml")).items()
}
DATASETS = Registry(ENTRY_POINT_GROUP, DatasetSpec, BUILT_IN)


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
