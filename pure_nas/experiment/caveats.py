"""What a reader of an experiment's numbers has to know, as far as it concerns them."""

from __future__ import annotations

from collections.abc import Iterator

from pure_nas.experiment.compared import FEW_SEEDS
from pure_nas.experiment.findings import Findings


def caveats(findings: Findings) -> Iterator[str]:
    """One sentence for each thing that limits what the intervals and comparisons say."""
    compared = findings.comparisons
    if any(each.is_weak for each in compared):
        yield (
            f"Comparisons with fewer than {FEW_SEEDS} seeds a side can hardly show anything: with 2 only a huge "
            "difference passes, with 1 none is tested."
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
