"""What a reader of an experiment's numbers has to know, in sentences, as far as it concerns them."""

from __future__ import annotations

from collections.abc import Iterator

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.findings.findings import FEW_SEEDS, Findings

_MOST_PAIRS = 4
"""Pairs of networks that a sentence names."""


def network_notes(findings: Findings) -> Iterator[str]:
    """How networks were trained and scored, and what their means and intervals are."""
    if findings.split == "validation":
        yield "Trained on the training images and scored on the validation split, as suits a question of choosing."
    else:
        how = (
            "the training images"
            if findings.results.file.validation_curve
            else "training and validation images together"
        )
        yield f"Trained on {how} and scored once, after the last epoch, on the test split."
    if any(row.std is not None for row in findings.rows):
        yield "Mean ± standard deviation over seeds."
    if any(row.spread_interval for row in findings.rows):
        yield "Interval: Student's, of the mean."
        if any(row.mean is not None and not row.spread_interval for row in findings.rows):
            yield "No interval: one seed, or identical results."


def comparison_notes(findings: Findings) -> Iterator[str]:
    """What the comparisons are, how they were corrected, and what limits them; nothing where there are none."""
    if not findings.comparisons:
        return
    compared = findings.testable
    tested = [each for each in findings.distinct if each.p is not None]
    if compared:
        interval = ", with Welch's 95 % interval of each alone" if tested else ""
        yield f"Differences in points of accuracy{interval}."
    if any(each.of_survivors for each in compared):
        yield "In brackets: of the seeds that came through."
    if findings.tests > 1:
        further = sum(each.measure.name != "accuracy" for each in tested)
        others = f" ({further} of them of more than the plain accuracy)" if further else ""
        yield (
            f"{findings.tests} were tested{others}, so a verdict goes by p corrected for their number (Holm): by "
            "chance alone one or more would be shown in at most 5 % of such experiments."
        )
    if any(each.verdict == "no difference shown" for each in compared):
        yield "Where no difference is shown there may still be one: more seeds tell."
    yield from caveats(findings)


def caveats(findings: Findings) -> Iterator[str]:
    """One sentence for each thing that limits what the intervals and comparisons say."""
    compared = findings.comparisons
    if findings.one_seed:
        yield ONE_SEED
        return
    if untested := list(dict.fromkeys(f"{each.label} with {each.reference}" for each in compared if each.untested)):
        more = f" and {len(untested) - _MOST_PAIRS} more" if len(untested) > _MOST_PAIRS else ""
        yield f"With one seed on a side nothing can be compared: {'; '.join(untested[:_MOST_PAIRS])}{more}."
    if any(each.is_weak for each in compared):
        yield (
            f"Comparisons with fewer than {FEW_SEEDS} seeds a side can hardly show anything: only a huge difference "
            "passes."
        )
    if any(each.verdict == "seeds diverged" for each in compared):
        yield (
            "Where seeds diverged nothing is tested: a difference is then of those that came through, and flatters "
            "the side that lost some."
        )
    if any(row.interval and not row.spread_interval for row in findings.rows) or any(
        each.p is None and each.verdict in ("no difference shown", "no spread to judge by") for each in compared
    ):
        yield "Where all seeds gave the same value there is no spread, so no interval and no test."
    if len(findings.distinct) < len(compared):
        yield "Comparisons of the same two networks under other labels are one test."


def evaluated_on(findings: Findings) -> str:
    """How many images all but the accuracy is of; empty where there is nothing else."""
    images = next((row.evaluation.images for row in findings.rows if row.evaluation), None)
    if images is None:
        return ""
    scored, split = findings.results.settings["data"]["scored"], findings.split
    if images == scored:
        return f"Evaluated, like the accuracy, on all {scored:,} {split} images."
    return f"Evaluated on {images:,} of the {scored:,} {split} images, drawn once for all networks."


def convergence_notes(findings: Findings) -> Iterator[str]:
    """What the table of convergence holds, and the accuracies that were asked for and reached by no network."""
    found = [each for row in findings.rows for each in row.convergence]
    if any(len(each.epochs) > 1 for each in found):
        yield "Means over seeds."
    if any(each.missed and each.epochs for each in found):
        yield "1 of 3: where not every seed got there, the mean is of those that did."
    by_target = list(zip(*(row.convergence for row in findings.rows), strict=True))
    missed = [
        f"{100 * each[0].target:g}"
        for each in by_target
        if any(network.missed for network in each) and not any(network.epochs for network in each)
    ]
    if missed:
        so_far = " so far" if any(row.missing for row in findings.rows) else ""
        listed = " or ".join(filter(None, (", ".join(missed[:-1]), missed[-1])))
        yield f"No network reached {listed} %{so_far}."
