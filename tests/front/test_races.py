"""Whole searches against each other: what has ended is not run again, and wrong stops are counted."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
import torch

import pure_nas
from benchmarks.contestants import Finished, Trained
from benchmarks.document import Document
from benchmarks.front import race, wrong_stops
from benchmarks.plain_search import KEPT, ONE_EPOCH, most_promising
from pure_nas.analysis.course import Box
from pure_nas.errors import PureNasError
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.toml_tables import UNSEARCHED_RECIPE

SMALL = Candidate(Architecture(units=(("conv",),), base_width=2), UNSEARCHED_RECIPE)


class Once:
    """A contestant that may run once."""

    name = "once"

    def __init__(self, error: float, ended: float) -> None:
        self._trained, self.runs = Trained(SMALL, 10, error, ended), 0

    def run(self, folder: Path) -> Finished:
        self.runs += 1
        (folder / "output.txt").write_text("")
        return Finished(self._trained.ended, 1.0, 1.0, [self._trained], 1)


def test_a_race_goes_on_with_what_has_not_ended(tmp_path: Path) -> None:
    contestant = Once(0.5, 20.0)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "output.txt").write_text("of a run that was killed")
    found = [race._searched(contestant, tmp_path / "a") for _ in range(2)]
    assert contestant.runs == 1
    assert found[0] == found[1]
    assert found[0][1] == 20.0


def test_a_race_says_what_each_paid_and_its_lowest_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = {
        race.REFERENCE: [race._searched(Once(0.4, 100.0), tmp_path / "a")[0]],
        race.OURS: [race._searched(Once(0.4, 10.0), tmp_path / "b")[0]],
    }
    document = Document("front.race", torch.device("cpu"), {})
    race._show(document, "digits", found, Box(0.9, 10.0, 1e6))
    document.write(tmp_path / "race.json")
    reference, ours = json.loads((tmp_path / "race.json").read_text())["rows"]
    assert ours["time_ratio"] == pytest.approx(0.1)
    assert (ours["lowest_33%"], reference["lowest_33%"], reference["lowest_100%"]) == (0.4, 1.0, 0.4)
    assert "met: time to equal hypervolume" in capsys.readouterr().out


def test_one_epoch_for_many_goes_on_with_those_that_fewest_beat() -> None:
    study = optuna.create_study(directions=["minimize"] * 2)
    for number in range(ONE_EPOCH):
        trial = study.ask()
        trial.suggest_int("x", number, number)
        trial.set_user_attr("early", (number / 100, 1.0))
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    assert most_promising(study) == [{"x": number} for number in range(KEPT)]


@pytest.mark.slow
def test_stops_of_a_search_are_checked_by_training_them_to_their_end(tmp_path: Path) -> None:
    pure_nas.search("digits", trials=24, epochs=4, workers=1, study="run", out=tmp_path)
    run = tmp_path / "run"
    wrong_stops.main([run], dataset="digits", processes=1, json_file=tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert found[0]["stopped"] == found[-1]["stopped"] > 0
    assert found[0]["wrong"] <= found[0]["stopped"]
    settings = run / "run.toml"
    settings.write_text(settings.read_text().replace("seed = 0\n", "seed = 1\n"))
    with pytest.raises(PureNasError, match="trains otherwise here"):
        wrong_stops.main([run], dataset="digits", processes=1)
