"""Whole races on the tiny images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import pure_nas
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pure_nas.report.matplotlib_chart.write_figures", lambda folder, figures: [])


@pytest.fixture(scope="session")
def options(image_folder: Path, tiny_space_file: Path) -> dict[str, Any]:
    """A race of two searches of seven trials."""
    return {
        "dataset": image_folder,
        "space": tiny_space_file,
        "study": "race",
        "trials": 7,
        "seeds": 1,
        "epochs": 3,
        "device": "cpu",
    }


def test_a_race_is_ordinary_runs_that_differ_in_what_is_compared(options: dict[str, Any], tmp_path: Path) -> None:
    race = pure_nas.race(**options, out=tmp_path)
    assert [(each.sampler, each.seed) for each in race.searches] == [("forecast", 0), ("tpe", 0)]
    ours, other = (RunDirectory.open(each.path).settings() for each in race.searches)
    differing = {key for key in ours if ours[key] != other[key]}
    assert differing == {"study", "sampler", "chosen_sampler", "early_stopping"}
    assert [each["early_stopping"] for each in (ours, other)] == [True, False]
    assert {trial.state for trial in race.of("tpe")[0].results.trials} == {"complete"}
    for search in race.searches:
        run = pure_nas.open_run(search.path)
        assert len(run.trials) == len(search.results.trials) == 7
        trained = [trial for trial in run.trials if trial.replay_of is None]
        assert search.course.paid["epochs"][-1] == sum(len(trial.curve) for trial in trained)
        assert 0 < search.course.found < 1
        assert search.seconds >= search.course.paid["time"][-1] > 0
    assert race.prices("epochs")[0] > 0

    document = json.loads((tmp_path / "race" / "race.json").read_text(encoding="utf-8"))
    assert document["verdict"] == race.verdict
    assert [each["trials"] for each in document["searches"]] == [7, 7]
    assert document["searches"][0]["front"][0].keys() == {"trial", "error", "flops"}
    with (tmp_path / "race" / "race.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["search"] for row in rows] == ["forecast", "tpe"]
    assert float(rows[1]["time_ratio"]) == 1
    page = (tmp_path / "race" / "report.html").read_text(encoding="utf-8")
    assert race.verdict in page


def test_a_race_that_was_interrupted_resumes_and_ends_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    whole = pure_nas.race(**options, out=tmp_path / "whole")
    ended: list[TrialRecord] = []

    def interrupt(trial: TrialRecord) -> None:
        ended.append(trial)
        if len(ended) == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pure_nas.race(**options, out=tmp_path / "cut", on_trial=interrupt)
    assert len(pure_nas.open_run(tmp_path / "cut" / "race" / "tpe-0").trials) == 3
    resumed = pure_nas.race(**options, out=tmp_path / "cut", on_trial=ended.append)
    assert len(ended) == 14
    for before, after in zip(whole.searches, resumed.searches, strict=True):
        assert before.course.volume == after.course.volume
        assert before.course.paid["work"] == after.course.paid["work"]
    # One of the runs may go on by itself, and more seeds may follow: what is compared stays the same.
    more = pure_nas.search(
        options["dataset"],
        options["space"],
        out=tmp_path / "cut" / "race",
        study="forecast-0",
        sampler="forecast",
        trials=10,
        confirm=0.2,
        epochs=3,
        device="cpu",
    )
    assert len(more.trials) > 7
    again = pure_nas.race(**{**options, "seeds": 2}, out=tmp_path / "cut")
    assert [len(each.results.trials) for each in again.searches] == [7, 7, 7, 7]
    assert again.searches[0].course.volume == whole.searches[0].course.volume
    assert again.searches[0].best_error == whole.searches[0].best_error


def test_a_time_bounds_each_search(options: dict[str, Any], tmp_path: Path) -> None:
    race = pure_nas.race(**{**options, "trials": None, "time": 2.0, "epochs": 1}, against="random", out=tmp_path)
    assert all(0 < search.seconds <= 2 for search in race.searches)
    assert race.against == "random"


def test_a_trial_that_the_log_lacks_ended_after_its_training(options: dict[str, Any], tmp_path: Path) -> None:
    race = pure_nas.race(**options, out=tmp_path)
    for search in race.searches:
        (search.path / "log.jsonl").unlink()
    read = pure_nas.race(**options, out=tmp_path)
    for search in read.searches:
        seconds = [trial.seconds for trial in search.results.trials]
        assert search.seconds == pytest.approx(sum(seconds))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": None}, "what one search may cost"),
        ({"time": "1h"}, "what one search may cost"),
        ({"study": "a/b"}, "has a slash"),
        ({"workers": 5}, "With a lag of 4 trials, 5 workers"),
    ],
)
def test_what_makes_no_race_is_refused_and_leaves_nothing(
    options: dict[str, Any], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(pure_nas.UsageError, match=message):
        pure_nas.race(**{**options, **changes}, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_something_else_is_left_alone(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "race").mkdir()
    (tmp_path / "race" / "run.toml").write_text("")
    with pytest.raises(pure_nas.RunError, match="holds files, but no race"):
        pure_nas.race(**options, out=tmp_path)
    assert [path.name for path in (tmp_path / "race").iterdir()] == ["run.toml"]
