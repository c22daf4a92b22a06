"""What seeds and images say: confidence intervals, differences with their tests, and corrections for multiple tests.

Means and variances are exact and SciPy gives the distribution: its own t-tests warn of lost precision where seeds agree
to the last image, which they often do, and take 10 ms a comparison. It has no Holm's correction.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
SIGNIFICANCE = 1 - CONFIDENCE
ONE_SEED = (
    "With one seed per network no difference can be told from chance, so nothing is compared: use --seeds 3 or more."
)


@dataclass(frozen=True)
class Difference:
    """The difference of two means, with Welch's 95 % interval."""

    value: float
    low: float
    high: float
    p: float | None  # two-sided, of Welch's test; None where neither side varies, which says nothing about chance


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two networks on the same images: McNemar's exact test, and a 95 % interval of the difference of their errors.

    Attributes:
        only_first, only_second: images that only one of them classified correctly.
        p: two-sided; 1 where they are right on the same images.
    """

    images: int
    only_first: int
    only_second: int
    difference: float  # of the errors: the first's minus the second's
    low: float
    high: float
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Paired:
    """Compare two networks by whether each classified each of the same images correctly, (N,) and (N,).

    The interval is Bonett and Price's ("Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", 2012), which also holds for few images and where nothing differs.
    """
    from scipy import stats

    images, only_first, only_second = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    apart = only_first + only_second
    p = float(stats.binomtest(only_first, apart).pvalue) if apart else 1.0
    more, less = (only_second + 1) / (images + 2), (only_first + 1) / (images + 2)
    reach = stats.norm.ppf((1 + CONFIDENCE) / 2) * math.sqrt((more + less - (more - less) ** 2) / (images + 2))
    return Paired(
        images=images,
        only_first=only_first,
        only_second=only_second,
        difference=(only_second - only_first) / images,
        low=max(-1.0, float(more - less - reach)),
        high=min(1.0, float(more - less + reach)),
        p=p,
    )


Untested = Literal["seeds diverged", "too few seeds", "no spread to judge by"]
Tested = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A number over seeds, or a ratio over pairs of them: its mean, the lowest and the highest."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(mean=statistics.fmean(values), low=min(values), high=max(values))

    @property
    def percent(self) -> Spread:
        return Spread(mean=100 * self.mean, low=100 * self.low, high=100 * self.high)


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean of `values`; None for fewer than two."""
    if len(values) < 2:
        return None
    mean, error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    reach = _quantile(len(values) - 1) * error
    return mean - reach, mean + reach


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share of which `hits` of `count` were seen (Wilson)."""
    # It takes half a second to import, which a worker that only counts would pay too.
    from scipy import stats

    found = stats.binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def accuracy_interval(accuracies: Sequence[float]) -> tuple[float, float] | None:
    """`mean_interval`, cut off at 0 and 1; None where all are the same, which says nothing of their spread."""
    found = mean_interval(accuracies)
    return (max(0.0, found[0]), min(1.0, found[1])) if found and found[0] < found[1] else None


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Compare mean(first) and mean(second) by Welch's test; each needs two values."""
    from scipy import stats

    value = statistics.fmean(first) - statistics.fmean(second)
    of_first, of_second = (statistics.variance(values) / len(values) for values in (first, second))
    variance = of_first + of_second
    if variance == 0:
        return Difference(value, value, value, None)
    # Shares of the variance: the squares of tiny variances would be zero.
    freedom = 1 / ((of_first / variance) ** 2 / (len(first) - 1) + (of_second / variance) ** 2 / (len(second) - 1))
    error = math.sqrt(variance)
    reach = _quantile(freedom) * error
    return Difference(value, value - reach, value + reach, float(2 * stats.t.sf(abs(value) / error, freedom)))


def compared(first: Sequence[float], second: Sequence[float], *, diverged: int) -> Difference | Untested:
    """Compare seeds as `difference` does, or why that would say nothing; `diverged` seeds are not among them."""
    if diverged:
        return "seeds diverged"
    if min(len(first), len(second)) < 2:
        return "too few seeds"
    found = difference(first, second)
    return "no spread to judge by" if found.p is None else found


def verdict_of(value: float, p_adjusted: float) -> Tested:
    """What a test of the difference `value` shows."""
    if p_adjusted >= SIGNIFICANCE:
        return "no difference shown"
    return "better" if value > 0 else "worse"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (S. Holm, "A simple sequentially rejective multiple test procedure", 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _quantile(freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
