"""scikit-learn's handwritten digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pure_nas.data.sources.raw import RawImages
from pure_nas.data.sources.spec import Part
from pure_nas.data.split import TEST_SPLIT_SEED, held_out_count, stratified_split

_TEST_SHARE = 0.2


def read_digits(data_dir: Path, part: Part) -> RawImages:
    """1,797 grayscale images of 8x8 pixels; values 0..16 become 0..240.

    There is no official test part: it is a fifth of the images, always the same ones.
    """
    from sklearn.datasets import load_digits

    del data_dir  # the images come with scikit-learn
    digits = load_digits()
    labels = digits.target.astype(np.int64)
    held_out = held_out_count(_TEST_SHARE, len(labels), what="test")
    train, test = stratified_split(labels, held_out, TEST_SPLIT_SEED)
    chosen = train if part == "train" else test
    images = (digits.images[chosen, None] * 15).astype(np.uint8)
    return RawImages(images, labels[chosen], tuple(str(digit) for digit in range(10)))
