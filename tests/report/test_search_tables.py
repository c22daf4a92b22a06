"""The tables of a search: its front and what was retrained on a terminal of any width; its JSON and CSV files."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import make_run, start_run
from pure_nas_cli.terminal_table import print_table
from rich.console import Console

from pure_nas.evaluation.noise import NOISE_MIXTURE
from pure_nas.files import append_line
from pure_nas.report import write_report
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.notes import notes
from pure_nas.report.retraining_tables import retrained_table
from pure_nas.report.search_tables import curves_table, front_document, front_table, trials_table
from pure_nas.report.table import Table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.retrained import Retraining, Row
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe

ROW = Row(trial=7, variant="trial", params=10, flops=100, test_accuracy=(0.78,), epochs=2, seeds=(1,))


def printed(table: Table, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_of(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_noise_in_words_is_the_noise_that_is_measured() -> None:
    (noise_error,) = notes("noise_error")
    levels = [100 * each.level if each.kind == "salt-and-pepper" else each.level for each in NOISE_MIXTURE]
    numbers = re.findall(r"\d+(?:\.\d+)?", noise_error)
    assert numbers == [*(f"{level:g}" for level in levels), "0", "1"]
    kinds = list(dict.fromkeys(each.kind for each in NOISE_MIXTURE))
    assert re.findall("|".join(kinds), noise_error.lower()) == kinds


def test_a_narrow_terminal_leaves_columns_out_and_says_which(data: ReportData) -> None:
    table = front_table(data)
    wide, narrow = printed(table, 200), printed(table, 80)
    assert "Not shown" not in wide
    assert all(len(line) <= 80 for line in narrow.splitlines())
    assert "Not shown, for lack of room: depth, width" in " ".join(narrow.split())
    for row in data.front:
        for text in (wide, narrow):
            assert f"{100 * row.objectives['error']:.2f} %" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_number_that_is_shown_is_cut(data: ReportData, width: int) -> None:
    table = front_table(replace(data, retraining=Retraining()))
    shown = set(re.findall(r"[\d.]+ %", printed(table, width)))
    assert {f"{100 * row.objectives['error']:.2f} %" for row in data.front} <= shown


@pytest.mark.parametrize(
    ("rows", "title", "shown"),
    [
        ([ROW], "Test accuracy of 1 seed, 2 epochs", [r"7  trial +78\.00 %"]),
        (
            [replace(ROW, test_accuracy=(0.77, 0.79), seeds=(1, 2))],
            "Test accuracy, mean ± standard deviation of 2 seeds, 2 epochs",
            [r"7  trial +78\.00 ± 1\.41 %"],
        ),
        (
            [replace(ROW, diverged=2, seeds=(1, 2, 3))],
            "Test accuracy, mean ± standard deviation of 3 seeds, 2 epochs",
            [r" 78\.00 % .*\n +2 of 3 seeds diverged"],
        ),
        (
            [ROW, replace(ROW, epochs=40, seeds=(1, 2), test_accuracy=(0.8, 0.9))],
            "Test accuracy, mean ± standard deviation of several seeds",
            [r"7  trial +2 +1 +78\.00 %", r"7  trial +40 +2 +85\.00 ± 7\.07 %"],
        ),
    ],
)
def test_only_several_seeds_have_a_spread_and_rows_of_other_epochs_and_seeds_say_so(
    rows: list[Row], title: str, shown: list[str]
) -> None:
    head, _, text = printed(retrained_table(Retraining(rows=tuple(rows)), {})).partition("\n")
    assert head == title
    for pattern in shown:
        assert re.search(pattern, text)


def test_front_json_holds_what_builds_and_trains_each_network(run: RunDirectory, data: ReportData) -> None:
    content = front_document(data)
    assert content["schema"] == 1
    assert content["objectives"] == ["error", "flops"]
    assert "pure-nas retrain" in content["comparison"]
    for entry, row in zip(content["front"], data.front, strict=True):
        candidate = Candidate(
            Architecture.from_json(json.dumps(entry["architecture"])), Recipe.from_json(json.dumps(entry["recipe"]))
        )
        assert candidate == run.trial(row.number).candidate()
        assert entry["objectives"] == row.objectives


def test_front_csv_has_one_line_a_network(data: ReportData) -> None:
    lines = lines_of(front_table(data).csv())
    assert [int(line["trial"]) for line in lines] == [row.number for row in data.front]
    first, row = lines[0], data.front[0]
    assert float(first["error"]) == row.objectives["error"]
    assert float(first["params"]) == row.trial.cost["params"]
    assert tuple(tuple(stage.split()) for stage in first["placement"].split("|")) == row.architecture.units
    assert float(first["learning_rate_exponents"]) == row.trial.candidate.recipe.learning_rate.exponents


def test_trials_csv_has_every_trial_with_its_outcome_and_recipe(run: RunDirectory, data: ReportData) -> None:
    lines = {int(line["trial"]): line for line in lines_of(trials_table(data).csv())}
    assert list(lines) == list(range(30))
    for number, line in lines.items():
        trial, result = run.trial(number), run.trial(number).result()
        assert result is not None
        candidate = trial.candidate()
        assert line["state"] == result["state"]
        assert line["reason"] == result["reason"]
        assert float(line["seconds"]) == result["seconds"]
        assert tuple(tuple(stage.split()) for stage in line["placement"].split("|")) == candidate.architecture.units
        assert float(line["learning_rate_conv"]) == candidate.recipe.learning_rate.conv
        assert line["weight_decay_schedule_exponents"] == candidate.recipe.weight_decay.exponents.schedule
        assert int(line["epochs"]) == candidate.recipe.epochs == 12
        if result["state"] == "complete":
            assert (float(line["error"]), float(line["flops"])) == tuple(result["objectives"].values())
            assert float(line["params"]) == result["cost"]["params"]
        else:
            assert (line["error"], line["flops"]) == ("", "")
    assert [number for number, line in lines.items() if line["on_front"] == "True"] == sorted(
        row.number for row in data.front
    )
    assert lines[12]["state"] == "diverged"


def test_curves_csv_has_every_epoch_of_every_trial(run: RunDirectory, data: ReportData) -> None:
    lines = lines_of(curves_table(data).csv())
    with_curves = [trial.number for trial in run.trials() if trial.curve()]
    assert [(int(line["trial"]), int(line["epoch"])) for line in lines] == [
        (number, epoch) for number in with_curves for epoch in range(1, 13)
    ]
    record = run.trial(with_curves[1]).curve()[-1]
    line = lines[23]
    assert float(line["validation_accuracy"]) == 1 - record["validation_error"]
    assert float(line["training_accuracy"]) == record["train_accuracy"]
    assert float(line["validation_loss"]) == record["validation_loss"]
    assert float(line["seconds"]) == record["seconds"]


def test_a_repeated_trial_has_the_curve_that_it_repeats_and_missing_values_are_empty(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=2, epochs=2)
    result = run.trial(0).result()
    assert result is not None
    run.trial(2).write_candidate(run.trial(0).candidate())
    run.trial(2).write_result({**result, "replay_of": 0})
    append_line(run.trial(0).metrics, {"epoch": 3, "validation_error": None, "validation_loss": None})
    lines = lines_of(curves_table(report_data(run)).csv())
    own, repeated = ([line for line in lines if line["trial"] == number] for number in ("0", "2"))
    assert [{**line, "trial": ""} for line in own] == [{**line, "trial": ""} for line in repeated]
    assert len(own) == 3
    assert own[2]["validation_accuracy"] == own[2]["training_loss"] == ""


def test_front_csv_has_a_column_for_each_setting(data: ReportData) -> None:
    first, second = data.front[:2]
    settings = {"exponent_cap": None, "zero_gamma": True, "threshold_init": (None, -2.25)}
    rows = (replace(first, settings=settings), replace(second, settings={"zero_gamma": False}))
    lines = lines_of(front_table(replace(data, front=rows)).csv())
    assert [[line[name] for name in settings] for line in lines] == [["none", "True", "- | -2.25"], ["", "False", ""]]


def test_test_accuracies_of_retrained_networks_are_in_both_files(data: ReportData) -> None:
    entries = front_document(data)["front"]
    lines = lines_of(front_table(data).csv())
    assert [entry["test"] is not None for entry in entries] == [row.retrained is not None for row in data.front]
    for row, entry, line in zip(data.front, entries, lines, strict=True):
        if row.retrained is None:
            assert line["test_accuracy"] == ""
            continue
        assert entry["test"]["accuracy"] == float(line["test_accuracy"]) == row.retrained.mean
        assert entry["test"]["accuracies"] == list(row.retrained.test_accuracy)
        low, high = float(line["test_accuracy_low"]), float(line["test_accuracy_high"])
        assert entry["test"]["interval"] == [low, high] == list(row.retrained.interval or ())
        assert (line["test_seeds"], line["test_diverged"], line["test_epochs"]) == ("3", "0", "60")


def test_without_retraining_there_are_no_columns_for_it(data: ReportData) -> None:
    rows = tuple(replace(row, retrained=None) for row in data.front)
    assert "test_accuracy" not in front_table(replace(data, front=rows)).csv()


def test_tables_of_an_empty_front_are_valid(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    paths = {path.name: path for path in write_report(run)}
    assert json.loads(paths["front.json"].read_text())["front"] == []
    assert paths["front.csv"].read_text() == "trial,error,flops\n"
    assert paths["trials.csv"].read_text() == "trial,state,error,flops\n"
    assert paths["curves.csv"].read_text().startswith("trial,epoch,training_accuracy,validation_accuracy,")
