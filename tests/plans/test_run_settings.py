"""With what settings a run resumes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.data.image_set import Normalisation
from pure_nas.errors import RunError
from pure_nas.plans.settings import require_equal


def test_statistics_that_another_processor_rounded_are_of_the_same_images() -> None:
    def settings(mean: float) -> dict[str, object]:
        return {"dataset": "digits", "data": {"fingerprint": "5f0c", "mean": [mean]}}

    require_equal(Path("run"), settings(0.2870364450127877), settings(math.nextafter(0.2870364450127877, 1)))
    with pytest.raises(RunError, match='The images of "digits" have changed'):
        require_equal(Path("run"), settings(0.287036), settings(0.287037))


@given(st.lists(st.integers(0, 10_000), min_size=256, max_size=256).filter(any))
def test_mean_and_deviation_are_those_of_the_pixels(histogram: list[int]) -> None:
    found = Normalisation.from_histogram(torch.tensor([histogram]))
    pixels = np.repeat(np.arange(256) / 255, histogram)
    assert found.mean[0] == pytest.approx(pixels.mean(), abs=1e-12)
    assert found.std[0] == pytest.approx(max(pixels.std(), 1 / 255), rel=1e-9)
