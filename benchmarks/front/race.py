"""Whole searches against each other: how much front in how much time, by processes started as from a shell.

    uv run python -m benchmarks.front.race
    uv run python -m benchmarks.front.race --dataset FOLDER --space cifar10-small --limit 5000 --trials 30 --rounds 2

A plain Optuna + PyTorch script (`benchmarks.plain_search`) searches with TPE and trains every trial to its end;
`pure-nas search` with its defaults, and the others, then get the time that it took. Ratios are to the hypervolume that
TPE ends with: what a search paid for it by what TPE had paid when it first had it.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.command import run_command
from benchmarks.contestants import Contestant, Finished, PlainScript, PureNas
from benchmarks.document import Column, Document, Row, Target
from benchmarks.front.problems import hypervolume, scale_of
from benchmarks.images import load_dataset, write_images
from pure_nas.space.catalogue import load_space
from pure_nas.space.search_space import SearchSpace

REFERENCE, OURS = "plain tpe", "pure-nas"
_SHARES = (0.2, 1 / 3, 0.5, 1.0)
Trace = Sequence[tuple[float, float, float, float]]
"""Seconds, epochs and flops x epochs so far, and the hypervolume, after each trial."""


def trace_of(found: Finished, space: SearchSpace, worst: float) -> Trace:
    """What a search had found after each of its trials, in the order in which they ended."""
    trace: list[tuple[float, float, float, float]] = []
    complete: list[tuple[float, float]] = []
    epochs = work = 0.0
    for each in sorted(found.trained, key=lambda trained: trained.ended):
        epochs, work = epochs + each.epochs, work + each.work
        if each.error is not None:
            complete.append((each.flops, each.error))
        points = np.array(complete).reshape(-1, 2)
        trace.append(
            (each.ended, epochs, work, hypervolume(np.log(points[:, 0]), points[:, 1], scale_of(space), worst))
        )
    return trace


def paid_for(trace: Trace, volume: float) -> tuple[float, float, float]:
    """Seconds, epochs and flops x epochs until a hypervolume was reached; infinite where it was not."""
    return next((each[:3] for each in trace if each[3] >= volume), (float("inf"),) * 3)


def main(
    dataset: Annotated[str, typer.Option(help="A dataset, or a folder of images.")] = "digits",
    space: Annotated[str, typer.Option(help="digits or cifar10-small, which the plain script knows.")] = "digits",
    trials: Annotated[int, typer.Option(help="Of the plain script with TPE.")] = 40,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a trial; the space's if left out.")] = None,
    rounds: Annotated[int, typer.Option(help="Seeds.")] = 3,
    others: Annotated[str, typer.Option(help="Further samplers of the plain script.")] = "nsga2,random",
    options: Annotated[str, typer.Option(help="Further options of pure-nas search.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Races."""
    images = load_dataset(dataset)
    fitted = load_space(space).with_images(**images.shape).with_run(epochs=epochs)
    worst = 1 - 1 / len(images.classes)
    document = Document(
        "front.race", torch.device("cpu"), {"dataset": images.name, "space": space, "trials": trials, "rounds": rounds}
    )
    names = [REFERENCE, OURS, *(f"plain {name}" for name in others.split(",") if name)]
    traces: dict[str, list[Trace]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="pure-nas-race-") as scratch:
        arrays = Path(scratch) / "images.npz"
        write_images(images, arrays)
        for seed in range(rounds):
            plain = PlainScript(REFERENCE, arrays, fitted, space, trials, options=("--seed", str(seed)))
            reference = _run(plain, Path(scratch) / f"{seed}-reference")
            traces[REFERENCE].append(trace_of(reference, fitted, worst))
            for name in names[1:]:
                if name == OURS:
                    given = ["--space", space, "--epochs", str(fitted.run.epochs), "--seed", str(seed)]
                    given += ["--time", f"{reference.seconds:.0f}s", *options.split()]
                    contestant: Contestant = PureNas(OURS, dataset, 100_000, options=tuple(given))
                else:
                    sampler = name.removeprefix("plain ")
                    contestant = replace(plain, options=("--seed", str(seed), "--sampler", sampler))
                found = _run(contestant, Path(scratch) / f"{seed}-{name.replace(' ', '-')}")
                traces[name].append(trace_of(found, fitted, worst))
    rows = [_row(name, found, traces[REFERENCE]) for name, found in traces.items()]
    columns = [
        Column("search", "search"),
        *(Column(f"at_{share:.2f}", f"{share:.0%}", ".4f") for share in _SHARES),
        Column("seconds", "x time", ".2f"),
        Column("epochs", "x epochs", ".2f"),
        Column("work", "x cost", ".2f"),
        Column("each", "x time, each round"),
        Column("trials", "trials", ".0f"),
    ]
    document.table(f"{images.name}: hypervolume by time", columns, rows)
    document.note(
        f"Hypervolume (error up to {worst:.2f}, logarithm of flops) after so much of the time that the plain script "
        f"with TPE took, means of {rounds} rounds. x time, x epochs, x cost (flops x epochs): paid for the hypervolume "
        "that it ends with, by what it had paid when it first had it; medians. inf: not reached in its time."
    )
    ours = rows[1]
    document.target(Target("time to equal hypervolume, by the plain script's", ours["seconds"], "at most", 1 / 3))
    document.write(json_file)


def _run(contestant: Contestant, folder: Path) -> Finished:
    folder.mkdir()
    return contestant.run(folder)


def _row(name: str, found: Sequence[Trace], reference: Sequence[Trace]) -> Row:
    goals = [trace[-1][3] for trace in reference]
    paid = [paid_for(trace, goal) for trace, goal in zip(reference, goals, strict=True)]
    ratios = [
        [own / theirs for own, theirs in zip(paid_for(trace, goal), before, strict=True)]
        for trace, goal, before in zip(found, goals, paid, strict=True)
    ]
    seconds, epochs, work = (statistics.median(values) for values in zip(*ratios, strict=True))
    ends = [trace[-1][0] for trace in reference]
    volumes = {
        f"at_{share:.2f}": statistics.fmean(
            max((each[3] for each in trace if each[0] <= share * end), default=0.0)
            for trace, end in zip(found, ends, strict=True)
        )
        for share in _SHARES
    }
    each = ", ".join(f"{ratio[0]:.2f}" for ratio in ratios)
    trials = statistics.fmean(map(len, found))
    return {
        "search": name,
        **volumes,
        "seconds": seconds,
        "epochs": epochs,
        "work": work,
        "each": each,
        "trials": trials,
    }


if __name__ == "__main__":
    run_command(main)
