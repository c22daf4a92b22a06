"""What a command says of the images before it trains on them."""

from __future__ import annotations

from pure_nas.data import Dataset
from pure_nas.quantities import counted
from pure_nas_cli.console import stderr, tell

_MOST_CLASSES = 12
_MOST_CHARACTERS = 100


def show_images(dataset: Dataset) -> None:
    """Print how many images each part has, the classes, and what was found and is not used."""
    size, tested = dataset.image_size, dataset.test_size
    counts = [f"{len(dataset.train):,} training", f"{len(dataset.validation):,} validation"]
    if tested is not None:
        counts.append(f"{tested:,} test" if tested else "no test")
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}"
    tell(dataset.name, f"{listed} images of {dataset.in_chans} x {size} x {size}")
    show_classes(dataset)


def show_classes(dataset: Dataset) -> None:
    """Print the classes, and what was found and is not used."""
    tell(counted(len(dataset.classes), "class", "classes"), _listed(dataset.classes))
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


def _listed(names: tuple[str, ...]) -> str:
    """All of a few names, else the first few and the last."""
    few = ", ".join(names)
    if len(names) <= _MOST_CLASSES and len(few) <= _MOST_CHARACTERS:
        return few
    return f"{', '.join(names[:3])} ... {names[-1]}"
