"""The parts of an experiment's page, as HTML. Every text that comes from a run is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from pure_nas.findings.caveats import caveats
from pure_nas.findings.comparisons import Comparison
from pure_nas.findings.findings import Findings
from pure_nas.findings.judged import Factor, Judged, Spread
from pure_nas.findings.results import ExperimentResults
from pure_nas.findings.rows import Row
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.report.chart import NetworkStyle
from pure_nas.report.experiment.interval_charts import accuracy_text
from pure_nas.report.html import unit_cell

Cells = Sequence[str]
_STROKES = {"solid": "none", "dash": "7 4", "dot": "2 3", "dashdot": "7 3 2 3"}


def header(results: ExperimentResults, findings: Findings) -> str:
    """The question and the key facts in big type."""
    settings = results.settings
    cards = "".join(
        f'<div class="fact"><dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        f'<dd class="small">{escape(detail)}</dd></div>'
        for name, value, detail in _key_facts(results, findings)
    )
    paper = results.file.paper.strip().replace(" %", "\u00a0%")
    reported = f'<p class="paper"><b>The paper:</b> {escape(paper)}</p>' if paper else ""
    return (
        f'<header><p class="eyebrow">pure-nas · experiment {escape(str(settings["experiment"]))} · '
        f"{escape(str(settings['scale']))}</p>"
        f'<h1 class="question">{escape(results.file.question)}</h1><p>{" · ".join(_about(results))}</p>{reported}'
        f'<dl class="facts">{cards}</dl></header>'
    )


def _about(results: ExperimentResults) -> Iterable[str]:
    settings, data = results.settings, results.settings["data"]
    size = data["image_size"]
    yield escape(f"dataset {data['name']}")
    yield f"{size} × {size} × {data['in_chans']} pixels, {len(data['classes']):,} classes"
    scored = "test" if results.file.split == "test" else "validation"
    yield f"{data['train']:,} training and {data['scored']:,} {scored} images"
    yield f"{counted(settings['epochs'], 'epoch')}, {counted(results.grid.seeds, 'seed')}"


def _key_facts(results: ExperimentResults, findings: Findings) -> Iterable[tuple[str, str, str]]:
    best = _best(findings.rows)
    if best:
        detail = best.label
        if best.diverged:
            detail += f", {best.diverged} of {counted(best.seeds, 'seed')} diverged"
        yield f"highest {results.file.split} accuracy", show_percent(best.mean or 0.0), detail
    else:
        yield f"highest {results.file.split} accuracy", "–", "no training is complete yet"
    compared = [each for each in findings.told if each.repeats is None]
    if compared:
        verdicts = [each.verdict for each in compared]
        detail = ", ".join(f"{verdict}: {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
        yield "differences shown", f"{sum(each.shown for each in compared)} of {len(compared)}", detail
    ended = results.complete + results.diverged
    diverged = f"{results.diverged} diverged" if results.diverged else "none diverged"
    yield "trainings", f"{ended} of {results.grid.trainings}", diverged
    seconds = sum(each.seconds for cell in results.grid.distinct.values() for each in results.measurements[cell.label])
    stated = f"stated: {results.stated_cost}" if results.stated_cost else "of all trainings together"
    yield "training time", show_seconds(seconds), stated


def _best(rows: Sequence[Row]) -> Row | None:
    """The network of the highest accuracy, of those with all their seeds if there are any: lost ones were the worst."""
    known = [row for row in rows if row.mean is not None]
    healthy = [row for row in known if not row.diverged]
    whole = [row for row in healthy if not row.missing]
    return max(whole or healthy or known, key=lambda row: row.mean or 0.0, default=None)


def table(titles: Cells, rows: Iterable[str], identity: str = "") -> str:
    """A table that scrolls sideways where there is no room; `rows` are HTML."""
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    name = f' class="{identity}"' if identity else ""
    return (
        f'<div class="scroll"><table{name}><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def networks(findings: Findings) -> str:
    """One row a network."""
    further = _further_columns(findings.rows)
    interval = ["95 % interval"] if any(row.told for row in findings.rows) else []
    titles = ["network", "accuracy", *interval, *further, "parameters", "FLOPs", "depth", "time a training"]
    rows = []
    for index, row in enumerate(findings.rows):
        cells = [
            f'<th scope="row">{name(row)}{_same(row.repeats)}</th>',
            _accuracy_cell(row),
            *([_interval_cell(row)] if interval else []),
            *(_share_cell(read(row.judged) if row.judged else None) for read in further.values()),
            _figure(show_number(row.params)),
            _figure(show_number(row.flops)),
            _figure(str(row.depth)),
            _figure("–" if row.seconds is None else show_seconds(row.seconds)),
        ]
        rows.append(f'<tr data-trial="{index}" tabindex="0">{"".join(cells)}</tr>')
    return table(titles, rows, "networks")


def _further_columns(rows: Sequence[Row]) -> dict[str, Callable[[Judged], Spread | None]]:
    """What networks were judged by beside the error and have one number of, by the title of its column."""
    judged = [row.judged for row in rows if row.judged]
    views = escape(next((each.views.name for each in judged if each.views), ""))
    columns: dict[str, Callable[[Judged], Spread | None]] = {
        "top-5": lambda each: each.top5,
        f"{views}, top-1": lambda each: each.views.accuracy if each.views else None,
        f"{views}, top-5": lambda each: each.views.top5 if each.views else None,
        "calibration error": lambda each: each.calibration_error,
    }
    return {title: read for title, read in columns.items() if any(read(each) for each in judged)}


def name(row: Row) -> str:
    """A network's unit and label."""
    first, blank, rest = row.label.partition(" ")
    return f'<span class="lead">{unit_cell(row.kind)} {escape(first)}</span>{blank}{escape(rest)}'


def _same(repeated: str | None) -> str:
    """What is the same as another under this label."""
    return f'<span class="sub">= {escape(repeated)}</span>' if repeated else ""


def _accuracy_cell(row: Row) -> str:
    notes = [f"{row.diverged} diverged: {'; '.join(row.reasons)}"] if row.diverged else []
    notes += [f"{row.missing} to go"] if row.missing else []
    more = "".join(f'<span class="sub">{escape(note)}</span>' for note in notes)
    return f'<td class="strong">{escape(accuracy_text(row))}{more}</td>'


def _interval_cell(row: Row) -> str:
    if row.told is None:
        return _figure("–")
    return _figure(f"{100 * row.told[0]:.2f} to {100 * row.told[1]:.2f}")


def _share_cell(spread: Spread | None) -> str:
    return _figure("–" if spread is None else show_percent(spread.mean))


def _figure(text: str) -> str:
    return f'<td class="figure">{escape(text)}</td>'


def comparisons(compared: Sequence[Comparison]) -> str:
    """One row a comparison, with its kind where they have one; empty where there are none."""
    if not compared:
        return ""
    kinds = [_kind_title(compared[0])] if compared[0].measure.kind else []
    rows = [
        f'<tr><th scope="row">{escape(each.label)}{_same(each.repeated)}<span class="sub">beside '
        f"{escape(each.reference)}</span></th>"
        f"{f'<td>{escape(each.measure.kind)}</td>' if kinds else ''}{_difference_cell(each)}"
        f"{_figure(_bounds(each))}{_figure(_p(each.p))}{_figure(_p(each.p_adjusted))}"
        f'<td class="verdict {_class(each)}">{escape(each.said)}</td></tr>'
        for each in compared
    ]
    titles = ("network", *kinds, "difference", "95 % interval", "p", "p, corrected", "verdict")
    return table(titles, rows, "comparisons")


def _kind_title(comparison: Comparison) -> str:
    return "noise" if comparison.measure.name == "noise" else "over"


def _class(comparison: Comparison) -> str:
    return "diverged" if comparison.verdict == "seeds diverged" else comparison.verdict.split()[0]


def _difference_cell(comparison: Comparison) -> str:
    more = '<span class="sub">of those that came through</span>' if comparison.of_survivors else ""
    return f'<td class="figure">{_signed(comparison.difference)}{more}</td>'


def legend(rows: Sequence[Row], looks: Mapping[str, NetworkStyle]) -> str:
    """The line of each network, for plots that stand side by side and share it."""
    entries = "".join(
        f'<span style="display:inline-block;margin:0 1.1rem .3rem 0"><svg width="28" height="10" aria-hidden="true">'
        f'<line x1="0" y1="5" x2="28" y2="5" style="stroke:var(--{look.role})" stroke-width="2.5" '
        f'stroke-opacity="{look.opacity}" stroke-dasharray="{_STROKES[look.dash]}"/></svg> {escape(look.name)}</span>'
        for row in rows
        for look in [looks[row.label]]
    )
    return f'<p class="legend">{entries}</p>'


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.2f}".replace("-", "−")


def _bounds(comparison: Comparison) -> str:
    if comparison.low is None or comparison.high is None:
        return "–"
    return f"{_signed(comparison.low)} to {_signed(comparison.high)}"


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def comparison_note(findings: Findings, *, arrows: bool) -> str:
    """What the comparisons are, and how they were corrected.

    Args:
        arrows: whether intervals go on beyond the plot.
    """
    compared = findings.told
    if not compared:
        return " ".join(caveats(findings))
    note = "Differences in points of accuracy"
    if any(each.p is not None for each in compared):
        note += ", with Welch's 95 % interval of each alone"
    if arrows:
        note += " (an arrow means the interval continues)"
    note += "."
    if findings.tests > 1:
        further = sum(each.p is not None and each.measure.name != "accuracy" for each in findings.distinct)
        others = f" ({further} of them of more than the plain accuracy)" if further else ""
        note += (
            f" {findings.tests} were tested{others}, so a verdict goes by p corrected for their number (Holm): by "
            "chance alone one or more would be shown in at most 5 % of such experiments."
        )
    if any(each.verdict == "no difference shown" for each in compared):
        note += " Where no difference is shown there may still be one: more seeds tell."
    return " ".join([note, *caveats(findings)])


def noise(findings: Findings, kinds: Sequence[str]) -> str:
    """Mean accuracy over the levels of each kind of noise, beside that without noise."""
    rows = []
    for place, row in enumerate(findings.rows):
        if row.judged is None:
            continue
        clean = next(iter(row.judged.noise.values()))[0].accuracy if row.judged.noise else None
        cells = [_share_cell(clean), *(_share_cell(row.judged.noise_accuracy.get(kind)) for kind in kinds)]
        rows.append(f'<tr data-trial="{place}"><th scope="row">{name(row)}</th>{"".join(cells)}</tr>')
    return table(("network", "no noise", *map(escape, kinds)), rows)


def intensity(findings: Findings) -> str:
    """Accuracy, agreement and cosine of the features at each factor."""
    shown = [row for row in findings.rows if row.judged and row.judged.intensity]
    factors = [point.factor for point in shown[0].judged.intensity] if shown[0].judged else []
    rows = []
    for row in shown:
        cells = "".join(
            f'<td class="figure">{show_percent(point.accuracy.mean)}'
            f'<span class="sub">{100 * point.agreement.mean:.0f} % as before{_cosine(point)}</span></td>'
            for point in (row.judged.intensity if row.judged else ())
        )
        rows.append(f'<tr><th scope="row">{name(row)}</th>{cells}</tr>')
    return table(("network", *(f"× {factor:g}" for factor in factors)), rows)


def _cosine(point: Factor) -> str:
    return "" if point.cosine is None else f", cosine {point.cosine.mean:.2f}"
