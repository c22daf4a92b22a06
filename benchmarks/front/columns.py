"""The table of a comparison of searches: hypervolume by cost, and what each paid for what another one found."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.document import Column, Row
from pure_nas.analysis.course import Course, Payment, price

_TITLES: dict[Payment, str] = {"time": "time", "epochs": "epochs", "work": "cost"}
_LOWEST = 2  # places at which the lowest error is shown
NOTE = (
    "x time, x epochs, x cost (flops x epochs): paid for the hypervolume that both had in the end, by what {} of the "
    "same seed paid for it; medians, and 95 % intervals of the first."
)


def columns(places: Sequence[str], by: Sequence[Payment]) -> list[Column]:
    """Of `row`, under these titles of the places at which hypervolume is read."""
    return [
        Column("search", "search"),
        *(Column(f"at_{place}", place, ".4f") for place in places),
        *(Column(f"lowest_{place}", f"error at {place}", ".2%") for place in places[-_LOWEST:]),
        Column(f"{by[0]}_ratio", f"x {_TITLES[by[0]]}", ".2f"),
        Column("interval", "95 %"),
        *(Column(f"{kind}_ratio", f"x {_TITLES[kind]}", ".2f") for kind in by[1:]),
        Column("trials", "trials", ".0f"),
    ]


def row(
    name: str,
    found: Sequence[Course],
    reference: Sequence[Course],
    places: Mapping[str, Sequence[float]],
    by: Sequence[Payment],
) -> Row:
    """What a search found, seed by seed, against the reference.

    Args:
        places: by its title, where hypervolume and the lowest error are read in each course, in the first kind of cost
            of `by`.
    """
    ratios = {kind: [price(course, other, kind) for course, other in zip(found, reference, strict=True)] for kind in by}
    low, high = interval(ratios[by[0]])
    return {
        "search": name,
        **{
            f"at_{title}": statistics.fmean(
                course.volume_at(paid, by[0]) for course, paid in zip(found, each, strict=True)
            )
            for title, each in places.items()
        },
        **{
            f"lowest_{title}": statistics.fmean(
                course.lowest_at(paid, by[0]) for course, paid in zip(found, each, strict=True)
            )
            for title, each in places.items()
        },
        **{f"{kind}_ratio": statistics.median(values) for kind, values in ratios.items()},
        "interval": f"{low:.2f}-{high:.2f}",
        "trials": statistics.fmean(len(course.volume) for course in found),
    }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the median, by order statistics of 2,000 resamples."""
    rng, found = np.random.default_rng(0), np.array(values)
    medians = np.median(found[rng.integers(len(found), size=(2_000, len(found)))], 1)
    low, high = np.quantile(medians, [0.025, 0.975], method="nearest")
    return float(low), float(high)
