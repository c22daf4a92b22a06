"""Record trainings: every candidate of a discrete space, or a sample of a space, several seeds each.

    python -m benchmarks.front.record digits
    python -m benchmarks.front.record cifar10-16px --data FOLDER

Trains in worker processes of one thread, at the lowest priority. The same command resumes where it was stopped; when
all is done the table is packed into `tables/`.
"""

from __future__ import annotations

import json
import lzma
import multiprocessing
import os
import platform
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import torch
import typer
from optuna.samplers import RandomSampler
from optuna.trial import FixedTrial

from benchmarks.command import run_command
from benchmarks.front.recorded import SCHEMA, TABLES, Params, key_of, read
from benchmarks.images import load_dataset
from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import PureNasError
from pure_nas.nn.network import build
from pure_nas.space.axis import Axis, Spread
from pure_nas.space.candidate import Candidate
from pure_nas.space.parameters import Draw, Walk
from pure_nas.space.search_space import SearchSpace
from pure_nas.training.scoring import generator
from pure_nas.training.training import Divergence, Training


@dataclass(frozen=True)
class Recording:
    """What a table holds.

    Attributes:
        sample: number of candidates to draw; None records every candidate of the space.
        again: how many of them are trained with further seeds; None: all.
        images, validation: how many to train and to score on; None: as the dataset has it.
    """

    dataset: str
    sample: int | None = None
    again: int | None = None
    seeds: int = 2
    image_size: int | None = None
    images: int | None = None
    validation: int | None = None

    def load(self, data: str | None) -> Dataset:
        limit = None if self.images is None else self.images + (self.validation or 0)
        return load_dataset(
            data or self.dataset, image_size=self.image_size, limit=limit, validation=self.validation, seed=0
        )


RECORDINGS = {
    "digits": Recording("digits"),
    "cifar10-16px": Recording(
        "CIFAR-10 images (JPEG)", sample=400, again=60, image_size=16, images=5_000, validation=1_000
    ),
}


def all_params(space: SearchSpace) -> Iterator[Params]:
    """The parameters of every candidate, where all are discrete."""
    waiting: list[dict[str, Any]] = [{}]
    while waiting:
        given = waiting.pop()
        try:
            Walk(_following(given), space).candidate()
        except _Question as question:
            waiting += [{**given, question.name: value} for value in reversed(question.values)]
        else:
            yield given


class _Question(Exception):  # noqa: N818 - what a walk stops at, not an error
    def __init__(self, name: str, values: Sequence[Any]) -> None:
        super().__init__(name)
        self.name, self.values = name, values


def _following(given: Params) -> Draw:
    """Answers what is given, and stops at the first other question."""

    def draw(path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        if axis.fixed:
            return spread(axis.choices[0])
        if path not in given:
            if axis.scale is not None and isinstance(axis.choices[0], float):
                raise PureNasError(f"{path} is a range of numbers: a table of every candidate needs choices.")
            raise _Question(path, axis.values)
        return spread(given[path])

    return draw


def sampled_params(space: SearchSpace, number: int) -> list[Params]:
    """Parameters of candidates drawn at random."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    found: list[Params] = []
    for _ in range(number):
        trial = study.ask()
        space.suggest(trial)
        found.append(trial.params)
    return found


def training_of(candidate: Candidate, data: Dataset, seed: int) -> Training:
    """As a search trains it, on the CPU."""
    return Training(
        build(candidate.architecture, generator=generator(seed, "weights")),
        candidate.recipe,
        train=data.train,
        validation=data.validation,
        flip=data.flip,
        turns=data.turns,
        device=torch.device("cpu"),
        seed=seed,
    )


_data: Dataset
_space: SearchSpace


def _begin(recording: Recording, data: str | None, space: SearchSpace) -> None:
    global _data, _space  # what a worker keeps between trainings
    os.nice(19)
    torch.set_num_threads(1)
    _data, _space = recording.load(data), space


def _train(params: Params, seed: int) -> dict[str, Any]:
    candidate = _space.suggest(FixedTrial(dict(params)))
    cost, begun = cost_of(candidate.architecture), time.process_time()
    training = training_of(candidate, _data, seed)
    errors: list[float] = []
    try:
        while not training.finished:
            error = training.run_epoch().validation_error
            assert error is not None
            errors.append(round(error, 6))
    except Divergence:
        pass  # the curve ends here
    seconds = round(time.process_time() - begun, 3)
    return {
        "params": dict(params),
        "seed": seed,
        "flops": cost.flops,
        "weights": cost.params,
        "seconds": seconds,
        "errors": errors,
    }


def record(name: str, data: str | None, workers: int, limit: int | None) -> Path:
    """Train what is missing of a table; returns its file."""
    recording, text = RECORDINGS[name], (TABLES / f"{name}.toml").read_text(encoding="utf-8")
    images = recording.load(data)
    facts = {"in_chans": images.in_chans, "num_classes": len(images.classes), "image_size": images.image_size}
    space = SearchSpace.from_toml(text).with_images(**facts)
    params = list(all_params(space)) if recording.sample is None else sampled_params(space, recording.sample)
    # In an order drawn once, so that a part of the table is a random one.
    random.Random(0).shuffle(params)
    wanted = [(each, 0) for each in params]
    wanted += [(each, seed) for seed in range(1, recording.seeds) for each in params[: recording.again]]
    header = {
        "schema": SCHEMA,
        "name": name,
        "dataset": recording.dataset,
        "fingerprint": images.fingerprint,
        "train": len(images.train),
        "validation": len(images.validation),
        "images": facts,
        "epochs": space.run.epochs,
        "seeds": recording.seeds,
        "space": text,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "processor": _processor(),
    }
    file = TABLES / f"{name}.jsonl"
    rows = _taken_up(file, header)
    done = {(key_of(row["params"]), row["seed"]) for row in rows}
    missing = [each for each in wanted if (key_of(each[0]), each[1]) not in done][:limit]
    typer.echo(f"{name}: {len(done):,} of {len(wanted):,} trainings are recorded, {len(missing):,} follow.")
    with (
        ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(recording, data, space),
        ) as pool,
        file.open("a", encoding="utf-8") as out,
    ):
        begun = time.monotonic()
        for number, row in enumerate(pool.map(_train, *zip(*missing, strict=True), chunksize=1), 1):
            out.write(json.dumps(row) + "\n")
            out.flush()
            if number % 50 == 0:
                rate = (time.monotonic() - begun) / number
                typer.echo(f"{number:,} of {len(missing):,}, {rate:.2f} s each, {rate * (len(missing) - number):.0f} s")
    return file


def pack(name: str) -> Path:
    """Write tables/NAME.jsonl.xz from what was recorded, in the order of parameters."""
    header, rows = read(TABLES / f"{name}.jsonl")
    rows.sort(key=lambda row: (key_of(row["params"]), row["seed"]))
    path = TABLES / f"{name}.jsonl.xz"
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in [header, *rows])
    path.write_bytes(lzma.compress(text.encode(), preset=9))
    return path


def _taken_up(file: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that are there, or in the packed table; a line that a kill cut short is removed."""
    source = next((each for each in (file, file.with_suffix(".jsonl.xz")) if each.exists()), None)
    stored, rows = read(source) if source else (header, [])
    decides = ("space", "fingerprint", "epochs", "torch")
    if any(stored[key] != header[key] for key in decides):
        raise PureNasError(f"{source} was recorded with another {', '.join(decides)}.", hint="Move it away.")
    file.write_text("".join(json.dumps(line) + "\n" for line in [stored, *rows]), encoding="utf-8")
    return rows


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def main(
    table: Annotated[str, typer.Argument(help=", ".join(RECORDINGS))],
    data: Annotated[str | None, typer.Option(help="A folder of images in place of the named dataset.")] = None,
    workers: int = 2,
    limit: Annotated[int | None, typer.Option(help="Trainings at most, this time.")] = None,
) -> None:
    """Record trainings; the same command resumes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    typer.echo(record(table, data, workers, limit))
    typer.echo(pack(table))


if __name__ == "__main__":
    run_command(main)
