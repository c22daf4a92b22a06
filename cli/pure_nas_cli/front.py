"""The front of a run as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from pure_nas.report.next_steps import next_steps
from pure_nas.report.retraining import came_through, interval_text, score_document
from pure_nas.report.wording import NOISE_ERROR
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import COST_TOLERANCE, ERROR_TOLERANCE, Results, TrialRecord
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import get_unit, unit_names
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.plain_tables import bare_table
from pure_nas_cli.quantities import show_bytes, show_cost, show_count, show_percent, show_seconds

PRODUCT_COLOUR, CONV_COLOUR = "dark_orange", "dodger_blue1"

_ROOMY = 100
"""Columns of a terminal that holds everything of a front with two costs."""


def placement(architecture: Architecture) -> Text:
    """Which residual layer holds which unit: a sign a layer, a group a stage."""
    text = Text()
    for index, stage in enumerate(architecture.units):
        if index:
            text.append(" ")
        for unit in map(get_unit, stage):
            text.append(unit.sign, CONV_COLOUR if unit.block_kind == "conv" else PRODUCT_COLOUR)
    return text


def _key(results: Results) -> str:
    """What the signs of the front's networks mean."""
    occurring = {name for trial in results.front for name in trial.candidate.architecture.unit_set}
    units = [get_unit(name) for name in unit_names() if name in occurring]
    return ", ".join([*(f"{unit.sign} {unit.title}" for unit in units), "a group a stage."])


def describe_trial(record: TrialRecord) -> Text:
    """The trial in a few words: its baseline label or its placement."""
    shown = placement(record.candidate.architecture)
    return Text.assemble(shown, "  ", (record.baseline, "dim")) if record.baseline else shown


def print_front(results: Results, retraining: Retraining | None = None) -> None:
    """Print the front, with the test accuracy of what was retrained, and what its columns mean."""
    tested = {
        trial.number: row for trial in results.front if retraining and (row := retraining.row_of(trial.candidate))
    }
    networks = show_count(len(results.groups), "network")
    stdout.print(f"Front: {networks}, hypervolume {results.hypervolume:.4f}", style="italic")
    narrow = stdout.width < _ROOMY
    # Where there is no room for both, test accuracies say more than errors of baselines.
    units = [] if tested and narrow else _compared_units(results)
    brief = narrow and (len(results.objective_names) > 2 or bool(tested))
    stdout.print(_table(results, tested, units, brief=brief))
    stdout.print(_notes(results, tested, units), style="dim")


def _label(name: str) -> str:
    """An objective's name for people: only files write noise_error."""
    return name.replace("_", " ")


def _table(results: Results, tested: Mapping[int, Row], units: Sequence[str], *, brief: bool) -> Table:
    """The front, lowest error first, beside the best baselines that cost no more; brief: without depth and width."""
    costs = results.objective_names[1:]
    table = bare_table()
    names = ["trial", "error", *map(_label, costs), *(["params"] if "params" not in costs else [])]
    names += [] if brief else ["depth", "width"]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    longest = max(len(stage) for group in results.groups for stage in group[0].candidate.architecture.units)
    table.add_column("placement", min_width=max(longest, len("placement")))
    for unit in units:
        table.add_column(f"best {unit}", justify="right", min_width=len("12.34 %"))
    if tested:
        table.add_column("test accuracy", justify="right", no_wrap=True)
    for group in results.groups:
        score = [_score(tested.get(group[0].number))] if tested else []
        table.add_row(*_row(results, group, units, brief=brief), *score)
    return table


def _compared_units(results: Results) -> list[str]:
    return sorted({unit for trial in results.front for unit in results.baselines_within(trial)})


def _row(results: Results, group: tuple[TrialRecord, ...], units: Sequence[str], *, brief: bool) -> list[str | Text]:
    trial = group[0]
    architecture = trial.candidate.architecture
    costs = results.objective_names[1:]
    number = str(trial.number) + ("b" if trial.baseline else "") + (f" +{len(group) - 1}" if len(group) > 1 else "")
    row: list[str | Text] = [number, show_percent(trial.error)]
    row += [show_cost(name, value) for name, value in zip(costs, trial.objectives[1:], strict=True)]
    if "params" not in costs:
        row.append(show_cost("params", trial.cost.get("params", 0)))
    row += [] if brief else [str(architecture.depth), str(architecture.base_width)]
    row.append(placement(architecture))
    within = results.baselines_within(trial)
    row += [show_percent(within[unit].error) if unit in within else "-" for unit in units]
    return row


def _score(row: Row | None) -> str:
    """The mean test accuracy, its interval on a line of its own, and how many seeds diverged."""
    if row is None:
        return "-"
    lines = [show_percent(row.mean)] if row.test_accuracy else []
    lines += [interval_text(row)] if row.interval else []
    lines += [came_through(row)] if row.diverged else []
    return "\n".join(lines)


def _notes(results: Results, tested: Mapping[int, Row], units: Sequence[str]) -> str:
    corner = ", ".join(
        f"{_label(name)} {show_percent(worst) if name == 'error' else show_cost(name, worst)}"
        for name, worst in zip(results.objective_names, results.reference, strict=True)
    )
    notes = [_key(results)]
    if "noise_error" in results.objective_names:
        notes.append(NOISE_ERROR)
    if any(trial.baseline for trial in results.front):
        notes.append("b: a baseline.")
    if any(len(group) > 1 for group in results.groups):
        tolerances = f"{ERROR_TOLERANCE * 100:g} points of error and {COST_TOLERANCE:.0%} of cost"
        notes.append(f"+N: N more trials within {tolerances}.")
    columns = ", ".join(f"best {unit}" for unit in units)
    if columns:
        notes.append(f"B{columns[1:]}: the most accurate baseline that costs no more.")
    if tested:
        notes.append("Test accuracy: mean over the seeds of retraining, and its 95 % interval.")
    to_do = ": only pure-nas retrain can tell whether a network beats another"
    left = to_do if len(tested) < len(results.front) else ""
    notes.append(f"Errors are of single runs on the validation split{left}.")
    notes.append(f"Hypervolume: the share of the box up to {corner}.")
    return " ".join(notes)


def summary_line(results: Results) -> str:
    """How many trials ended in which way, how long they took, and what their weights occupy."""
    states = [record.state for record in results.trials]
    replays = sum(record.replay_of is not None for record in results.trials)
    parts = [show_count(sum(record.counts for record in results.trials), "trial")]
    parts += [f"{states.count(state)} {state}" for state in ("diverged", "failed", "rejected") if state in states]
    parts += [f"{replays} repeated"] if replays else []
    parts.append(f"training time {show_seconds(sum(record.seconds for record in results.trials))}")
    parts.append(f"weights {show_bytes(sum(record.weights_bytes for record in results.trials))}")
    return ", ".join(parts)


def weights_of(trials: Sequence[TrialRecord]) -> str:
    """Whose weights, for messages: "The weights of trials 3, 7"."""
    numbers = ", ".join(str(trial.number) for trial in trials)
    return f"The weights of {'trial' if len(trials) == 1 else 'trials'} {numbers}"


def front_document(results: Results, run: RunDirectory, retraining: Retraining | None = None) -> str:
    """The front as JSON."""
    rows = [retraining.row_of(trial.candidate) if retraining else None for trial in results.front]
    return json.dumps(
        {
            "schema": 1,
            "run": str(run.path),
            "trials": sum(record.counts for record in results.trials),
            "hypervolume": results.hypervolume,
            "reference": dict(zip(results.objective_names, results.reference, strict=True)),
            "front": [
                {
                    "trial": group[0].number,
                    "twins": [record.number for record in group[1:]],
                    "baseline": group[0].baseline,
                    "objectives": dict(zip(results.objective_names, group[0].objectives, strict=True)),
                    "cost": group[0].cost,
                    "test": score_document(row) if row else None,
                    "architecture": json.loads(group[0].candidate.architecture.to_json()),
                    "recipe": json.loads(group[0].candidate.recipe.to_json()),
                }
                for group, row in zip(results.groups, rows, strict=True)
            ],
        },
        indent=2,
    )


def print_next_steps(results: Results, run: RunDirectory, retraining: Retraining | None) -> None:
    """Print the commands that go on from the front."""
    row = retraining.row_of(results.knee.candidate) if retraining else None
    front = [trial.number for trial in results.front]
    steps = next_steps(str(run.path), front, retraining, knee_retrained=row is not None and bool(row.test_accuracy))
    for index, step in enumerate(steps):
        stderr.print(f"{'      ' if index else 'next: '}{step.command}", soft_wrap=True)
