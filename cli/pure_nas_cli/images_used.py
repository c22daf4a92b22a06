"""What a command says of the images before it trains on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pure_nas.quantities import counted
from pure_nas_cli.console import stderr, tell

if TYPE_CHECKING:
    from pure_nas.data import Dataset

_MOST_CLASSES = 12
_MOST_CHARACTERS = 100


def show_images(dataset: Dataset) -> None:
    """Print how many images each part has, the classes, and what was found and is not used."""
    size, test_size = dataset.image_size, dataset.test_size
    counts = [f"{len(dataset.train):,} training", f"{len(dataset.validation):,} validation"]
    if test_size is not None:
        counts.append(f"{test_size:,} test" if test_size else "no test")
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}"
    tell(dataset.name, f"{listed} images of {dataset.in_chans} x {size} x {size}")
    show_classes(dataset)


def show_classes(dataset: Dataset) -> None:
    """Print the classes, all of a few or the first and the last, and what was found and is not used."""
    names = dataset.classes
    listed = ", ".join(names)
    if len(names) > _MOST_CLASSES or len(listed) > _MOST_CHARACTERS:
        listed = f"{', '.join(names[:3])} ... {names[-1]}"
    tell(counted(len(names), "class", "classes"), listed)
    if dataset.passed_over:
        tell("passed over", "; ".join(dataset.passed_over))
    if dataset.skipped:
        stderr.print(f"{counted(dataset.skipped, 'corrupt image')} left out (--skip-corrupt)", style="yellow")


def images_document(dataset: Dataset) -> dict[str, object]:
    """The same for programs."""
    return {
        "name": dataset.name,
        "classes": list(dataset.classes),
        "train": len(dataset.train),
        "validation": len(dataset.validation),
        "test": dataset.test_size,
        "skipped": dataset.skipped,
        "passed_over": list(dataset.passed_over),
    }
