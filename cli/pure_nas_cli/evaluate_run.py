"""What pure-nas evaluate does once its options are read."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.status import Status
from rich.text import Text

from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset, ImageSet
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError, UsageError
from pure_nas.evaluation import Evaluation, Noise, Views, evaluate_network, pooled
from pure_nas.files import write_whole
from pure_nas.quantities import counted, show_seconds
from pure_nas.report.evaluation_charts import Evaluated, evaluation_figures
from pure_nas.report.evaluation_tables import Named, evaluation_tables, faults_of
from pure_nas.report.matplotlib_chart import figure_files
from pure_nas.run.evaluated_images import Split, WantedImages, images_for, load_wanted, normalised_for
from pure_nas.run.images import trained_on
from pure_nas.run.trained import (
    Trained,
    find_all_trained,
    find_with_conv_twins,
    require_file,
    with_weights,
)
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.terminal_table import print_tables

DOCUMENT_FILE = "evaluation.json"
_SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to judge networks by.

    Attributes:
        weights: those of the first network, which is an architecture then; None where networks have theirs.
        conv_twin: whether the first network is a retrained trial, and its conv twins stand beside it.
        seed: decides the noise.
    """

    images: WantedImages
    weights: Path | None
    conv_twin: bool
    noises: tuple[Noise, ...]
    views: Views
    factors: tuple[float, ...]
    seed: int
    device: str


def run_evaluation(texts: Sequence[str], wanted: Wanted, out: Path | None, *, overwrite: bool, as_json: bool) -> None:
    """Judge the networks, show what was found, and write it to `out`.

    Raises:
        UsageError: a name means no trained network, or network and images do not fit each other.
        RunError: weights are damaged, or a file is in the way.
        DataError: the images cannot be had.
    """
    device = resolve_device(wanted.device)
    if out is not None:
        _require_free(out, overwrite=overwrite)
    networks, dataset = _networks_and_images(texts, wanted)
    images = images_for(networks, dataset, wanted.views, wanted.images)
    found = [_evaluate(network, dataset, images, wanted, device) for network in networks]
    document = _document(networks, found, dataset, wanted.images.split)
    written = _write(out, document, networks, found) if out is not None else []
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        named = [(network.name, evaluation) for network, evaluation in zip(networks, found, strict=True)]
        print_evaluations(named, f"{dataset.name}, {counted(len(images), f'{wanted.images.split} image')}")
    if written:
        stderr.print(f"written: {written[0]} and {counted(len(written) - 1, 'figure file')}", soft_wrap=True)


def print_evaluations(evaluated: Sequence[Named], subject: str) -> None:
    """Print every table that there is something for, and what is missing and why."""
    print_tables(stdout, evaluation_tables(evaluated, subject))
    for fault in faults_of(evaluated):
        stdout.print(fault, style="yellow")


def _networks_and_images(texts: Sequence[str], wanted: Wanted) -> tuple[list[Trained], Dataset]:
    if wanted.weights is None:
        first = find_with_conv_twins(texts[0]) if wanted.conv_twin else []
        networks = [*first, *find_all_trained(texts[1:] if first else texts)]
        name, size = networks[0].name, networks[0].architecture.image_size
        return networks, load_wanted(name, networks[0].images, wanted.images, size)
    if wanted.conv_twin:
        raise UsageError("--conv-twin takes a retrained trial of a search, so --weights does not go with it.")
    require_file(wanted.weights)
    others = find_all_trained(texts[1:])
    dataset = load_wanted(str(wanted.weights), trained_on(wanted.weights)[0], wanted.images)
    return [with_weights(texts[0], wanted.weights, dataset), *others], dataset


def _evaluate(network: Trained, dataset: Dataset, images: ImageSet, wanted: Wanted, device: torch.device) -> Evaluation:
    """Evaluate a network, by the mean over its seeds where it was trained with several."""
    found = []
    for seed in network.seeds:
        with _Progress(network.name, len(images)) as progress:
            found.append(
                evaluate_network(
                    seed.network,
                    normalised_for(seed, dataset, images),
                    device,
                    classes=dataset.classes,
                    noises=wanted.noises,
                    views=wanted.views,
                    factors=wanted.factors,
                    seed=wanted.seed,
                    progress=progress.show,
                )
            )
    return pooled(found)


def _document(
    networks: Sequence[Trained], found: Sequence[Evaluation], dataset: Dataset, split: Split
) -> dict[str, Any]:
    return {
        "schema": 1,
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "split": split,
            "classes": list(dataset.classes),
        },
        "networks": [
            {
                "name": network.name,
                "weights": [str(each.weights) for each in network.seeds] if network.others else str(network.weights),
                "architecture": json.loads(network.architecture.to_json()),
                "digest": network.architecture.digest,
                "params": cost_of(network.architecture).params,
                "flops": cost_of(network.architecture).flops,
                "evaluation": evaluation.document(),
            }
            for network, evaluation in zip(networks, found, strict=True)
        ],
    }


def _require_free(out: Path, *, overwrite: bool) -> None:
    """Check, before anything is computed, that nothing is in the way.

    Raises:
        RunError: something is.
    """
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file, not a folder.", hint="Choose another --out.")
    if (out / DOCUMENT_FILE).exists() and not overwrite:
        raise RunError(
            f"{out / DOCUMENT_FILE} exists; it is left alone.", hint="Choose another --out, or replace it: --overwrite."
        )


def _write(out: Path, document: dict[str, Any], networks: Sequence[Trained], found: Sequence[Evaluation]) -> list[Path]:
    """Write the document, then its figures, which may fail; returns their paths."""
    write_whole(out / DOCUMENT_FILE, json.dumps(document, indent=2) + "\n")
    drawn = [
        Evaluated(network.name, network.architecture.kind, evaluation)
        for network, evaluation in zip(networks, found, strict=True)
    ]
    figures = dict(figure_files(evaluation_figures(drawn)))
    for name, content in figures.items():
        write_whole(out / name, content)
    return [out / name for name in (DOCUMENT_FILE, *figures)]


class _Progress:
    """One changing line on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, images: int) -> None:
        self._name = name
        self._images = images
        self._began = self._said = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> _Progress:
        text = f"{self._name}: {counted(self._images, 'image')} ..."
        if stderr.is_terminal and not stderr.is_dumb_terminal:
            self._status = stderr.status(Text(text))
            self._status.start()
        else:
            stderr.print(text, style="dim", soft_wrap=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, done: int, total: int) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if self._status is None and (now - self._said < _SECONDS_BETWEEN_LINES or done == total):
            return
        self._said = now
        left = (now - self._began) / done * (total - done)
        text = f"{self._name}: {done:,} of {counted(total, 'image')}, about {show_seconds(left)} left"
        if self._status:
            self._status.update(Text(text))
        else:
            stderr.print(text, style="dim", soft_wrap=True)
