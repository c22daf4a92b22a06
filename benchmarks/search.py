"""Trials per hour: `pure-nas search` against a plain Optuna + PyTorch script, or against an older revision.

By default all train the very same candidates (drawn at random from the space, without baselines), so that a ratio of
times is one of equal work. With --own-candidates each searches as it does by default.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import optuna
import torch
import typer

from benchmarks.command import run_command
from benchmarks.contestants import Contestant, Finished, PlainScript, PureNas, suggestions
from benchmarks.document import Column, Document, Row, Target
from benchmarks.images import load_dataset, write_images
from benchmarks.revisions import compare_first_step, unpack
from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import PureNasError
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import SPACES, load_space
from pure_nas.space.search_space import SearchSpace

_COLUMNS = (
    Column("search", "search"),
    Column("seconds", "seconds", ".1f"),
    Column("searching", "trials s", ".1f"),
    Column("cpu_seconds", "CPU s", ".1f"),
    Column("trials_per_hour", "trials/h", ",.0f"),
    Column("ratio", "x", ".2f"),
    Column("ratio_searching", "x trials", ".2f"),
    Column("mflop_epochs", "work", ".1f"),
    Column("best_error", "error", ".2%"),
    Column("hypervolume", "volume", ".3f"),
)
_LEGEND = (
    "Medians of the rounds. trials s: from the first trial's start to the last one's end. x: work a second of the "
    "whole process against the first line's; x trials: the same while trials run. work: Mflops of an image times "
    "epochs, mean of a trial, by pure-nas's closed form for all. error: the lowest on the validation images."
)


def main(
    dataset: Annotated[str, typer.Option(help="A dataset, or a folder of images.")] = "digits",
    space: Annotated[str, typer.Option(help="digits or cifar10-small, which the plain script knows.")] = "digits",
    trials: int = 40,
    epochs: Annotated[int | None, typer.Option(help="Epochs of a trial; the space's if left out.")] = None,
    rounds: int = 3,
    seed: int = 0,
    workers: Annotated[str, typer.Option(help="Numbers of process workers to try, with one thread each.")] = "1,2",
    own_candidates: Annotated[bool, typer.Option(help="Each search samples for itself, with its defaults.")] = False,
    batched_augmentation: Annotated[bool, typer.Option(help="The plain script augments whole batches.")] = False,
    plain_threads: Annotated[
        int | None, typer.Option(help="Of the plain script; PyTorch's default if left out.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="Compare with this git revision, not the script.")] = None,
    quick: Annotated[bool, typer.Option(help="One trial of one epoch, once: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Trials per hour of whole searches, from the start of the process to its end."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if quick:
        trials, epochs, rounds, workers = 1, 1, 1, ""
    chosen = load_space(space).with_run(trials=trials, epochs=epochs)
    images = load_dataset(dataset, seed=seed)
    chosen = chosen.with_images(**images.shape)
    settings = {"dataset": dataset, "space": space, "trials": trials, "epochs": chosen.run.epochs, "seed": seed}
    document = Document("search", torch.device("cpu"), {**settings, "rounds": rounds, "own": own_candidates})
    params, candidates = suggestions(chosen, trials, seed)
    with tempfile.TemporaryDirectory(prefix="pure-nas-benchmark-") as name:
        folder = Path(name)
        # As a file: an older revision may know another space by that name.
        file = folder / f"{space}.toml"
        file.write_text(SPACES.text(space), encoding="utf-8")
        options = ["--space", str(file), "--epochs", str(chosen.run.epochs), "--seed", str(seed), "--device", "cpu"]
        options += [] if own_candidates else ["--sampler", "random", "--no-baselines"]
        # An older revision trains every candidate to its end, without being asked to, and one at a time.
        equal = [] if own_candidates else ["--no-early-stopping"]
        ours = PureNas("pure-nas", dataset, trials, (*options, *equal, "--workers", "1"))
        if against is not None:
            old = unpack(against, folder / "old")
            baseline: Contestant = PureNas(f"pure-nas {against}", dataset, trials, tuple(options), checkout=old)
            _agreement(document, old, candidates, dataset, seed, folder)
        else:
            baseline = _plain(
                folder,
                images,
                chosen,
                space,
                params,
                own=own_candidates,
                batched=batched_augmentation,
                threads=plain_threads,
            )
        finished = _run_all([baseline, ours, *_with_workers(ours, workers)], rounds, folder)
    if not own_candidates:
        _require_same_work(finished, candidates)
    rows = _rows(finished, baseline.name, _reference(chosen, images))
    document.table("Whole searches", _COLUMNS, rows)
    _notes(document, own_candidates, against, trials)
    _targets(document, rows, against)
    document.write(json_file)


def _with_workers(ours: PureNas, workers: str) -> list[PureNas]:
    """The same search by process workers of one thread each."""
    return [
        replace(ours, name=_workers_name(number), options=(*ours.options, "--workers", number), threads=1)
        for number in workers.split(",")
        if number
    ]


def _workers_name(number: str) -> str:
    return f"--workers {number}, 1 thread"


def _plain(
    folder: Path,
    images: Dataset,
    space: SearchSpace,
    space_name: str,
    params: Sequence[dict[str, object]],
    *,
    own: bool,
    batched: bool,
    threads: int | None,
) -> PlainScript:
    """The plain script on the same images, with these parameters to replay unless it draws its own."""
    write_images(images, folder / "images.npz")
    replay = folder / "params.json"
    replay.write_text(json.dumps(params), encoding="utf-8")
    return PlainScript(
        "plain script" + ", batched" * batched + f", {threads} threads" * (threads is not None),
        folder / "images.npz",
        space,
        space_name,
        space.run.trials,
        replay=None if own else replay,
        options=("--batched-augmentation",) if batched else (),
        threads=threads,
    )


def _run_all(contestants: Sequence[Contestant], rounds: int, folder: Path) -> dict[str, list[Finished]]:
    """Every contestant once a round; every other round backwards."""
    finished: dict[str, list[Finished]] = {each.name: [] for each in contestants}
    for number in range(rounds):
        for index, contestant in enumerate(contestants if number % 2 == 0 else reversed(contestants)):
            own = folder / f"{number}-{index}"
            own.mkdir()
            finished[contestant.name].append(contestant.run(own))
    return finished


def _require_same_work(finished: dict[str, list[Finished]], candidates: Sequence[Candidate]) -> None:
    """Check that every search trained the networks of `candidates`.

    Raises:
        PureNasError: one trained others.
    """
    wanted = sorted(candidate.architecture.digest for candidate in candidates)
    for name, runs in finished.items():
        for run in runs:
            if sorted(each.candidate.architecture.digest for each in run.trained) != wanted:
                raise PureNasError(f"{name} trained other networks than it was given.")


def _rows(finished: dict[str, list[Finished]], baseline: str, reference: tuple[float, float]) -> list[Row]:
    """One row a contestant; a ratio is the median over rounds, in each of which all ran."""
    rows: list[Row] = []
    for name, runs in finished.items():
        pairs = list(zip(runs, finished[baseline], strict=True))
        rows.append(
            {
                "search": name,
                "seconds": statistics.median(run.seconds for run in runs),
                "searching": statistics.median(run.searching for run in runs),
                "cpu_seconds": statistics.median(run.cpu_seconds for run in runs),
                "all_seconds": [run.seconds for run in runs],
                "trials_per_hour": statistics.median(run.trials_per_hour for run in runs),
                "ratio": statistics.median(run.rate / other.rate for run, other in pairs),
                "ratio_searching": statistics.median(run.rate_searching / other.rate_searching for run, other in pairs),
                "mflop_epochs": statistics.mean(run.work / run.trials for run in runs) / 1e6,
                "best_error": min(run.best_error for run in runs),
                "hypervolume": statistics.median(run.hypervolume(reference) for run in runs),
            }
        )
    return rows


def _reference(space: SearchSpace, images: Dataset) -> tuple[float, float]:
    largest = max(cost_of(architecture).flops for architecture in space.largest_architectures())
    return 1 - 1 / len(images.classes), float(largest)


def _notes(document: Document, own: bool, against: str | None, trials: int) -> None:
    document.note(_LEGEND)
    if own:
        document.note("Each search sampled for itself: see how far their work differs.")
    else:
        document.note(f"All trained the same {trials} random candidates, checked by their digests.")
    if against is None:
        document.note(
            "Only pure-nas re-estimates BatchNorm statistics before each score, checks the flop count and writes a "
            "report with figures. Unless told otherwise, the plain script has PyTorch's default threads."
        )


def _targets(document: Document, rows: Sequence[Row], against: str | None) -> None:
    by_name = {row["search"]: row for row in rows}
    best = max(rows[1:], key=lambda row: float(row["ratio"]))
    what = f"trials per hour of equal work, {best['search']} against "
    if against is None:
        document.target(Target(f"{what}the plain script", best["ratio"], "at least", 1.5, "x"))
    else:
        document.note(f"{what}{against}: {best['ratio']:.2f} x")
    one, two = (by_name.get(_workers_name(number)) for number in ("1", "2"))
    if one and two and (os.cpu_count() or 1) >= 2:
        for key, when in (("seconds", "whole process"), ("searching", "while trials run")):
            gain = one[key] / two[key]
            document.target(Target(f"two workers against one, one thread each, {when}", gain, "at least", 1.7, "x"))


def _agreement(
    document: Document, old: Path, candidates: Sequence[Candidate], dataset: str, seed: int, folder: Path
) -> None:
    """Compare the first steps of a few candidates in both revisions."""
    rows: list[Row] = []
    for index, candidate in enumerate(candidates[:3]):
        found = compare_first_step(old, candidate, dataset, seed, folder / f"step-{index}")
        products = sum(stage.count("product") for stage in candidate.architecture.units)
        rows.append({"candidate": candidate.digest, "products": products, **asdict(found)})
    columns = (
        Column("candidate", "candidate"),
        Column("products", "products", "d"),
        Column("images", "images", ".0e"),
        Column("loss", "loss", ".0e"),
        Column("gradient", "gradient", ".0e"),
        Column("gradient_shared", "same images", ".0e"),
        Column("gradient_float64", "float64", ".0e"),
        Column("rounding", "rounding", ".0e"),
    )
    document.table("First step: relative difference between the revisions", columns, rows)
    document.note(
        "products: product units. same images: the gradient when both take the older revision's images; float64: the "
        "same in float64. rounding: the older revision's gradient against its own in float64."
    )
    for key in ("loss", "gradient_shared", "gradient_float64"):
        what = f"{key.replace('_', ', ')} of the first step: relative difference"
        document.target(Target(what, max(row[key] for row in rows), "at most", 1e-5))


if __name__ == "__main__":
    run_command(main)
