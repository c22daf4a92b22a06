"""Evaluations of networks as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pure_nas.evaluation import Evaluation, Quality
from pure_nas.evaluation.noise import LEVEL_NAMES
from pure_nas.evaluation.tally import BINS
from pure_nas.quantities import counted, show_percent
from pure_nas.report.table import NOTHING, Cell, Column, Row, Table

Named = tuple[str, Evaluation]
"""A network's name, and what was found of it."""

_MOST_CLASSES = 30
"""Classes that are all listed; of more, those that fare worst."""
_MOST_COLUMNS = 12
"""Classes whose confusions are shown as a matrix."""
_WORST = 10
_NETWORK = Column("network", "network", "left")


def evaluation_tables(evaluated: Sequence[Named], subject: str) -> Iterator[Table]:
    """Every table that there is something for; classes and confusions of the first network only.

    Args:
        evaluated: networks that were evaluated in the same way.
        subject: the images, in words.
    """
    name, first = evaluated[0]
    yield _summary(evaluated, subject)
    quality = first.viewed or first.quality
    yield _classes(quality, f"Classes of {name}" if len(evaluated) > 1 else "Classes")
    if len(quality.classes) <= _MOST_COLUMNS:
        yield _confusion_matrix(quality)
    elif found := quality.largest_confusions(_WORST):
        yield _largest_confusions(found)
    for place in range(len(first.noise)):
        yield _noise(evaluated, place)
    if first.intensity:
        yield _intensity(evaluated)


def faults_of(evaluated: Sequence[Named]) -> Iterator[str]:
    """What is missing of each network's figures, and why."""
    for name, evaluation in evaluated:
        quality = evaluation.quality
        if quality.unpredicted:
            yield (
                f"{name}: the logits of {counted(quality.unpredicted, 'image')} are not finite. They count as wrong, "
                "and there is no calibration error and no loss."
            )
        absent = [each.name for each in quality.classes if not each.count]
        if absent:
            more = f" and {len(absent) - _WORST} more" if len(absent) > _WORST else ""
            yield f"There are no images of {', '.join(absent[:_WORST])}{more}."


def _summary(evaluated: Sequence[Named], subject: str) -> Table:
    of_seeds = any(each.quality.accuracies for _, each in evaluated)
    columns = (
        _NETWORK,
        Column("accuracy", "accuracy"),
        Column("interval", "interval" if of_seeds else "95 % interval", files=False),
        Column("top5", "top-5"),
        Column("calibration_error", "calibration error"),
        Column("macro_f1", "macro F1", detail=1),
        Column("loss", "loss", detail=1),
    )
    rows = []
    for name, each in evaluated:
        rows.append(_summary_row(Cell(name, name), each.quality))
        if each.viewed:
            views = each.views.name
            rows.append(_summary_row(Cell(f"{name}, {views}", f"  {views}", tone="dim"), each.viewed))
    return Table("evaluation", columns, tuple(rows), subject, tuple(_summary_notes(evaluated[0][1], of_seeds=of_seeds)))


def _summary_row(name: Cell, quality: Quality) -> Row:
    low, high = quality.interval
    return Row(
        {
            "network": name,
            "accuracy": _share(quality.accuracy),
            "interval": Cell(text=f"{100 * low:.2f} to {show_percent(high)}"),
            "top5": _share(quality.top5),
            "calibration_error": _share(quality.calibration_error),
            "macro_f1": _share(quality.macro_f1),
            "loss": _number(quality.loss, 4),
        }
    )


def _summary_notes(evaluation: Evaluation, *, of_seeds: bool) -> Iterator[str]:
    if of_seeds:
        yield (
            "Over seeds: means, and an interval from the lowest accuracy of a seed to the highest (Wilson's 95 % where "
            "there is one seed); images count once per seed."
        )
    else:
        yield "Interval: Wilson's."
    yield (
        f"Calibration error: the mean distance of confidence and accuracy over {BINS} bins of equal width, weighted by "
        "the images in them. Loss: the mean negative log-likelihood."
    )
    if evaluation.quality.top5 is None:
        yield "Top-5 says nothing about five classes or fewer."
    if evaluation.viewed:
        yield (
            f"{evaluation.views.name}: probabilities averaged over {counted(evaluation.views.count, 'view')} of an "
            "image; classes and confusions are theirs. Noise is evaluated on the image as it is."
        )


def _classes(quality: Quality, title: str) -> Table:
    chosen, note = quality.classes, ""
    if len(chosen) > _MOST_CLASSES:
        seen = [each for each in chosen if each.count]
        chosen = tuple(sorted(seen, key=lambda each: each.f1 or 0.0)[:_WORST])
        note = f"The {len(chosen)} of {len(quality.classes):,} classes with the lowest F1."
    columns = (
        Column("class", "class", "left"),
        Column("images", "images"),
        *(Column(name.lower(), name) for name in ("precision", "recall", "F1")),
    )
    rows = (
        Row(
            {
                "class": Cell(each.name, each.name),
                "images": Cell(each.count, f"{each.count:,}"),
                "precision": _share(each.precision),
                "recall": _share(each.recall),
                "f1": _share(each.f1),
            }
        )
        for each in chosen
    )
    return Table("classes", columns, tuple(rows), title, (note,) if note else ())


def _confusion_matrix(quality: Quality) -> Table:
    names = [each.name for each in quality.classes]
    keys = [f"taken for {name}" for name in names]
    rows = []
    for name, own, counts in zip(names, keys, quality.confusion, strict=True):
        total = sum(counts)
        cells = {key: _confused(count, total, hit=key == own) for key, count in zip(keys, counts, strict=True)}
        rows.append(Row({"is": Cell(name, name), **cells}))
    columns = (Column("is", "is", "left"), *map(Column, keys, names))
    title = "Confusions: a row is what images are, a column what they were taken for"
    return Table("confusions", columns, tuple(rows), title)


def _confused(count: int, total: int, *, hit: bool) -> Cell:
    if not count:
        return Cell(0, "·", tone="dim")
    return Cell(count, f"{count:,}", tone="better" if hit else "worse" if count >= 0.1 * total else "")


def _largest_confusions(found: Sequence[tuple[str, str, int]]) -> Table:
    columns = (Column("is", "is", "left"), Column("images", "images"), Column("taken_for", "taken for", "left"))
    rows = (
        Row({"is": Cell(label, label), "images": Cell(count, f"{count:,}"), "taken_for": Cell(predicted, predicted)})
        for label, predicted, count in found
    )
    return Table("confusions", columns, tuple(rows), "Largest confusions")


def _noise(evaluated: Sequence[Named], place: int) -> Table:
    """The accuracy of each network at each level of one kind of noise."""
    curve = evaluated[0][1].noise[place]
    levels = ["none", *(f"{point.noise.level:g}" for point in curve.points[1:])]
    rows = (
        Row(
            {
                "network": Cell(name, name),
                **{
                    level: Cell(point.quality.accuracy, show_percent(point.quality.accuracy, 1))
                    for level, point in zip(levels, each.noise[place].points, strict=True)
                },
            }
        )
        for name, each in evaluated
    )
    columns = (_NETWORK, *(Column(level, level) for level in levels))
    title = f"Accuracy under {curve.kind} noise, by {LEVEL_NAMES[curve.kind]}"
    note = "Noise is drawn for each image from the seed, the same for every network, on images of 0 to 1, and clipped."
    last = place == len(evaluated[0][1].noise) - 1
    return Table("noise", columns, tuple(rows), title, (note,) if last else ())


def _intensity(evaluated: Sequence[Named]) -> Table:
    """The invariance probe: a row for each network and factor."""
    columns = (
        _NETWORK,
        *(Column(key, title) for key, title in (("factor", "by"), ("accuracy", "accuracy"), ("same", "same class"))),
        *(Column(name, name) for name in ("cosine", "length", "change")),
    )
    rows = (
        Row(
            {
                "network": Cell(name, "" if place else name),
                "factor": Cell(change.factor, f"{change.factor:g}"),
                "accuracy": _share(change.accuracy),
                "same": _share(change.agreement),
                "cosine": _number(change.cosine, 3),
                "length": _number(change.norm_ratio, 3),
                "change": _number(change.relative_change, 3),
            },
            section=name,
        )
        for name, each in evaluated
        for place, change in enumerate(each.intensity)
    )
    note = (
        "Cosine, length, change: of the features before the last layer, relative to those of the image as it is. "
        "Intensities are not clipped, and normalised as in training."
    )
    return Table("intensity", columns, tuple(rows), "When the intensity of the images is multiplied", (note,))


def _share(value: float | None) -> Cell:
    return NOTHING if value is None else Cell(value, show_percent(value))


def _number(value: float | None, digits: int) -> Cell:
    return NOTHING if value is None else Cell(value, f"{value:.{digits}f}")
