"""How sure a front is: errors are drawn again, as of other seeds and images, and each draw has a front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
_PRIOR_SEEDS = 4  # further seeds that the prior of how much seeds vary counts as
_REACH = 1.959963984540054  # of a normal distribution's 95 %, in standard deviations
_FAR = 5.0  # standard deviations of a difference beyond which no draw changes an order

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A network as it was measured: its validation error with each seed, and what else is minimised."""

    errors: tuple[float, ...]
    others: tuple[float, ...]
    hits: NDArray[np.uint8] | None = None  # (images,): with how many of the seeds each was right; None: unknown


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of a network's place: its mean error with a 95 % interval, and how often it is on the front."""

    error: float
    low: float
    high: float
    seeds: int
    on_front: float  # share of draws


def standings(networks: Sequence[Measured], images: int, generator: np.random.Generator) -> list[Standing]:
    """Draw the errors of all networks again, together, `DRAWS` times.

    Two things vary. Seeds: by a multiple of the variance of drawing `images` images, the same multiple for all, which
    is estimated from every network that has several and is 1 where there are none. Images: networks that are right on
    the same ones vary together, so that most of it cancels where two are compared; without hits they vary alone.
    """
    if not networks:
        return []
    seeds = np.array([len(each.errors) for each in networks])
    means = np.array([math.fsum(each.errors) / len(each.errors) for each in networks])
    smoothed = (means * seeds * images + 0.5) / (seeds * images + 1)  # never 0 or 1
    of_drawing = smoothed * (1 - smoothed) / images
    of_seeds = _seeds_factor(networks, means, of_drawing) * of_drawing / seeds
    floor = (of_drawing - means * (1 - means) / images).clip(min=0)
    of_images = floor + [_variance(each, mean, images) for each, mean in zip(networks, means, strict=True)]
    variance = of_seeds + of_images
    cheaper = _no_dearer(np.array([each.others for each in networks], dtype=np.float64))
    excess = (means[None, :] - means[:, None]) / np.sqrt(variance[None, :] + variance[:, None])
    # Nothing surely dominates these, and what they dominate is dominated.
    open_ = np.flatnonzero(~(cheaper & (excess > _FAR)).any(0)).tolist()
    together = _covariance([networks[place] for place in open_], images)
    np.fill_diagonal(together, variance[open_])
    # Not by a BLAS, whose last bits depend on its threads.
    normal = generator.standard_normal((DRAWS, len(open_)))
    drawn = means[open_] + np.einsum("dj,ij->di", normal, np.linalg.cholesky(together))
    on_front = np.zeros(len(networks))
    for column, place in enumerate(open_):
        rivals = cheaper[open_, place]
        beaten = (drawn[:, rivals] <= drawn[:, [column]]).any(1) if rivals.any() else np.zeros(DRAWS, dtype=bool)
        on_front[place] = 1 - beaten.mean()
    reach = _REACH * np.sqrt(variance)
    return [
        Standing(
            error=float(mean),
            low=max(0.0, float(mean - far)),
            high=min(1.0, float(mean + far)),
            seeds=int(count),
            on_front=float(chance),
        )
        for mean, far, count, chance in zip(means, reach, seeds, on_front, strict=True)
    ]


def _seeds_factor(networks: Sequence[Measured], means: Floats, of_drawing: Floats) -> float:
    """The variance of errors between seeds, as a multiple of that of drawing images."""
    squares = [
        sum((error - mean) ** 2 for error in each.errors) / drawing
        for each, mean, drawing in zip(networks, means, of_drawing, strict=True)
    ]
    freedom = sum(len(each.errors) - 1 for each in networks)
    return float((_PRIOR_SEEDS + math.fsum(squares)) / (_PRIOR_SEEDS + freedom))


def _no_dearer(others: Floats) -> NDArray[np.bool_]:
    """(n, n): whether the first is another network that is nowhere dearer than the second."""
    found: NDArray[np.bool_] = np.all(others[:, None, :] <= others[None, :, :], axis=2)
    np.fill_diagonal(found, val=False)
    return found


def _variance(network: Measured, mean: float, images: int) -> float:
    """Of its mean error, over drawing the images again."""
    if network.hits is None:
        return mean * (1 - mean) / images
    return float((network.hits / len(network.errors)).var()) / images


def _covariance(networks: Sequence[Measured], images: int) -> Floats:
    """Of errors over drawing the images again, where hits tell; variances are left out."""
    found = np.zeros((len(networks), len(networks)))
    known = [place for place, each in enumerate(networks) if each.hits is not None]
    if known:
        hits = np.stack([each.hits for each in networks if each.hits is not None]).astype(np.float64)
        seeds = np.array([len(networks[place].errors) for place in known])
        shares = hits.sum(1) / seeds / images
        # Of whole numbers, whose sums are exact in whatever order a BLAS adds them.
        both = hits @ hits.T / np.outer(seeds, seeds) / images
        found[np.ix_(known, known)] = (both - np.outer(shares, shares)) / images
    return found
