"""Runs of earlier versions stay readable: those in tests/data/runs were written by version 0.1.0 before plans."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from heard import Heard

import pure_nas
from pure_nas.findings.findings import findings_of
from pure_nas.plans.budget import Budget
from pure_nas.plans.retrain import Retrain, select_trials
from pure_nas.plans.search.session import opened, prepare
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.report import write_report
from pure_nas.run.directory import RunDirectory
from pure_nas.run.retrained import load_retraining
from pure_nas.run.search_results import load_results
from pure_nas.run.weights import read_weights
from pure_nas.space.search_space import SearchSpace
from pure_nas.training.training import Training

RUNS = Path(__file__).parent.parent / "data" / "runs"
SPACE = """
summary = "tiny networks, for a test"
run = { trials = 4, epochs = 2, batch_size = 64 }
[architecture]
base_width = 2
blocks_per_stage = { low = 1, high = 2 }
units = { choices = ["conv", "product"], per = "layer" }
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.open(Path(shutil.copytree(RUNS / "search", tmp_path / "search")))


def test_a_search_is_read_and_reported(run: RunDirectory) -> None:
    assert 10 < Budget(run=run).seconds < 600  # from its log
    results = load_results(run)
    assert [trial.state for trial in results.trials] == ["complete"] * 4
    assert all(read_weights(run.trial(trial.number).weights)[0] for trial in results.complete)
    retraining = load_retraining(run)
    assert retraining is not None
    assert all(len(row.test_accuracy) == 2 for row in retraining.rows)
    written = write_report(run)
    assert all(path.stat().st_size for path in written)


def test_a_search_goes_on(run: RunDirectory) -> None:
    before = load_results(run).trials
    settings = SearchSettings(
        study="search",
        dataset="digits",
        space_name="tiny",
        space=SearchSpace.from_toml(SPACE),
        trials=5,
        sampler="tpe",
        baselines=False,
        device="cpu",
    )
    with opened(prepare(settings), run.path.parent) as search:
        assert search.driver.go(search.plan, Heard()) == "all 5 trials are done"
    assert load_results(run).trials[:4] == before


def test_a_retraining_goes_on(run: RunDirectory) -> None:
    heard = Heard()
    trials = select_trials(load_results(run), "knee")
    options = {"epochs": 2, "device": "cpu", "data_dir": None}
    before = load_retraining(run)
    assert before is not None
    assert Retrain(run, trials, seeds=2, **options).go(heard).rows == before.rows  # type: ignore[arg-type]
    assert heard.trained == []


def test_the_command_of_an_experiment_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was `pure-nas experiment grid.toml --out runs/experiment --device cpu`, see environment.json."""
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(RUNS / "experiment", "runs/experiment"))
    monkeypatch.setattr(Training, "run_epoch", lambda self: pytest.fail("it was trained again"))
    file = Path(shutil.copy(folder / "experiment.toml", "grid.toml"))
    found = pure_nas.experiment(file, out="runs/experiment", device="cpu")
    assert found.path == folder
    assert [len(row.accuracies) for row in findings_of(found.results).rows] == [2, 2]
    assert [path.name for path in Path("runs").iterdir()] == ["experiment"]
