"""Folders of images as datasets: decoded once into memory, or streamed where they are too large for that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pure_nas.data.dataset import Choice, Dataset, Images, require_every_class
from pure_nas.data.decoded import DecodedImages, decoded_once
from pure_nas.data.image_files import Listing, PassedOver, count_images, list_images
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.data.raw_images import EncodedImages
from pure_nas.data.resident import resident
from pure_nas.data.sources.folder_layout import FolderLayout, find_layout
from pure_nas.data.split import split_off_test
from pure_nas.data.streamed import StreamedImages
from pure_nas.errors import DataError, UsageError
from pure_nas.paths import require_utf8

_SHARE = 0.1
_NAMED_FAULTS = 5


def load_folder(root: Path, data_dir: Path, choice: Choice, *, skip_corrupt: bool) -> Dataset:
    """Load a folder of images; labels are assumed to survive flips and turns, which the recipe decides on.

    Raises:
        UsageError: the choice cannot be met.
        DataError: the folder cannot be used, or files are corrupt and `skip_corrupt` is off.
    """
    layout = find_layout(root)
    for name in layout.classes:
        require_utf8(name, "The name of the class")
    folder = _Folder(root, layout, data_dir / "decoded", skip_corrupt)
    outside_test, count, test_size = folder.list_files()
    listing = outside_test.take(choice.limited(outside_test.labels))
    n_train = len(listing)
    if layout.validation is not None:
        if choice.validation is not None:
            raise UsageError(
                f"validation = {choice.validation!r} cannot be used: {layout.validation} holds the validation images.",
                hint="Leave it out, or move the images of that folder into train.",
            )
        listing = listing.followed_by(list_images(layout.validation, layout.classes, layout.passed_over))
    decoded, sound = folder.read(listing, choice.image_size, None)
    if layout.validation is None:
        train, validation = choice.split(sound.labels, round(_SHARE * count / len(outside_test) * n_train))
    else:
        kept = n_train - sum(position < n_train for position in decoded.corrupt)
        train, validation = np.arange(kept), np.arange(kept, len(sound.labels))
    in_chans, size = decoded.in_chans, decoded.image_size
    return Images(
        name=root.resolve().name,
        classes=layout.classes,
        in_chans=in_chans,
        image_size=size,
        flip=True,
        turns=True,
        whole=_image_set(decoded, sound, Normalisation.none(in_chans)),
        digest=decoded.digest,
        skipped=len(decoded.corrupt),
        test_size=test_size,
        passed_over=layout.passed_over.in_words(),
        load_test=partial(folder.load_test, size, in_chans) if test_size else None,
    ).split(train, validation, choice.seed)


@dataclass(frozen=True)
class _Folder:
    """Lists and reads the parts of a folder; corrupt files are an error, or are left out."""

    root: Path
    layout: FolderLayout
    cache: Path
    skip_corrupt: bool

    def list_files(self) -> tuple[Listing, int, int]:
        """The files outside test, and the numbers of files in the training folder and in the test part."""
        layout = self.layout
        listing = list_images(layout.train, layout.classes, layout.passed_over)
        if layout.whole:
            kept, test = split_off_test(listing.labels, _SHARE, at_least=1)
            return listing.take(kept), len(listing), len(test)
        test_size = count_images(layout.test, layout.classes, layout.passed_over) if layout.test else 0
        return listing, len(listing), test_size

    def load_test(self, size: int, in_chans: int, normalisation: Normalisation) -> ImageSet:
        """The test images, as the others were decoded and normalised."""
        listing = list_images(self.layout.test or self.layout.train, self.layout.classes, PassedOver(self.root))
        if self.layout.whole:
            listing = listing.take(split_off_test(listing.labels, _SHARE, at_least=1)[1])
        return _image_set(*self.read(listing, size, in_chans), normalisation)

    def read(self, listing: Listing, image_size: int | None, in_chans: int | None) -> tuple[DecodedImages, Listing]:
        """Decoded files, and the listing without the corrupt ones."""
        decoded = decoded_once(listing, image_size, in_chans, self.cache)
        if decoded.corrupt and not self.skip_corrupt:
            raise _corrupt(listing, decoded.corrupt)
        sound = listing.take(np.array([i for i in range(len(listing)) if i not in decoded.corrupt]))
        hint = "Replace the images, or remove the classes."
        where = f" in {listing.root}"
        require_every_class(self.layout.classes, listing.labels, sound.labels, where=where, hint=hint)
        return decoded, sound


def _image_set(decoded: DecodedImages, sound: Listing, normalisation: Normalisation) -> ImageSet:
    labels = torch.from_numpy(sound.labels)
    if decoded.pixels is not None:
        return resident(torch.from_numpy(decoded.pixels), labels, normalisation)
    return StreamedImages(EncodedImages(sound, decoded.image_size, decoded.in_chans), labels, normalisation)


def _corrupt(listing: Listing, corrupt: dict[int, str]) -> DataError:
    names = listing.names()
    named = [f"{names[i]} ({reason})" for i, reason in list(corrupt.items())[:_NAMED_FAULTS]]
    more = len(corrupt) - len(named)
    return DataError(
        f"{len(corrupt)} of {len(names)} images in {listing.root} are corrupt: {', '.join(named)}"
        + (f" and {more} more." if more else "."),
        hint="Replace or delete them, or leave them out with --skip-corrupt (skip_corrupt=True).",
    )
