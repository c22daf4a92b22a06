"""The parts of the page, as HTML. Every text that comes from a run is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.report import wording
from pure_nas.report.converged import Learner, convergence_table
from pure_nas.report.data import Facts, Incomplete, ReportData
from pure_nas.report.front_rows import FrontRow, Versus, caution
from pure_nas.report.next_steps import next_steps
from pure_nas.report.palette import style_of
from pure_nas.report.retraining import came_through, group_labels, interval_text, seeds_text, variant_kind
from pure_nas.report.summaries import product_share
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.unit import get_unit

MAX_INCOMPLETE = 200
_TESTED = "Test accuracy is the mean over the seeds of retraining, with its 95 % interval."
_TAG_MEANINGS = {
    "best": "the lowest error",
    "knee": "where more cost starts to buy little accuracy",
    "smallest": "the lowest cost",
}


def section(identity: str, title: str, body: str, note: str = "") -> str:
    """A titled part; `note` is HTML."""
    text = f'<p class="note">{note}</p>' if note else ""
    return f'<section id="{identity}"><h2>{escape(title)}</h2>{text}{body}</section>'


def on_screen(text: str) -> str:
    """A part of a note that says what can be done on a screen, which paper leaves out."""
    return f'<span class="screen">{text}</span>'


def plot(identity: str, description: str, style: str = "") -> str:
    """The element that a plot fills; `style` is CSS."""
    styled = f' style="{escape(style)}"' if style else ""
    return f'<div class="plot" id="{escape(identity)}"{styled} role="img" aria-label="{escape(description)}"></div>'


def header(data: ReportData) -> str:
    """Title and the key facts in big type."""
    cards = "".join(
        f'<div class="fact"><dt>{escape(name)}</dt><dd>{escape(value)}</dd>'
        f'<dd class="small">{escape(detail)}</dd></div>'
        for name, value, detail in _key_facts(data)
    )
    about = " · ".join(escape(part) for part in _about(data.facts))
    return (
        '<header><p class="eyebrow">pure-nas · search report</p>'
        f'<h1>{escape(data.facts.study)}</h1><p>{about}</p><dl class="facts">{cards}</dl></header>'
    )


def _about(facts: Facts) -> Iterable[str]:
    if facts.dataset:
        yield f"dataset {facts.dataset}"
    if facts.n_classes:
        yield f"{facts.n_classes:,} classes"
    if facts.image_size:
        yield f"{facts.image_size} × {facts.image_size} × {facts.in_chans or '?'} pixels"
    if facts.train_images and facts.validation_images:
        yield f"{facts.train_images:,} training and {facts.validation_images:,} validation images"
    if facts.space:
        yield f"space {facts.space}"


def _best_text(data: ReportData) -> str:
    row = next(row for row in data.front if "best" in row.tags)
    return f"trial {row.number}: {row.baseline or row.kind}, {row.depth} layers, {row.base_width} channels"


def _key_facts(data: ReportData) -> Iterable[tuple[str, str, str]]:
    facts = data.facts
    if facts.best_error is None:
        yield "lowest validation error", "–", "no trial is complete yet"
    else:
        yield "lowest validation error", wording.percent(facts.best_error), _best_text(data)
    complete = facts.states.get("complete", 0)
    yield "networks on the front", str(facts.front_size), f"of {wording.counted(complete, 'complete trial')}"
    box = ", ".join(
        f"error {value:g}" if name == "error" else f"{wording.cost_label(name)} {wording.cost(name, value)}"
        for name, value in facts.reference.items()
    )
    yield "hypervolume", f"{facts.hypervolume:.3f}", f"share of the box up to {box}"
    weights = f"; weights take {wording.size(facts.weights_bytes)}" if facts.weights_bytes else ""
    yield "training time", wording.duration(facts.seconds), f"{trial_counts(facts)}{weights}"


def trial_counts(facts: Facts) -> str:
    """How many trials ended how."""
    parts = [f"{number:,} {state}" for state, number in sorted(facts.states.items())]
    if facts.unfinished:
        parts.append(f"{facts.unfinished:,} unfinished")
    asked = f" ({facts.asked:,} asked for)" if facts.asked else ""
    return (", ".join(parts) or "no trials") + asked


def unit_key(kinds: Iterable[str]) -> str:
    """The legend of cells."""
    units = [get_unit(kind) for kind in kinds]
    texts = [f"{unit.title} ({'multiplies' if unit.multiplies else 'adds'})" for unit in units]
    items = "".join(f"<li>{_cell(unit.name)} {escape(text)}</li>" for unit, text in zip(units, texts, strict=True))
    return f'<ul class="key">{items}</ul>'


def _cell(unit: str) -> str:
    style = style_of(unit)
    return f'<i class="cell {style.role}" title="{escape(unit)}">{escape(style.glyph)}</i>'


def strip(units: Sequence[Sequence[str]]) -> str:
    """Cells of all layers in one line, stages set apart."""
    stages = ("".join(_cell(name) for name in stage) for stage in units)
    return '<span class="strip">' + "".join(f'<span class="stage">{cells}</span>' for cells in stages) + "</span>"


def front_table(data: ReportData) -> str:
    """One row for each network of the front."""
    names = [view.name for view in data.costs]
    shown = [*names, *(["params"] if "params" not in names and data.front else [])]
    baseline_units = sorted({versus.unit for row in data.front for versus in row.versus})
    tested = any(row.retrained for row in data.front)
    titles = [
        "trial",
        "error",
        *(["test accuracy"] if tested else []),
        *map(wording.cost_label, shown),
        "depth",
        "width",
        "placement",
    ]
    titles += [f"vs. {unit} baseline" for unit in baseline_units]
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    rows = "".join(_front_row(row, shown, baseline_units, tested=tested) for row in data.front)
    return f'<div class="scroll"><table class="front"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _front_row(row: FrontRow, costs: Sequence[str], baseline_units: Sequence[str], *, tested: bool) -> str:
    tags = "".join(f'<span class="tag" title="{_TAG_MEANINGS[tag]}">{tag}</span>' for tag in row.tags)
    baseline = f'<span class="sub">{escape(row.baseline)}</span>' if row.baseline else ""
    values = {**row.cost, **row.objectives}
    by_unit = {versus.unit: versus for versus in row.versus}
    twins = f'<span class="sub">{_twins_text(row)}</span>' if row.twins else ""
    cells = [
        f'<th scope="row"><a class="number" href="#trial-{row.number}">{row.number}</a>{tags}{baseline}{twins}</th>',
        f'<td class="figure strong">{wording.percent(row.objectives["error"])}</td>',
        *([_test_accuracy(row.retrained)] if tested else []),
        *(
            f'<td class="figure">{escape(wording.cost(name, values[name])) if name in values else "–"}</td>'
            for name in costs
        ),
        f'<td class="figure">{row.depth}</td>',
        f'<td class="figure">{row.base_width}</td>',
        f"<td>{strip(row.units)}</td>",
        *(_versus(by_unit.get(unit), row, unit) for unit in baseline_units),
    ]
    tip = escape(row.recipe_text)
    return f'<tr id="trial-{row.number}" data-trial="{row.number}" tabindex="0" title="{tip}">{"".join(cells)}</tr>'


def _test_accuracy(row: Row | None) -> str:
    if row is None:
        return '<td><span class="sub">not retrained</span></td>'
    mean = wording.percent(row.mean) if row.test_accuracy else "–"
    detail = ", ".join(filter(None, (interval_text(row), came_through(row))))
    return f'<td class="figure strong">{mean}<span class="sub">{detail}</span></td>'


def recipes(data: ReportData) -> str:
    """How each network of the front was trained, and its settings."""
    pairs = [(f"trial {row.number}", row.recipe_text) for row in data.front]
    return details("Recipes and settings of these networks", pairs)


def _twins_text(row: FrontRow) -> str:
    others = [number for number in row.twins if number not in row.repeats]
    parts = [f"twins {wording.numbers(others)}"] if others else []
    parts += [f"repeated by {wording.numbers(row.repeats)}"] if row.repeats else []
    return "; ".join(parts)


def _versus(versus: Versus | None, row: FrontRow, unit: str) -> str:
    if versus is None:
        text = "is the baseline" if row.baseline.startswith(f"{unit} ") else "none as cheap"
        return f'<td><span class="sub">{text}</span></td>'
    images = "" if versus.images is None else f"{versus.images:+d} images; ".replace("-", "−")
    detail = f"{images}trial {versus.number}: {wording.percent(versus.error)}"
    return f'<td title="{escape(versus.label)}">{escape(versus.text)}<span class="sub">{detail}</span></td>'


def comparison_note(data: ReportData) -> str:
    """What the comparison columns mean, and what they do not; what twins are, where there are some."""
    compared = (
        "Differences in error to the most accurate baseline that costs no more; a minus means fewer errors. "
        f"{escape(caution(data.front))}"
    )
    twins = any(set(row.twins) - set(row.repeats) for row in data.front)
    parts = [compared] if any(row.versus for row in data.front) else []
    parts += ["Twins are other trials with the same error and cost, within the tolerances."] if twins else []
    parts += [_TESTED] if any(row.retrained for row in data.front) else []
    return " ".join(parts)


def placement_chart(data: ReportData) -> str:
    """A grid with a row for each network of the front, its stages under each other."""
    n_stages = max(len(row.units) for row in data.front)
    head = "".join(f'<th scope="col">stage {stage + 1}</th>' for stage in range(n_stages))
    body = "".join(
        f'<tr data-trial="{row.number}"><th scope="row">{row.number}</th>'
        f'<td class="figure">{wording.percent(row.objectives["error"])}</td>'
        + "".join(
            f"<td>{strip([row.units[stage]]) if stage < len(row.units) else ''}</td>" for stage in range(n_stages)
        )
        + f'<td class="figure">{_share_text([name for stage in row.units for name in stage])}</td></tr>'
        for row in data.front
    )
    totals = "".join(
        f"<td>{_share_text([name for row in data.front if stage < len(row.units) for name in row.units[stage]])}</td>"
        for stage in range(n_stages)
    )
    foot = f'<tr><th scope="row" colspan="2">product share</th>{totals}<td></td></tr>'
    titles = f'<tr><th scope="col">trial</th><th scope="col">error</th>{head}<th scope="col">product</th></tr>'
    kinds = sorted({name for row in data.front for stage in row.units for name in stage})
    grid = f'<table class="placement"><thead>{titles}</thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>'
    shares = plot("share", "Validation error over the share of product layers")
    return f'{unit_key(kinds)}<div class="beside"><div class="scroll">{grid}</div><div>{shares}</div></div>'


def _share_text(names: Sequence[str]) -> str:
    return f"{100 * product_share(names):.0f} %" if names else ""


def retrained(data: ReportData, retraining: Retraining) -> str:
    """Verdicts, plot and table of the retrained networks."""
    verdicts = "".join(
        f"<li><b>Trial {verdict.trial}</b>: {escape(verdict.text)}</li>" for verdict in retraining.verdicts
    )
    compared = f"<p>{ONE_SEED}</p>" if retraining.one_seed else f'<ul class="verdicts">{verdicts}</ul>'
    kinds = {point.number: point.kind for point in data.points}
    differ = retraining.epochs_differ
    rows = "".join(
        f'<tr><th scope="row">{row.trial}</th>{_figure(f"{row.epochs:,}") if differ else ""}'
        f"<td>{_cell(variant_kind(row, kinds))} {escape(row.variant)}</td>"
        f'<td class="figure strong">{escape(seeds_text(row))}</td>'
        f'<td class="figure">{wording.count(row.params)}</td><td class="figure">{wording.count(row.flops)}</td></tr>'
        for row in retraining.rows
    )
    titles = ("trial", *(["epochs"] if differ else []), "network", "test accuracy", "parameters", "FLOPs")
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return (
        f"{compared}{plot('retrained', 'Test accuracy of retrained networks')}{table}"
        f"{_retrained_convergence(retraining, kinds)}"
    )


def _figure(text: str) -> str:
    return f'<td class="figure">{text}</td>'


def _retrained_convergence(retraining: Retraining, kinds: dict[int, str]) -> str:
    labels = dict(zip(retraining.groups, group_labels(retraining), strict=True))
    learners = [
        Learner(f"{labels[row.trial, row.epochs]}, {row.variant}", variant_kind(row, kinds), row.convergence)
        for row in retraining.rows
    ]
    found = convergence_table(learners)
    title = "Epochs until the training accuracy first reached a value"
    return f"<details><summary>{title}</summary>{found}</details>" if found else ""


def learned(data: ReportData) -> str:
    """When the networks of the learning curves first reached an accuracy."""
    found = convergence_table(
        [
            Learner(
                f"trial {curve.number}{f': {curve.baseline}' if curve.baseline else ''}",
                curve.kind,
                curve.convergence,
                curve.number,
            )
            for curve in data.curves
        ]
    )
    title = "Epochs until the validation accuracy first reached a value"
    return f"<details><summary>{title}</summary>{found}</details>" if found else ""


def incomplete(trials: Sequence[Incomplete]) -> str:
    """Trials that diverged, failed or were rejected, with reasons."""
    rows = "".join(
        f'<tr><th scope="row">{trial.number}</th><td>{escape(trial.state)}</td><td>{escape(trial.reason)}</td>'
        f"<td>{escape(trial.placement)}</td></tr>"
        for trial in trials[:MAX_INCOMPLETE]
    )
    more = len(trials) - MAX_INCOMPLETE
    rest = f'<p class="note">{more:,} more are in trials.csv.</p>' if more > 0 else ""
    head = "".join(f'<th scope="col">{title}</th>' for title in ("trial", "state", "reason", "placement"))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{rest}'


def steps(data: ReportData) -> str:
    """Commands that go on from here."""
    knee = next((row.retrained for row in data.front if "knee" in row.tags), None)
    found = next_steps(
        data.path,
        [row.number for row in data.front],
        data.retraining,
        knee_retrained=knee is not None and bool(knee.test_accuracy),
    )
    items = "".join(f"<li>{escape(step.text)}<pre><code>{escape(step.command)}</code></pre></li>" for step in found)
    return f'<ul class="steps">{items}</ul>'


def details(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A collapsible table of names and values."""
    rows = "".join(f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in pairs)
    body = f'<div class="scroll"><table class="pairs"><tbody>{rows}</tbody></table></div>'
    return f"<details><summary>{escape(title)}</summary>{body}</details>" if pairs else ""
