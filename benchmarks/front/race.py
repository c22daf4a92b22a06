"""Whole searches against each other: how much front in how much time, by processes started as from a shell.

    uv run python -m benchmarks.front.race
    uv run python -m benchmarks.front.race --dataset FOLDER --space cifar10-small --limit 5000 --trials 30 --rounds 2

A plain Optuna + PyTorch script (`benchmarks.plain_search`) searches with TPE and trains every trial to its end;
`pure-nas search` with its defaults, and the others, then get the time that it took. A ratio is what a search paid for
the hypervolume that both it and TPE had in the end, by what TPE paid for that.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.command import run_command
from benchmarks.contestants import Contestant, Finished, PlainScript, PureNas
from benchmarks.document import Document, Target
from benchmarks.front.columns import NOTE, columns, row
from benchmarks.images import load_dataset, write_images
from pure_nas.analysis.course import Box, Course, Payment, Step, course_of
from pure_nas.findings.race import box_of
from pure_nas.space.catalogue import load_space

REFERENCE, OURS = "plain tpe", "pure-nas"
_SHARES = (0.2, 1 / 3, 0.5, 1.0)
_BY: tuple[Payment, ...] = ("time", "epochs", "work")


def _course(found: Finished, box: Box) -> Course:
    """The course of a search, by when its trials ended."""
    trained = sorted(found.trained, key=lambda each: each.ended)
    return course_of((Step(each.ended, each.epochs, each.flops, each.error) for each in trained), box)


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
    courses: dict[str, list[Course]] = {name: [] for name in names}
    box = box_of(fitted, worst)
    with tempfile.TemporaryDirectory(prefix="pure-nas-race-") as scratch:
        arrays = Path(scratch) / "images.npz"
        write_images(images, arrays)
        for seed in range(rounds):
            plain = PlainScript(REFERENCE, arrays, fitted, space, trials, options=("--seed", str(seed)))
            reference = _run(plain, Path(scratch) / f"{seed}-reference")
            courses[REFERENCE].append(_course(reference, box))
            for name in names[1:]:
                if name == OURS:
                    given = ["--space", space, "--epochs", str(fitted.run.epochs), "--seed", str(seed)]
                    given += ["--time", f"{reference.seconds:.0f}s", *options.split()]
                    contestant: Contestant = PureNas(OURS, dataset, 100_000, options=tuple(given))
                else:
                    sampler = name.removeprefix("plain ")
                    contestant = replace(plain, options=("--seed", str(seed), "--sampler", sampler))
                found = _run(contestant, Path(scratch) / f"{seed}-{name.replace(' ', '-')}")
                courses[name].append(_course(found, box))
    reference_courses = courses[REFERENCE]
    places = {f"{share:.0%}": [share * each.paid["time"][-1] for each in reference_courses] for share in _SHARES}
    rows = [row(name, found, reference_courses, places, _BY) for name, found in courses.items()]
    document.table(f"{images.name}: hypervolume by time", columns(list(places), _BY), rows)
    document.note(
        f"Hypervolume (error up to {worst:.2f}, logarithm of flops) after so much of the time that the plain script "
        f"with TPE took, means of {rounds} rounds. {NOTE.format('the script')}"
    )
    document.target(Target("time to equal hypervolume, by the plain script's", rows[1]["time_ratio"], "at most", 1 / 3))
    document.write(json_file)


def _run(contestant: Contestant, folder: Path) -> Finished:
    folder.mkdir()
    return contestant.run(folder)


if __name__ == "__main__":
    run_command(main)
