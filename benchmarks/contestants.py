"""Searches as processes of their own: pure-nas of this or another revision, and the plain script."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import optuna
from optuna.trial import FixedTrial

from benchmarks.processes import ROOT, environment_of, run_timed
from pure_nas.analysis import pareto
from pure_nas.cost.layers import cost_of
from pure_nas.files import read_json_lines
from pure_nas.plans.search.study import SearchStudy
from pure_nas.run.directory import RunDirectory
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace


@dataclass(frozen=True)
class Trained:
    """A candidate that a search trained.

    Attributes:
        epochs: how many it was trained for.
        error: validation error at the end; None where it stopped early or diverged.
        ended: seconds from the start of the process.
    """

    candidate: Candidate
    epochs: int
    error: float | None
    ended: float

    @property
    def flops(self) -> int:
        """Of one image, by the closed form."""
        return cost_of(self.candidate.architecture).flops

    @property
    def work(self) -> float:
        """Flops of an image times epochs."""
        return float(self.flops * self.epochs)


@dataclass(frozen=True)
class Finished:
    """A search that ran to its end.

    Attributes:
        seconds: from start to exit of the process.
        searching: from the start of the first trial to the end of the last one.
        cpu_seconds: of the process and all that it started.
        trained: what it trained; repeats that were copied are left out.
        trials: how many it was asked for.
    """

    seconds: float
    searching: float
    cpu_seconds: float
    trained: Sequence[Trained]
    trials: int

    @property
    def trials_per_hour(self) -> float:
        """Of all it was asked for."""
        return self.trials / self.seconds * 3600

    @property
    def work(self) -> float:
        """Flops of an image times epochs, of all trials together."""
        return sum(each.work for each in self.trained)

    @property
    def rate(self) -> float:
        """Work a second of the whole process."""
        return self.work / self.seconds

    @property
    def rate_searching(self) -> float:
        """Work a second while trials run."""
        return self.work / self.searching

    def hypervolume(self, reference: tuple[float, float]) -> float:
        """Share of the box up to `reference` = (error, flops) that the front dominates."""
        values = [(each.error, float(each.flops)) for each in self.trained if each.error is not None]
        return pareto.hypervolume(values, reference) / (reference[0] * reference[1])

    @property
    def best_error(self) -> float:
        """The lowest validation error; 1 where nothing was trained to its end."""
        return min((each.error for each in self.trained if each.error is not None), default=1.0)


class Contestant(Protocol):
    """A way to search."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    def run(self, folder: Path) -> Finished:
        """Search in a process of its own; `folder` is new and may be filled."""


@dataclass(frozen=True)
class PureNas:
    """`pure-nas search`, started as from a shell.

    Attributes:
        options: further options of the command.
        checkout: the source tree whose code runs.
        threads: OMP_NUM_THREADS; None leaves it to PyTorch.
    """

    name: str
    dataset: str
    trials: int
    options: tuple[str, ...] = ()
    checkout: Path = ROOT
    threads: int | None = None

    def run(self, folder: Path) -> Finished:
        """Search; the run lies in `folder / "run"`.

        Raises:
            PureNasError: it failed, or it imported another checkout's code.
        """
        environment = environment_of(self.checkout, self.threads)
        command = [sys.executable, "-m", "pure_nas_cli.main", "search", "--dataset", self.dataset]
        command += ["--trials", str(self.trials), "--study", "run", "--out", str(folder), *self.options]
        began = datetime.now(UTC)
        seconds, cpu = run_timed(command, folder, environment)
        run = RunDirectory.open(folder / "run")
        return Finished(seconds, _searching(run), cpu, _trained_in(run, began), self.trials)


@dataclass(frozen=True)
class PlainScript:
    """`benchmarks.plain_search`: Optuna and PyTorch alone.

    Attributes:
        images: the .npz file with the images.
        replay: JSON file of parameters to try instead of suggestions.
        threads: OMP_NUM_THREADS; None leaves it to PyTorch.
    """

    name: str
    images: Path
    space: SearchSpace
    space_name: str
    trials: int
    replay: Path | None = None
    options: tuple[str, ...] = ()
    threads: int | None = None

    def run(self, folder: Path) -> Finished:
        """Search.

        Raises:
            PureNasError: it failed.
        """
        epochs = self.space.run.epochs
        command = [sys.executable, "-m", "benchmarks.plain_search", str(self.images), str(folder / "plain")]
        command += ["--space", self.space_name, "--trials", str(self.trials), "--epochs", str(epochs), *self.options]
        command += ["--replay", str(self.replay)] if self.replay else []
        began = datetime.now()
        seconds, cpu = run_timed(command, folder, environment_of(ROOT, self.threads))
        trials = json.loads((folder / "plain" / "trials.json").read_text(encoding="utf-8"))
        trained = [
            Trained(
                self.space.suggest(FixedTrial(each["params"])),
                each["epochs"],
                (each["values"] or [None])[0],
                (datetime.fromisoformat(each["ended"]) - began).total_seconds(),
            )
            for each in trials
        ]
        begun, ended = (datetime.fromisoformat(trials[place][key]) for place, key in ((0, "begun"), (-1, "ended")))
        return Finished(seconds, (ended - begun).total_seconds(), cpu, trained, self.trials)


def _searching(run: RunDirectory) -> float:
    events = [record for record in read_json_lines(run.path / "log.jsonl") if record["event"].startswith("trial ")]
    begun, ended = (datetime.fromisoformat(events[place]["time"]) for place in (0, -1))
    return (ended - begun).total_seconds()


def _trained_in(run: RunDirectory, began: datetime) -> list[Trained]:
    events = read_json_lines(run.path / "log.jsonl")
    ended = {each["number"]: datetime.fromisoformat(each["time"]) for each in events if each["event"] == "trial ended"}
    found: list[Trained] = []
    for trial in run.trials():
        result = trial.result() or {}
        if result.get("replay_of") is None:
            error = result.get("metrics", {}).get("error") if result.get("state") == "complete" else None
            seconds = (ended[trial.number] - began).total_seconds()
            found.append(Trained(trial.candidate(), len(trial.curve()), error, seconds))
    return found


def suggestions(space: SearchSpace, trials: int, seed: int) -> tuple[list[dict[str, object]], list[Candidate]]:
    """What `pure-nas search --sampler random --no-baselines` suggests: parameters, and the candidates they give."""
    study = SearchStudy(
        optuna.storages.InMemoryStorage(),
        "suggestions",
        space=space,
        objectives=("error", "flops"),
        sampler="random",
        seed=seed,
    )
    candidates = [study.ask().candidate for _ in range(trials)]
    return [dict(trial.params) for trial in study.trials], candidates
