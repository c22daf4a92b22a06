"""What marks of an experiment's plots say."""

from __future__ import annotations

from html import escape

from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.rows import Row
from pure_nas.quantities import counted, show_number, show_seconds


def hover(row: Row) -> str:
    """What a mark says of a network, as Plotly's HTML."""
    lines = [f"<b>{escape(row.label)}</b>", f"{accuracy_text(row)}"]
    if row.told:
        lines.append(f"95 % interval {100 * row.told[0]:.2f} to {100 * row.told[1]:.2f} %")
    lines.append(f"{show_number(row.params)} parameters, {show_number(row.flops)} FLOPs, depth {row.depth}")
    if row.seconds is not None:
        lines.append(f"{show_seconds(row.seconds)} a training")
    return "<br>".join(lines)


def accuracy_text(row: Row) -> str:
    """Mean and standard deviation, and how many seeds there are."""
    if row.mean is None:
        return "no seed came through" if row.diverged else "not trained yet"
    spread = f" ± {100 * row.std:.2f}" if row.std is not None else ""
    return f"{100 * row.mean:.2f}{spread} % over {counted(len(row.accuracies), 'seed')}"


def compared_text(comparison: Comparison) -> str:
    """The two that are compared."""
    return f"{comparison.label} − {comparison.reference}"


def difference_text(comparison: Comparison) -> str:
    """The difference, its interval and what follows."""
    if comparison.difference is None:
        return comparison.said
    text = f"{100 * comparison.difference:+.2f} points".replace("-", "−")
    if comparison.of_survivors:
        text += " over the seeds that came through"
    if comparison.low is not None and comparison.high is not None:
        bounds = f"{100 * comparison.low:+.2f} to {100 * comparison.high:+.2f}".replace("-", "−")
        text += f", 95 % interval {bounds}"
    return f"{text}: {comparison.said}"
