"""Whole searches against each other: how much front in how much time, by processes started as from a shell.

    uv run python -m benchmarks.front.race
    uv run python -m benchmarks.front.race --dataset FOLDER --space cifar10-small --trials 30 --rounds 2 --out races

A plain Optuna + PyTorch script (`benchmarks.plain_search`) searches with TPE and trains every trial to its end;
`pure-nas search` with its defaults, and the others, then get the time that it took. A ratio is what a search paid for
the hypervolume that both it and TPE had in the end, by what TPE paid for that.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.command import run_command
from benchmarks.contestants import Contestant, PlainScript, PureNas
from benchmarks.document import Document, Target
from benchmarks.front.columns import NOTE, columns, row
from benchmarks.images import load_dataset, write_images
from pure_nas.analysis.course import Box, Payment, Step, course_of
from pure_nas.findings.race import box_of
from pure_nas.space.catalogue import load_space

REFERENCE, OURS = "plain tpe", "pure-nas"
_SHARES = (0.2, 1 / 3, 0.5, 1.0)
_BY: tuple[Payment, ...] = ("time", "epochs", "work")


def main(
    dataset: Annotated[str, typer.Option(help="A dataset, or a folder of images.")] = "digits",
    space: Annotated[str, typer.Option(help="digits or cifar10-small, which the plain script knows.")] = "digits",
    trials: Annotated[int, typer.Option(help="Of the plain script with TPE.")] = 40,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a trial; the space's if left out.")] = None,
    rounds: Annotated[int, typer.Option(help="Seeds.")] = 3,
    others: Annotated[str, typer.Option(help="Further samplers of the plain script.")] = "nsga2,random,one-epoch",
    options: Annotated[str, typer.Option(help="Further options of pure-nas search.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where searches are kept; the same command goes on.")] = None,
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
    found: dict[str, list[list[Step]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="pure-nas-race-") as scratch:
        folder = out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = folder / "images.npz"
        write_images(images, arrays)
        for seed in range(rounds):
            plain = PlainScript(REFERENCE, arrays, fitted, space, trials, options=("--seed", str(seed)))
            seconds = math.nan
            for name in names:
                if name == OURS:
                    given = ["--space", space, "--epochs", str(fitted.run.epochs), "--seed", str(seed)]
                    given += ["--time", f"{seconds:.0f}s", *options.split()]
                    contestant: Contestant = PureNas(OURS, dataset, 100_000, options=tuple(given))
                elif name == REFERENCE:
                    contestant = plain
                else:
                    # Those that stop early could try many; the time of the script ends them.
                    sampler = ["--sampler", name.removeprefix("plain "), "--seconds", f"{seconds:.0f}"]
                    contestant = replace(plain, trials=100_000, options=("--seed", str(seed), *sampler))
                steps, taken = _searched(contestant, folder / f"{name.replace(' ', '-')}-{seed}")
                found[name].append(steps)
                seconds = taken if name == REFERENCE else seconds
    _show(document, images.name, found, box_of(fitted, worst))
    document.write(json_file)


def _searched(contestant: Contestant, folder: Path) -> tuple[list[Step], float]:
    """What a search trained, by when it ended, and its seconds; one that ended before is read."""
    kept = folder / "steps.json"
    if not kept.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        finished = contestant.run(folder)
        trained = sorted(finished.trained, key=lambda each: each.ended)
        steps = [(each.ended, each.epochs, each.flops, each.error) for each in trained]
        kept.write_text(json.dumps({"seconds": finished.seconds, "steps": steps}), encoding="utf-8")
    read = json.loads(kept.read_text(encoding="utf-8"))
    return [Step(*each) for each in read["steps"]], read["seconds"]


def _show(document: Document, dataset: str, found: Mapping[str, Sequence[Sequence[Step]]], box: Box) -> None:
    courses = {name: [course_of(steps, box) for steps in searches] for name, searches in found.items()}
    reference = courses[REFERENCE]
    ends = [each.paid["time"][-1] for each in reference]
    places = {f"{share:.0%}": [share * end for end in ends] for share in _SHARES}
    rows = [row(name, each, reference, places, _BY) for name, each in courses.items()]
    document.table(f"{dataset}: hypervolume by time", columns(list(places), _BY), rows)
    document.note(
        f"Hypervolume (error up to {box.worst:.2f}, logarithm of flops) and lowest error after so much of the time "
        f"that the plain script with TPE took, means of {len(reference)} rounds. {NOTE.format('the script')}"
    )
    document.target(Target("time to equal hypervolume, by the plain script's", rows[1]["time_ratio"], "at most", 1 / 3))


if __name__ == "__main__":
    run_command(main)
