"""`noise_error` as an objective: alone or with others, resumed, with workers, in one's own study."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from searches import Settings, results_of, run_search

from pure_nas.plans.search.settings import objective_values
from pure_nas.report import write_report
from pure_nas.run.directory import RunDirectory

NAMES = ("error", "noise_error", "params")


@pytest.fixture(scope="module")
def searched(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of three trials; not to be changed."""
    out = tmp_path_factory.mktemp("noise")
    run_search(tiny(objectives=NAMES), out)
    return out


def test_values_come_from_metrics_and_costs() -> None:
    metrics, cost = {"error": 0.2, "noise_error": 0.3}, {"params": 7, "latency_ms": 1.5}
    assert objective_values(("error", "latency", "noise_error", "params"), metrics, cost) == (0.2, 1.5, 0.3, 7)


def test_every_trial_has_it_and_chance_is_the_reference(searched: Path) -> None:
    results = results_of(searched)
    assert results.objective_names == NAMES
    assert results.reference[:2] == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    for trial in results.complete:
        assert 0 <= trial.objectives[1] <= 1
        assert trial.objectives[1] == trial.metrics["noise_error"]
    assert len({trial.objectives[1] for trial in results.complete}) > 1


def test_the_report_shows_it(searched: Path) -> None:
    run = RunDirectory.open(searched / "study")
    write_report(run)
    front = results_of(searched).front
    written = json.loads((run.path / "front.json").read_text(encoding="utf-8"))
    assert written["front"][0]["objectives"]["noise_error"] == front[0].objectives[1]
    with (run.path / "front.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["noise_error"]) for row in rows] == [trial.objectives[1] for trial in front]
    assert (run.figures / "front-noise_error.svg").exists()
    assert "error under noise" in run.report_path.read_text(encoding="utf-8")
