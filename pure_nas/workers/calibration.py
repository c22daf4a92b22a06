"""How many workers to use, by what they deliver together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

TOLERANCE = 0.05
"""More workers that deliver less than this more are not worth their memory."""


def fewest_sufficient(images_per_second: Mapping[int, float]) -> int:
    """The smallest number of workers whose images a second are within the tolerance of the best.

    Args:
        images_per_second: of all workers together, by their number; 0 where they do not fit into memory.
    """
    best = max(images_per_second.values())
    return min(workers for workers, rate in images_per_second.items() if rate >= (1 - TOLERANCE) * best)


def measure_doubling(rehearse: Callable[[int], float], first: int, most: int) -> dict[int, float]:
    """Images a second of `first` workers, of twice as many, and so on up to `most`, until more do not pay.

    Args:
        rehearse: measures the images a second of so many workers together.
    """
    found: dict[int, float] = {}
    workers = max(1, min(first, most))
    while workers <= most or not found:
        best = max(found.values(), default=0.0)
        found[workers] = rehearse(workers)
        if found[workers] <= best * (1 + TOLERANCE):
            break
        workers *= 2
    return found
