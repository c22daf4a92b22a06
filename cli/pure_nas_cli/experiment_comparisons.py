"""The comparisons of an experiment as tables for a terminal: grouped by what they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.table import Table
from rich.text import Text

from pure_nas.analysis.convergence import TimesFewer
from pure_nas.findings.caveats import caveats
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.judged import MeasureName
from pure_nas_cli.plain_tables import plain_table

_STYLES = {"better": "green", "worse": "red", "seeds diverged": "yellow"}


def comparison_tables(compared: Sequence[Comparison]) -> Iterator[Table]:
    """Comparisons by accuracy, the widest table first: with intervals, with their reach, and without p as well."""
    yield _table(compared, brief=False)
    yield _table(compared, brief=True)
    yield _table(compared, brief=True, p=False)


def _table(compared: Sequence[Comparison], *, brief: bool, p: bool = True) -> Table:
    middle = ["difference ±"] if brief else ["difference", "95 % interval"]
    table = plain_table("compared", *middle, *(["p"] if p else []), "so", words=("so",))
    for reference, group in _by_reference(compared):
        table.add_row(Text(f"vs {reference}", "dim"))
        for each in group:
            difference = [_difference(each) + _reach(each)] if brief else [_difference(each), _interval(each)]
            verdict = Text(each.said, _STYLES.get(each.verdict, ""))
            table.add_row(_name(each), *difference, *([_p_value(each)] if p else []), verdict)
    return table


def _name(comparison: Comparison) -> Text:
    """The network, and what it is the same as."""
    return Text(f"  {comparison.label}").append(f" = {comparison.repeated}" if comparison.repeated else "", "dim")


def _by_reference(compared: Iterable[Comparison]) -> Iterable[tuple[str, list[Comparison]]]:
    groups: dict[str, list[Comparison]] = {}
    for each in compared:
        groups.setdefault(each.reference, []).append(each)
    return groups.items()


def _difference(comparison: Comparison) -> str:
    """In points; in brackets where it is only of the seeds that came through."""
    if comparison.difference is None:
        return ""
    text = f"{100 * comparison.difference:+.2f}"
    return f"({text})" if comparison.of_survivors else text


def _interval(comparison: Comparison) -> str:
    if comparison.low is None or comparison.high is None:
        return ""
    return f"{100 * comparison.low:+.2f} to {100 * comparison.high:+.2f}"


def _reach(comparison: Comparison) -> str:
    """How far the interval reaches to its longer side; the other may end where differences do."""
    if comparison.difference is None or comparison.low is None or comparison.high is None:
        return ""
    reach = max(comparison.difference - comparison.low, comparison.high - comparison.difference)
    return f" ± {100 * reach:.2f}" if reach < 1 else " ± >100"


def _p_value(comparison: Comparison) -> str:
    if comparison.p_adjusted is None:
        return ""
    return "< 0.001" if comparison.p_adjusted < 0.001 else f"{comparison.p_adjusted:.3f}"


def further_differences(findings: Findings, name: MeasureName) -> Table | None:
    """The differences by another measure in brief, a column a kind; None where there are none."""
    compared = findings.compared_by(name)
    if not compared:
        return None
    kinds = list(dict.fromkeys(each.measure.kind for each in compared))
    table = plain_table("difference", *(kind or "changed intensities" for kind in kinds))
    for reference, group in _by_reference(compared):
        table.add_row(Text(f"vs {reference}", "dim"))
        by_label: dict[str, list[Comparison]] = {}
        for each in group:
            by_label.setdefault(each.label, []).append(each)
        for alike in by_label.values():
            cells = {each.measure.kind: _marked(each) for each in alike}
            table.add_row(_name(alike[0]), *(cells.get(kind, "") for kind in kinds))
    return table


def _marked(comparison: Comparison) -> Text:
    """A difference; starred where the corrected test shows it."""
    star = " *" if comparison.shown else "  "
    return Text(_difference(comparison) + star, _STYLES.get(comparison.verdict, ""))


def speed_tables(compared: Sequence[Comparison]) -> Iterator[Table]:
    """How soon networks learn beside others, at the highest accuracy of each pair: with the spread, and without."""
    yield _speeds(compared, brief=False)
    yield _speeds(compared, brief=True)


def _speeds(compared: Sequence[Comparison], *, brief: bool) -> Table:
    table = plain_table("compared", "to", "epochs", "fewer epochs", "fewer seconds")
    for reference, group in _by_reference(each for each in compared if each.speeds):
        table.add_row(Text(f"vs {reference}", "dim"))
        for each in group:
            speed = each.speeds[-1]
            ratios = (_ratio(ratio, brief=brief) for ratio in (speed.epochs, speed.seconds))
            table.add_row(_name(each), f"{100 * speed.target:g} %", speed.against, *ratios)
    return table


def _ratio(found: TimesFewer | None, *, brief: bool) -> str:
    if found is None:
        return "-"
    return f"{found.mean:.2f}" + ("" if brief else f" ({found.low:.2f} to {found.high:.2f})")


def comparison_notes(findings: Findings) -> str:
    """What the differences are, how they were corrected, and what limits them."""
    notes = ["Differences in points of accuracy, with Welch's 95 % intervals."] if findings.told else []
    if findings.tests > 1:
        notes.append(f"p is corrected for the {findings.tests} tests of the experiment (Holm).")
    if any(each.shown and each.measure.name != "accuracy" for each in findings.comparisons):
        notes.append("*: shown by the corrected p.")
    if any(each.of_survivors for each in findings.comparisons):
        notes.append("( ): of the seeds that came through.")
    return " ".join([*notes, *caveats(findings)])
