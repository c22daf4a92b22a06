"""Stratified splits that depend on a seed and the labels, and on nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pure_nas.errors import UsageError

Positions = NDArray[np.int64]

_TEST_SEED = 20_211_217  # fixes the test images of datasets without a test part of their own


def split_off_test(labels: Positions, share: float, *, at_least: int = 0) -> tuple[Positions, Positions]:
    """Positions of all other images, and of a share of each class as test images, the same for every seed of a run."""
    room = len(labels) - len(np.unique(labels))
    return stratified_split(labels, min(round(share * len(labels)), room), _TEST_SEED, at_least=at_least)


def stratified_split(labels: Positions, held_out: int, seed: int, *, at_least: int = 0) -> tuple[Positions, Positions]:
    """The kept and the held-out positions, each ascending, stratified by class, of which each keeps an image.

    Args:
        held_out: number of images to hold out, at most N minus the number of classes.
        at_least: hold out at least this many images of each class, or half of a smaller class, even if the total
            then exceeds `held_out`.
    """
    counts = np.bincount(labels)
    room = int(np.maximum(counts - 1, 0).sum())
    if not 0 <= held_out <= room:
        raise UsageError(
            f"{held_out} of {len(labels)} images cannot be set aside: at most {room} can when each of the "
            f"{int((counts > 0).sum())} classes keeps one.",
            hint="Ask for fewer.",
        )
    quotas = _quotas(counts, held_out, np.minimum(at_least, counts // 2))
    # RandomState, not default_rng: its stream is frozen, so a split outlives NumPy's releases.
    random = np.random.RandomState(seed % 2**32)
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    chosen = np.zeros(len(labels), dtype=bool)
    for positions, quota in zip(by_class, quotas, strict=True):
        chosen[random.permutation(positions)[:quota]] = True
    return np.flatnonzero(~chosen).astype(np.int64), np.flatnonzero(chosen).astype(np.int64)


def _quotas(counts: Positions, total: int, least: Positions) -> Positions:
    """Images to hold out of each class: largest remainders, within `least` and the class size less one."""
    most = np.maximum(counts - 1, 0)
    shares = counts * (total / max(1, int(counts.sum())))
    quotas: Positions = np.clip(np.floor(shares).astype(np.int64), np.minimum(least, most), most)
    while quotas.sum() < total:
        behind = np.where(quotas < most, shares - quotas, -np.inf)
        quotas[int(np.argmax(behind))] += 1
    return quotas
