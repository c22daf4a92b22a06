"""Which images a trained network classified correctly is kept, a bit each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.errors import RunError
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.hits import Hits, read_hits, write_hits


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_hits_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, right: list[bool]) -> None:
    folder = TrialDirectory(tmp_path_factory.mktemp("trial"), 0)
    written = Hits("validation", "5f0c", np.array(right))
    write_hits(folder, written)
    read = read_hits(folder)
    assert read is not None
    assert read.same_images(written)
    assert read.right.tolist() == right


def test_four_thousand_images_take_less_than_a_kilobyte(tmp_path: Path) -> None:
    folder = TrialDirectory(tmp_path, 0)
    write_hits(folder, Hits("test", "5f0c", np.ones(4000, dtype=bool)))
    assert folder.hits.stat().st_size < 1024


def test_only_the_same_images_are_comparable() -> None:
    hits = Hits("test", "5f0c", np.ones(8, dtype=bool))
    assert hits.same_images(Hits("test", "5f0c", np.zeros(8, dtype=bool)))
    assert not hits.same_images(Hits("validation", "5f0c", np.ones(8, dtype=bool)))
    assert not hits.same_images(Hits("test", "5f0d", np.ones(8, dtype=bool)))


def test_a_trial_without_them_has_none(tmp_path: Path) -> None:
    assert read_hits(TrialDirectory(tmp_path, 0)) is None


@pytest.mark.parametrize("bits", ["", "/w==", "no base64", "/////w=="])
def test_damaged_ones_are_an_error_that_names_the_file(bits: str, tmp_path: Path) -> None:
    folder = TrialDirectory(tmp_path, 0)
    write_hits(folder, Hits("test", "5f0c", np.ones(9, dtype=bool)))
    folder.hits.write_text(json.dumps({**json.loads(folder.hits.read_text()), "bits": bits}))
    with pytest.raises(RunError, match=r"hits\.json is damaged"):
        read_hits(folder)
