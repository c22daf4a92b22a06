"""front.json, front.csv, trials.csv and curves.csv."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from made_up_runs import make_run, start_run

from pure_nas.files import append_line
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.front_table import front_table
from pure_nas.report.search_files import curves_csv, front_document, write_data_files
from pure_nas.run.directory import RunDirectory
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe


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
    lines = list(csv.DictReader(front_table(data).csv().splitlines()))
    assert [int(line["trial"]) for line in lines] == [row.number for row in data.front]
    first, row = lines[0], data.front[0]
    assert float(first["error"]) == row.objectives["error"]
    assert float(first["params"]) == row.trial.cost["params"]
    assert tuple(tuple(stage.split()) for stage in first["placement"].split("|")) == row.architecture.units
    assert float(first["learning_rate_exponents"]) == row.trial.candidate.recipe.learning_rate.exponents


def test_trials_csv_has_every_trial_with_its_outcome_and_recipe(run: RunDirectory, data: ReportData) -> None:
    write_data_files(run, data)
    with (run.path / "trials.csv").open(encoding="utf-8", newline="") as file:
        lines = {int(line["trial"]): line for line in csv.DictReader(file)}
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


def test_curves_csv_has_every_epoch_of_every_trial_under_the_names_of_an_experiment(
    run: RunDirectory, data: ReportData, tmp_path: Path
) -> None:
    lines = list(csv.DictReader(curves_csv(data).splitlines()))
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
    lines = list(csv.DictReader(curves_csv(report_data(run)).splitlines()))
    own, repeated = ([line for line in lines if line["trial"] == number] for number in ("0", "2"))
    assert [{**line, "trial": ""} for line in own] == [{**line, "trial": ""} for line in repeated]
    assert len(own) == 3
    assert own[2]["validation_accuracy"] == own[2]["training_loss"] == ""


def test_front_csv_has_a_column_for_each_setting(data: ReportData) -> None:
    first, second = data.front[:2]
    settings = {"exponent_cap": None, "zero_gamma": True, "threshold_init": (None, -2.25)}
    rows = (replace(first, settings=settings), replace(second, settings={"zero_gamma": False}))
    lines = list(csv.DictReader(front_table(replace(data, front=rows)).csv().splitlines()))
    assert [[line[name] for name in settings] for line in lines] == [["none", "True", "- | -2.25"], ["", "False", ""]]


def test_test_accuracies_of_retrained_networks_are_in_both_files(data: ReportData) -> None:
    entries = front_document(data)["front"]
    lines = list(csv.DictReader(front_table(data).csv().splitlines()))
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
    paths = {path.name: path for path in write_data_files(run, report_data(run))}
    assert json.loads(paths["front.json"].read_text())["front"] == []
    assert paths["front.csv"].read_text() == "trial,error,flops\n"
    assert paths["trials.csv"].read_text() == "trial,state,error,flops\n"
    assert paths["curves.csv"].read_text().startswith("trial,epoch,training_accuracy,validation_accuracy,")
