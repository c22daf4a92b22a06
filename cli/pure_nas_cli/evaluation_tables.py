"""Evaluations as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from pure_nas.evaluation import Evaluation, Quality
from pure_nas.evaluation.noise import LEVEL_NAMES
from pure_nas.evaluation.tally import BINS
from pure_nas.quantities import counted, show_percent
from pure_nas.space.architecture import Architecture
from pure_nas_cli.console import stdout
from pure_nas_cli.plain_tables import plain_table

_MOST_CLASSES = 30
"""Classes that are all listed; of more, those that fare worst."""
_MOST_COLUMNS = 12
"""Classes whose confusions fit a terminal as a matrix."""
_WORST = 10
_ROOMY = 100
"""Columns of a terminal that holds everything of a summary."""


@dataclass(frozen=True)
class Judged:
    """A network, as it was asked for, and what was found of it."""

    name: str
    architecture: Architecture
    evaluation: Evaluation


def print_evaluations(judged: Sequence[Judged], subject: str) -> None:
    """Print every table that there is something for; classes and confusions of the first network only.

    Args:
        subject: the images, in words.
    """
    stdout.print(subject, style="italic")
    stdout.print(_summary(judged))
    first = judged[0]
    for each in judged:
        _note_faults(each)
    quality = first.evaluation.viewed or first.evaluation.quality
    stdout.print(_of(first, judged, "Classes"), style="italic")
    stdout.print(_classes(quality))
    _print_confusions(quality)
    _print_noise(judged)
    _print_intensity(judged)
    stdout.print(_notes(first.evaluation, of_seeds=_of_seeds(judged)), style="dim")


def _table(*columns: str) -> Table:
    """A table of numbers that shows names whole, however long they are."""
    table = plain_table(*columns)
    table.columns[0].overflow = "fold"
    return table


def _of_seeds(judged: Sequence[Judged]) -> bool:
    """Whether a network among them is judged over several seeds."""
    return any(each.evaluation.quality.accuracies for each in judged)


def _summary(judged: Sequence[Judged]) -> Table:
    views = judged[0].evaluation.views
    brief = stdout.width < _ROOMY
    interval = "interval" if _of_seeds(judged) else "95 % interval"
    columns = ["accuracy", interval, "top-5", "calibration error", *([] if brief else ["macro F1", "loss"])]
    table = _table("network", *columns)
    for each in judged:
        table.add_row(each.name, *_figures(each.evaluation.quality)[: len(columns)])
        if each.evaluation.viewed:
            table.add_row(Text(f"  {views.name}", "dim"), *_figures(each.evaluation.viewed)[: len(columns)])
    return table


def _figures(quality: Quality) -> list[str]:
    low, high = quality.interval
    return [
        show_percent(quality.accuracy),
        f"{100 * low:.2f} to {100 * high:.2f} %",
        _percent(quality.top5),
        _percent(quality.calibration_error),
        _percent(quality.macro_f1),
        "-" if quality.loss is None else f"{quality.loss:.4f}",
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else show_percent(value)


def _note_faults(judged: Judged) -> None:
    """Say what is missing and why."""
    quality = judged.evaluation.quality
    if quality.unpredicted:
        stdout.print(
            f"{judged.name}: the logits of {counted(quality.unpredicted, 'image')} are not finite. They count as "
            "wrong, and there is no calibration error and no loss.",
            style="yellow",
        )
    absent = [each.name for each in quality.classes if not each.count]
    if absent:
        listed = ", ".join(absent[:_WORST]) + (f" and {len(absent) - _WORST} more" if len(absent) > _WORST else "")
        stdout.print(f"There are no images of {listed}.", style="yellow")


def _of(first: Judged, judged: Sequence[Judged], title: str) -> str:
    return f"{title} of {first.name}" if len(judged) > 1 else title


def _classes(quality: Quality) -> Table:
    table = _table("class", "images", "precision", "recall", "F1")
    chosen = quality.classes
    if len(chosen) > _MOST_CLASSES:
        seen = [each for each in chosen if each.count]
        chosen = tuple(sorted(seen, key=lambda each: each.f1 or 0.0)[:_WORST])
    for each in chosen:
        table.add_row(each.name, f"{each.count:,}", _percent(each.precision), _percent(each.recall), _percent(each.f1))
    if len(chosen) < len(quality.classes):
        table.caption = f"the {len(chosen)} of {len(quality.classes):,} classes with the lowest F1"
    return table


def _print_confusions(quality: Quality) -> None:
    """The matrix where it fits, else the largest confusions."""
    if len(quality.classes) <= _MOST_COLUMNS:
        stdout.print("Confusions: a row is what images are, a column what they were taken for", style="italic")
        stdout.print(_matrix(quality))
        return
    found = quality.largest_confusions(_WORST)
    if not found:
        return
    stdout.print("Largest confusions", style="italic")
    table = _table("is", "images")
    table.add_column("taken for")
    for label, predicted, count in found:
        table.add_row(label, f"{count:,}", predicted)
    stdout.print(table)


def _matrix(quality: Quality) -> Table:
    names = [each.name for each in quality.classes]
    width = max(len(str(count)) for row in quality.confusion for count in row)
    room = max(width, (stdout.width - max(map(len, names)) - 2) // len(names) - 1)
    table = _table("", *(name[:room] for name in names))
    for label, (name, row) in enumerate(zip(names, quality.confusion, strict=True)):
        cells = [
            Text(str(count) if count else "·", _shade(count, sum(row), hit=label == k)) for k, count in enumerate(row)
        ]
        table.add_row(name, *cells)
    return table


def _shade(count: int, total: int, *, hit: bool) -> str:
    if not count:
        return "dim"
    if hit:
        return "bold green"
    return "red" if count >= 0.1 * total else ""


def _print_noise(judged: Sequence[Judged]) -> None:
    """One table a kind: accuracy of each network at each level."""
    for place, curve in enumerate(judged[0].evaluation.noise):
        levels = [f"{point.noise.level:g}" for point in curve.points[1:]]
        stdout.print(f"Accuracy under {curve.kind} noise, by {LEVEL_NAMES[curve.kind]}", style="italic")
        table = _table("network", "none", *levels)
        for each in judged:
            points = each.evaluation.noise[place].points
            table.add_row(each.name, *(f"{100 * point.quality.accuracy:.1f} %" for point in points))
        stdout.print(table)


def _print_intensity(judged: Sequence[Judged]) -> None:
    """The invariance probe: a row a network and factor."""
    if not judged[0].evaluation.intensity:
        return
    stdout.print("When the intensity of the images is multiplied", style="italic")
    table = _table("network", "by", "accuracy", "same class", "cosine", "length", "change")
    for number, each in enumerate(judged):
        if number:
            table.add_section()
        for row, change in enumerate(each.evaluation.intensity):
            means = (change.cosine, change.norm_ratio, change.relative_change)
            table.add_row(
                "" if row else each.name,
                f"{change.factor:g}",
                show_percent(change.accuracy),
                show_percent(change.agreement),
                *("-" if value is None else f"{value:.3f}" for value in means),
            )
    stdout.print(table)


def _notes(evaluation: Evaluation, *, of_seeds: bool) -> str:
    notes = [
        f"Calibration error: the mean distance of confidence and accuracy over {BINS} bins of equal width, weighted by "
        "the images in them.",
    ]
    if of_seeds:
        notes.insert(
            0,
            "Over seeds: means, and an interval from the lowest accuracy of a seed to the highest (Wilson's 95 % where "
            "there is one seed); images count once a seed.",
        )
    else:
        notes.insert(0, "Interval: Wilson's.")
    if stdout.width >= _ROOMY:
        notes.append("Loss: the mean negative log-likelihood.")
    if evaluation.quality.top5 is None:
        notes.append("Top-5 says nothing of five classes or fewer.")
    if evaluation.viewed:
        notes.append(
            f"{evaluation.views.name}: probabilities averaged over {counted(evaluation.views.count, 'view')} of an "
            "image; classes and confusions are theirs. Noise is seen once."
        )
    if evaluation.noise:
        notes.append(
            "Noise is drawn for each image from the seed, the same for every network, on images of 0 to 1, and clipped."
        )
    if evaluation.intensity:
        notes.append(
            "Cosine, length, change: of the features before the last layer, relative to those of the image as it is. "
            "Intensities are not clipped, and normalised as in training."
        )
    return " ".join(notes)
