"""Evaluations of networks as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pure_nas.analysis.statistics import mcnemar
from pure_nas.evaluation.evaluation import Evaluation
from pure_nas.evaluation.noise import LEVEL_NAMES, NoiseKind
from pure_nas.evaluation.quality import BINS, Quality
from pure_nas.report.notes import notes
from pure_nas.report.paired import Pair, paired_table
from pure_nas.report.table import NETWORK, Cell, Column, Row, Table, interval_text, number, share

Named = tuple[str, Evaluation]  # a network's name, and what was found of it

_MOST_CLASSES = 30  # classes that are all listed; of more, those that fare worst
_MOST_COLUMNS = 12  # classes whose confusions are shown as a matrix
_WORST = 10


def evaluation_tables(evaluated: Sequence[Named], subject: str) -> Iterator[Table]:
    """Every table that there is something for; classes and confusions of the first network only."""
    name, first = evaluated[0]
    yield _summary(evaluated, subject)
    if compared := paired_with_first(evaluated):
        yield compared
    quality = first.viewed or first.quality
    yield _classes(quality, f"Classes of {name}" if len(evaluated) > 1 else "Classes")
    if len(quality.classes) <= _MOST_COLUMNS:
        yield _confusion_matrix(quality)
    elif found := quality.largest_confusions(_WORST):
        yield _largest_confusions(found)
    for kind in first.noise:
        yield _noise(evaluated, kind)
    if first.intensity:
        yield _intensity(evaluated)


def paired_with_first(evaluated: Sequence[Named]) -> Table | None:
    """The first network against each other, image by image; None where they, or the first, are of several seeds."""
    name, first = evaluated[0]
    pairs = [
        Pair(name, other, mcnemar(first.hits, found.hits))
        for other, found in evaluated[1:]
        if first.hits is not None and found.hits is not None
    ]
    return paired_table(pairs, "Image by image") if pairs else None


def _summary(evaluated: Sequence[Named], subject: str) -> Table:
    of_seeds = any(each.quality.accuracies for _, each in evaluated)
    columns = (
        NETWORK,
        Column("accuracy", "accuracy"),
        Column("interval", "interval" if of_seeds else "95 % interval", files=False),
        Column("top5", "top-5"),
        Column("calibration_error", "calibration error"),
        Column("macro_f1", "macro F1", detail=1),
        Column("loss", "loss", detail=1),
    )
    lines: list[list[Cell | str]] = []
    for name, each in evaluated:
        lines.append([name, *_figures(each.quality)])
        if each.viewed:
            views = Cell(f"{name}, {each.views.name}", f"  {each.views.name}", tone="dim")
            lines.append([views, *_figures(each.viewed)])
    return Table.of("evaluation", columns, lines, subject, notes("evaluation", evaluated[0][1], of_seeds, BINS))


def _figures(quality: Quality) -> list[Cell]:
    shares = (quality.top5, quality.calibration_error, quality.macro_f1)
    interval = interval_text(quality.interval)
    return [share(quality.accuracy), Cell(text=interval), *map(share, shares), number(quality.loss, 4)]


def _classes(quality: Quality, title: str) -> Table:
    chosen, note = quality.classes, ""
    if len(chosen) > _MOST_CLASSES:
        seen = [each for each in chosen if each.count]
        chosen = tuple(sorted(seen, key=lambda each: each.f1 or 0.0)[:_WORST])
        note = f"The {len(chosen)} of {len(quality.classes):,} classes with the lowest F1."
    columns = (Column("class", "class", "left"), *_columns("images", "precision", "recall", "F1"))
    lines = ([each.name, each.count, *map(share, (each.precision, each.recall, each.f1))] for each in chosen)
    return Table.of("classes", columns, lines, title, (note,) if note else ())


def _confusion_matrix(quality: Quality) -> Table:
    names = [each.name for each in quality.classes]
    columns = (Column("is", "class", "left"), *(Column(f"taken for {name}", name) for name in names))
    lines = (
        [name, *(_confused(count, sum(row), hit=place == other) for other, count in enumerate(row))]
        for place, (name, row) in enumerate(zip(names, quality.confusion, strict=True))
    )
    title = "Confusions: one row per true class, one column per predicted class"
    return Table.of("confusions", columns, lines, title)


def _confused(count: int, total: int, *, hit: bool) -> Cell:
    if not count:
        return Cell(0, "·", tone="dim")
    return Cell(count, f"{count:,}", tone="better" if hit else "worse" if count >= 0.1 * total else "")


def _largest_confusions(found: Sequence[tuple[str, str, int]]) -> Table:
    columns = (Column("is", "class", "left"), *_columns("images"), Column("taken_for", "predicted", "left"))
    lines = ((label, count, predicted) for label, predicted, count in found)
    return Table.of("confusions", columns, lines, "Largest confusions")


def _noise(evaluated: Sequence[Named], kind: NoiseKind) -> Table:
    first = evaluated[0][1].noise
    columns = (NETWORK, *_columns("none", *(f"{point.noise.level:g}" for point in first[kind][1:])))
    lines = ([name, *(share(point.quality.accuracy, 1) for point in each.noise[kind])] for name, each in evaluated)
    title = f"Accuracy under {kind} noise, by {LEVEL_NAMES[kind]}"
    return Table.of("noise", columns, lines, title, notes("noise_levels") if kind == list(first)[-1] else ())


def _intensity(evaluated: Sequence[Named]) -> Table:
    columns = (NETWORK, *_columns("by", "accuracy", "same class", "cosine", "length", "change"))
    rows = []
    for name, each in evaluated:
        for place, change in enumerate(each.intensity):
            cells = [
                Cell(name, "" if place else name),
                Cell(change.factor, f"{change.factor:g}"),
                *map(share, (change.accuracy, change.agreement)),
                *(number(value, 3) for value in (change.cosine, change.norm_ratio, change.relative_change)),
            ]
            rows.append(Row.of(columns, cells, section=name))
    title = "Accuracy and features when image intensity is multiplied"
    return Table("intensity", columns, tuple(rows), title, notes("invariance"))


def _columns(*titles: str) -> tuple[Column, ...]:
    return tuple(Column(title, title) for title in titles)
