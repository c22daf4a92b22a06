"""front.json and front.csv."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from made_up_runs import start_run

from pure_nas.architecture import Architecture
from pure_nas.candidate import Candidate
from pure_nas.recipe import Recipe
from pure_nas.report.data import ReportData
from pure_nas.report.tables import front_csv, front_json, write_tables
from pure_nas.run_directory import RunDirectory


def test_front_json_holds_what_builds_and_trains_each_network(run: RunDirectory, data: ReportData) -> None:
    content = json.loads(front_json(data))
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
    lines = list(csv.DictReader(front_csv(data).splitlines()))
    assert [int(line["trial"]) for line in lines] == [row.number for row in data.front]
    first, row = lines[0], data.front[0]
    assert float(first["error"]) == row.objectives["error"]
    assert float(first["params"]) == row.cost["params"]
    assert tuple(tuple(stage.split()) for stage in first["placement"].split("|")) == row.units
    assert float(first["learning_rate_exponents"]) == row.recipe["learning_rate"]["exponents"]


def test_front_csv_has_a_column_for_each_setting(data: ReportData) -> None:
    first, second = data.front[:2]
    settings = {"exponent_cap": None, "zero_gamma": True, "threshold_init": (None, -2.25)}
    rows = (replace(first, settings=settings), replace(second, settings={"zero_gamma": False}))
    lines = list(csv.DictReader(front_csv(replace(data, front=rows)).splitlines()))
    assert [[line[name] for name in settings] for line in lines] == [["none", "True", "- | -2.25"], ["", "False", ""]]


def test_test_accuracies_of_retrained_networks_are_in_both_files(data: ReportData) -> None:
    entries = json.loads(front_json(data))["front"]
    lines = list(csv.DictReader(front_csv(data).splitlines()))
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
    assert "test_accuracy" not in front_csv(replace(data, front=rows))


def test_tables_of_an_empty_front_are_valid(tmp_path: Path) -> None:
    json_path, csv_path = write_tables(start_run(tmp_path / "run"))
    assert json.loads(json_path.read_text())["front"] == []
    assert csv_path.read_text() == "trial,error,flops\n"
