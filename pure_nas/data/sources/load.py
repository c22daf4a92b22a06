"""`load_dataset`: from a name or a folder to a `Dataset`."""

from __future__ import annotations

import os
from pathlib import Path

from pure_nas.data.dataset import Choice, Dataset
from pure_nas.data.decoded import SMALLEST_IMAGE
from pure_nas.data.sources.catalogue import dataset_names, default_data_dir, get_spec
from pure_nas.data.sources.folder_source import load_folder
from pure_nas.data.sources.named_source import load_named
from pure_nas.errors import UsageError
from pure_nas.paths import expanded


def load_dataset(
    name_or_path: str | Path,
    *,
    data_dir: Path | None = None,
    seed: int = 0,
    validation: int | float | None = None,
    image_size: int | None = None,
    skip_corrupt: bool = False,
    limit: int | None = None,
) -> Dataset:
    """Load a dataset without reading its test images.

    Args:
        name_or_path: a name out of `dataset_names()`, or the path of a folder of images (`./digits` is a folder
            even though `digits` is a name).
        data_dir: where datasets and decoded images are kept; default `default_data_dir()`.
        seed: decides which images are set aside for validation, in the same proportion for every class.
        validation: how many images are set aside, or what share of them; default as the dataset has it, for a
            folder a tenth, at least 2 of each class that has 4.
        image_size: scale images to this height and width, pixels; default as stored, for a folder see
            `decode_listing`.
        skip_corrupt: leave out images that cannot be decoded instead of raising. Where images are decoded as they
            are wanted (imagenet), all are decoded once to find out; the result is kept.
        limit: use only so many of the images outside test, in the same proportion for every class; the
            images of a validation folder are used whole.

    Raises:
        UsageError: no dataset has that name, or an argument cannot be used.
        DataError: images are missing, damaged, or cannot be downloaded.
    """
    _check_sizes(image_size, limit)
    choice = Choice(seed=seed, validation=validation, limit=limit, image_size=image_size)
    directory = default_data_dir() if data_dir is None else expanded(data_dir)
    if isinstance(name_or_path, str) and name_or_path in dataset_names():
        return load_named(get_spec(name_or_path), directory, choice, skip_corrupt=skip_corrupt)
    path = expanded(name_or_path)
    if isinstance(name_or_path, str) and os.path.basename(name_or_path) == name_or_path and not os.path.exists(path):
        get_spec(name_or_path)  # raises: a word that is no folder was meant as a name
    return load_folder(path, directory, choice, skip_corrupt=skip_corrupt)


def _check_sizes(image_size: int | None, limit: int | None) -> None:
    for name, value, least in (("image_size", image_size, SMALLEST_IMAGE), ("limit", limit, 4)):
        if value is not None and value < least:
            raise UsageError(f"{name} must be {least} or more, but is {value}.")
