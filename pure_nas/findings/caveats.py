"""What a reader of an experiment's numbers has to know, as far as it concerns them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.findings.comparisons import FEW_SEEDS, Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.results import ExperimentResults

_MOST_PAIRS = 4
"""Pairs of networks that a sentence names."""


def caveats(findings: Findings) -> Iterator[str]:
    """One sentence for each thing that limits what the intervals and comparisons say."""
    compared = findings.comparisons
    if findings.one_seed:
        yield ONE_SEED
        return
    untested = [each for each in compared if each.untested]
    if untested:
        yield _of_one_seed(untested)
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
    if any(row.interval and not row.told for row in findings.rows) or any(
        each.p is None
        and not each.diverged
        and not each.reference_diverged
        and min(each.seeds, each.reference_seeds) > 1
        for each in compared
    ):
        yield "Where all seeds gave the same value there is no spread, so no interval and no test."
    if len(findings.distinct) < len(compared):
        yield "Comparisons of the same two networks under other labels are one test."


def _of_one_seed(untested: Sequence[Comparison]) -> str:
    """Which networks could not be compared because a side has a single seed."""
    pairs = list(dict.fromkeys(f"{each.label} with {each.reference}" for each in untested))
    more = f" and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
    return f"With one seed on a side nothing can be compared: {'; '.join(pairs[:_MOST_PAIRS])}{more}."


def judged_on(results: ExperimentResults, findings: Findings) -> str:
    """On how many images networks were judged beside the accuracy, as a sentence; empty where they were not."""
    images = next((row.judged.images for row in findings.rows if row.judged), None)
    if images is None:
        return ""
    scored, split = results.settings["data"]["scored"], results.file.split
    if images == scored:
        return f"All else that networks were judged by is, like the accuracy, of all {scored:,} {split} images."
    return (
        f"The accuracy is of all {scored:,} {split} images; all else that networks were judged by is of {images:,} of "
        "them, drawn once for all."
    )


def includes_plain(findings: Findings) -> str:
    """What differences under noise and at changed intensities are; empty where there are none."""
    if not findings.compared_by("noise") and not findings.compared_by("intensity"):
        return ""
    return (
        "Differences under noise and at changed intensities are of the accuracies there: what networks differ by on "
        "the images as they are is part of them."
    )


def unreached(findings: Findings) -> str:
    """The accuracies that were asked for and reached by no network, as a sentence; empty where there are none."""
    by_target = list(zip(*(row.convergence for row in findings.rows), strict=True))
    missed = [
        f"{100 * each[0].target:g}"
        for each in by_target
        if any(found.missed for found in each) and not any(found.epochs for found in each)
    ]
    if not missed:
        return ""
    so_far = " so far" if any(row.missing for row in findings.rows) else ""
    return f"No network reached {_listed(missed)} %{so_far}."


def _listed(words: Sequence[str]) -> str:
    """Separated by commas, and "or" before the last."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
