"""How many early stops of a real search were wrong: its stopped trials are trained to their end.

    uv run python -m benchmarks.front.wrong_stops races/pure-nas-0/run races/pure-nas-1/run --dataset digits

A stop was wrong if the network would have entered the front of what the search had trained to its end. On one thread of
a CPU a trial trains again as it did in a search with workers, from its start.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from scipy.stats import beta

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Row, Target
from benchmarks.front.record import training_of
from benchmarks.images import load_dataset
from pure_nas.data.dataset import Dataset
from pure_nas.errors import PureNasError
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord, load_results
from pure_nas.training.training import Divergence


@cache
def _images(dataset: str, seed: int) -> Dataset:
    return load_dataset(dataset, seed=seed)


def _final_error(trial: TrialRecord, dataset: str, seed: int) -> float:
    torch.set_num_threads(1)
    training = training_of(trial.candidate, _images(dataset, seed), seed)
    recorded = [epoch["validation_error"] for epoch in trial.curve]
    errors: list[float | None] = []
    try:
        while not training.finished:
            errors.append(training.run_epoch().validation_error)
            if len(errors) == len(recorded) and errors != recorded:
                raise PureNasError(
                    f"Trial {trial.number} trains otherwise here: epoch {len(errors)} gives {errors[-1]}, "
                    f"not {recorded[-1]}."
                )
    except Divergence:
        return 1.0
    return errors[-1] or 0.0


def main(
    runs: list[Path],
    dataset: Annotated[str, typer.Option(help="That they searched with; a dataset, or a folder of images.")],
    processes: int = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Wrong stops."""
    document = Document("front.wrong_stops", torch.device("cpu"), {"dataset": dataset, "runs": len(runs)})
    rows: list[Row] = []
    with ProcessPoolExecutor(processes) as pool:
        for path in runs:
            run = RunDirectory.open(path)
            results, seed = load_results(run), run.settings()["seed"]
            stopped = [each for each in results.trials if each.state == "stopped" and each.replay_of is None]
            errors = list(pool.map(partial(_final_error, dataset=dataset, seed=seed), stopped))
            wrong = sum(
                all(error < other.errors[0] or trial.cost["flops"] < other.cost["flops"] for other in results.complete)
                for trial, error in zip(stopped, errors, strict=True)
            )
            rows.append({"run": str(path), "stopped": len(stopped), "wrong": wrong, "share": wrong / len(stopped)})
    total, wrong = (sum(row[key] for row in rows) for key in ("stopped", "wrong"))
    low = float(beta.ppf(0.025, wrong, total - wrong + 1)) if wrong else 0.0
    high = float(beta.ppf(0.975, wrong + 1, total - wrong))
    rows.append({"run": f"all ({low:.1%} to {high:.1%})", "stopped": total, "wrong": wrong, "share": wrong / total})
    columns = [
        Column("run", "run"),
        Column("stopped", "stopped", ".0f"),
        Column("wrong", "wrong", ".0f"),
        Column("share", "share", ".1%"),
    ]
    document.table(f"{dataset}: stops that were wrong", columns, rows)
    document.target(Target("wrong stops", wrong / total, "at most", 0.05))
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
