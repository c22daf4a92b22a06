"""Dominance, fronts, hypervolume (Optuna's is private) and the knee. Every objective is minimised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def _points(values: ArrayLike) -> Points:
    points = np.asarray(values, dtype=np.float64)
    if points.size == 0:
        return points.reshape(0, points.shape[1] if points.ndim == 2 else 0)
    if points.ndim != 2:
        raise ValueError(f"points must have shape (n, objectives), but got {points.shape}")
    return points


def dominates(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether `first` is nowhere worse than `second` and somewhere better."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    return bool(np.all(a <= b) and np.any(a < b))


def front(values: ArrayLike) -> list[int]:
    """Indices of the points (n, objectives) that no other dominates, by the first objective; rows with NaN never."""
    points = _points(values)
    finite = [index for index in range(len(points)) if not np.isnan(points[index]).any()]
    others = points[finite]
    kept = [
        index
        for index in finite
        if not np.any(np.all(others <= points[index], axis=1) & np.any(others < points[index], axis=1))
    ]
    return sorted(kept, key=lambda index: (*points[index], index))


def hypervolume(values: ArrayLike, reference: Sequence[float]) -> float:
    """Volume that the points (n, objectives) dominate below `reference`; points beyond it count for nothing."""
    bound = np.asarray(reference, dtype=np.float64)
    points = _points(values)
    if len(points) == 0:
        return 0.0
    if points.shape[1] != len(bound):
        raise ValueError(f"points have {points.shape[1]} objectives, but the reference has {len(bound)}")
    inside = points[np.all(points < bound, axis=1)]
    return _sliced_volume(inside[front(inside)], bound)


def _sliced_volume(points: Points, bound: Points) -> float:
    """Cut along the last objective; each slab is the volume, one dimension lower, of the points below it."""
    if len(points) == 0:
        return 0.0
    if len(bound) == 1:
        return float(bound[0] - points[:, 0].min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    tops = np.append(points[1:, -1], bound[-1])
    total = 0.0
    for index, height in enumerate(tops - points[:, -1]):
        if height > 0:
            below = points[: index + 1, :-1]
            total += float(height) * _sliced_volume(below[front(below)], bound[:-1])
    return total


def knee(values: ArrayLike) -> int:
    """Index of the front point closest to the ideal corner, objectives scaled to 0..1, positive costs by logarithm."""
    points = _points(values)
    indices = front(points)
    if not indices:
        raise ValueError("an empty front has no knee")
    chosen = points[indices]
    for column in range(1, chosen.shape[1]):
        if np.all(chosen[:, column] > 0):
            chosen[:, column] = np.log(chosen[:, column])
    low, high = chosen.min(axis=0), chosen.max(axis=0)
    scaled = (chosen - low) / np.where(high > low, high - low, 1.0)
    return indices[int(np.argmin(np.linalg.norm(scaled, axis=1)))]


def grouped(values: ArrayLike, indices: Sequence[int], tolerances: Sequence[tuple[float, float]]) -> list[list[int]]:
    """Gather points (n, objectives) that are close to the first of their group, by (absolute, relative) tolerances."""
    points = _points(values)
    absolute, relative = np.array(tolerances, dtype=np.float64).T
    groups: list[list[int]] = []
    for index in indices:
        for group in groups:
            first, other = points[group[0]], points[index]
            if np.all(np.abs(first - other) <= absolute + relative * np.maximum(np.abs(first), np.abs(other))):
                group.append(index)
                break
        else:
            groups.append([index])
    return groups
