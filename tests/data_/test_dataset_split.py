from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pure_nas.data.split import stratified_split

label_lists = st.lists(st.integers(0, 6), min_size=2, max_size=120)


@given(label_lists, st.floats(0, 1), st.integers(0, 2**40))
def test_a_split_is_complete_and_every_class_keeps_an_image_and_gives_its_share(
    values: list[int], share: float, seed: int
) -> None:
    labels = np.array(values)
    held_out = int(share * (len(labels) - len(np.unique(labels))))
    kept, held = stratified_split(labels, held_out, seed)
    assert len(held) == held_out
    assert sorted([*kept, *held]) == list(range(len(labels)))
    again = stratified_split(labels, held_out, seed)
    assert np.array_equal(kept, again[0])
    assert np.array_equal(held, again[1])
    counts = np.bincount(labels)
    given_up = np.bincount(labels[held], minlength=len(counts))
    assert set(labels[kept]) == set(values)
    ideal = counts * held_out / len(labels)
    assert (given_up >= np.minimum(np.floor(ideal), np.maximum(counts - 1, 0))).all()
    capped = int(np.maximum(np.ceil(ideal) - np.maximum(counts - 1, 0), 0).sum())
    assert (given_up <= np.ceil(ideal) + capped).all()


def test_a_split_is_what_it_was_in_earlier_releases() -> None:
    assert stratified_split(np.arange(20) % 2, 6, 0)[1].tolist() == [3, 4, 7, 8, 11, 16]
    assert stratified_split(np.arange(20) % 2, 6, 1)[1].tolist() != [3, 4, 7, 8, 11, 16]


def test_small_classes_are_held_out_where_asked() -> None:
    labels = np.array([0] * 100 + [1] * 5 + [2] * 3 + [3])
    held = stratified_split(labels, 10, 0, at_least=2)[1]
    assert np.bincount(labels[held], minlength=4).tolist() == [9, 2, 1, 0]
