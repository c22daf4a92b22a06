"""What pure-nas evaluate does once its options are read."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.status import Status
from rich.text import Text

from pure_nas.cost.layers import cost_of
from pure_nas.data import Dataset, ImageSet, dataset_names, load_dataset
from pure_nas.data.image_set import Normalisation
from pure_nas.devices import resolve_device
from pure_nas.errors import RunError, UsageError
from pure_nas.evaluation import Noise, Views, evaluate_network
from pure_nas.evaluation.unmirrored import without_mirrors
from pure_nas.experiment.images import load_experiment_images
from pure_nas.report.evaluation_figures import Evaluated, evaluation_figures
from pure_nas.report.summaries import kind_of
from pure_nas.retrain import load_run_dataset
from pure_nas.run_directory import write_whole
from pure_nas_cli.console import stderr
from pure_nas_cli.evaluation_tables import Judged, print_evaluations
from pure_nas_cli.quantities import show_count, show_seconds
from pure_nas_cli.trained_networks import Trained, find_all_trained, find_beside_conv_twin, with_weights

Split = Literal["test", "validation"]
DOCUMENT_FILE = "evaluation.json"
_SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to judge networks by.

    Attributes:
        dataset: a name or folder; None takes the images that the first network was trained on.
        weights: those of the first network, which is an architecture then; None where networks have theirs.
        conv_twin: whether the first network is a retrained trial, and its conv twins stand beside it.
        seed: decides the noise, and the split of the images; None takes 0, and the split of the training.
    """

    dataset: str | None
    weights: Path | None
    conv_twin: bool
    data_dir: Path | None
    image_size: int | None
    skip_corrupt: bool
    split: Split
    noises: tuple[Noise, ...]
    views: Views
    factors: tuple[float, ...]
    seed: int | None
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
    for network in networks:
        _require_fit(network, dataset)
    images = _images_for(networks, dataset, wanted)
    judged: list[Judged] = []
    for network in networks:
        with _Progress(network.name, len(images)) as progress:
            found = evaluate_network(
                network.network,
                _normalised_for(network, dataset, images),
                device,
                classes=dataset.classes,
                noises=wanted.noises,
                views=wanted.views,
                factors=wanted.factors,
                seed=wanted.seed or 0,
                progress=progress.show,
            )
        judged.append(Judged(network.name, network.architecture, found))
    document = _document(networks, judged, dataset, wanted.split)
    written = _write(out, document, judged) if out is not None else []
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        print_evaluations(judged, f"{dataset.name}, {show_count(len(images), f'{wanted.split} image')}")
    if written:
        stderr.print(f"written: {written[0]} and {show_count(len(written) - 1, 'figure file')}", soft_wrap=True)


def _networks_and_images(texts: Sequence[str], wanted: Wanted) -> tuple[list[Trained], Dataset]:
    if wanted.weights is None:
        first = find_beside_conv_twin(texts[0]) if wanted.conv_twin else []
        networks = [*first, *find_all_trained(texts[1:] if first else texts)]
        return networks, _dataset_for(networks[0], wanted)
    if wanted.conv_twin:
        raise UsageError("--conv-twin takes a retrained trial of a search, which --weights is none of.")
    if wanted.dataset is None:
        raise UsageError(
            f"Nothing says by which images to judge {texts[0]} with the weights {wanted.weights}.",
            hint="Name them, for example --dataset cifar10, or a folder.",
        )
    others = find_all_trained(texts[1:])
    dataset = load_dataset(
        wanted.dataset,
        data_dir=wanted.data_dir,
        seed=wanted.seed or 0,
        image_size=wanted.image_size,
        skip_corrupt=wanted.skip_corrupt,
    )
    return [with_weights(texts[0], wanted.weights, dataset), *others], dataset


def _dataset_for(network: Trained, wanted: Wanted) -> Dataset:
    if network.run and network.of_experiment and wanted.dataset is None:
        return load_experiment_images(
            network.run,
            wanted.data_dir,
            seed=wanted.seed,
            image_size=wanted.image_size,
            skip_corrupt=wanted.skip_corrupt,
        )
    if network.run and (wanted.dataset, wanted.seed, wanted.image_size) == (None, None, None):
        return load_run_dataset(network.run, wanted.data_dir)
    return load_dataset(
        wanted.dataset or _usual_dataset(network),
        data_dir=wanted.data_dir,
        seed=(network.split_seed or 0) if wanted.seed is None else wanted.seed,
        image_size=wanted.image_size or network.architecture.image_size,
        skip_corrupt=wanted.skip_corrupt,
    )


def _usual_dataset(network: Trained) -> str:
    """The dataset that a network was trained on.

    Raises:
        UsageError: what lies beside its weights does not say.
    """
    found = str((network.run.settings() if network.run else network.training).get("dataset", ""))
    if network.run is None and found not in dataset_names():
        raise UsageError(
            f"Nothing beside {network.name} says by which images to judge it.",
            hint="Name them, for example --dataset cifar10, or a folder.",
        )
    return found


def _images_for(networks: Sequence[Trained], dataset: Dataset, wanted: Wanted) -> ImageSet:
    """The images of the split; says so where they are the test images.

    Raises:
        UsageError: a network learned from them, or the views do not suit them.
    """
    wanted.views.fitting(dataset.image_size)
    if wanted.views.mirrored and not dataset.flip:
        raise UsageError(
            f"The labels of {dataset.name} do not survive a mirror image, which {wanted.views.crops} shows.",
            hint=f"Use --views {without_mirrors(wanted.views).crops}.",
        )
    if wanted.split == "validation":
        for network in networks:
            if network.saw_validation and _trained_on(network, dataset):
                raise UsageError(
                    f"{network.name} was trained on these validation images, or on some of them.",
                    hint="Use --split test.",
                )
        return dataset.validation
    stderr.print(
        f"Reading the test images of {dataset.name}: whatever is chosen by them is no longer measured by them.",
        style="dim",
        soft_wrap=True,
    )
    return dataset.test()


def _trained_on(network: Trained, dataset: Dataset) -> bool:
    """Whether a network was trained on images of this dataset, however it is split here."""
    facts = network.run.settings().get("data", {}) if network.run else {}
    same = facts.get("name") == dataset.name and facts.get("classes") == list(dataset.classes)
    return same or network.fingerprint == dataset.fingerprint


def _normalised_for(network: Trained, dataset: Dataset, images: ImageSet) -> ImageSet:
    """The images as the network was trained to see them, as far as that is known."""
    facts = network.run.settings().get("data", {}) if network.run else {}
    if "mean" in facts and "std" in facts:
        trained_with = Normalisation(tuple(facts["mean"]), tuple(facts["std"]))
        return images if trained_with == images.normalisation else images.normalised(trained_with)
    if network.fingerprint != dataset.fingerprint:
        why = "it was trained on other images" if network.fingerprint else "nothing beside the weights says by which"
        stderr.print(
            f"{network.name}: normalised by the training images of {dataset.name}; {why}.", style="dim", soft_wrap=True
        )
    return images


def _require_fit(network: Trained, dataset: Dataset) -> None:
    """Check that a network was made for images like these; says so where their classes have other names.

    Raises:
        UsageError: it reads other channels, or tells another number of classes apart.
    """
    architecture = network.architecture
    for what, there, here in (
        ("channels", architecture.in_chans, dataset.in_chans),
        ("classes", architecture.num_classes, len(dataset.classes)),
    ):
        if there != here:
            raise UsageError(
                f"{network.name} was made for images with another number of {what} than those of {dataset.name}: "
                f"{there}, not {here}.",
                hint="Name the dataset that it was trained on, or one like it.",
            )
    names = network.run.settings().get("data", {}).get("classes", []) if network.run else []
    odd = [pair for pair in zip(names, dataset.classes, strict=False) if pair[0] != pair[1]]
    if odd:
        stderr.print(
            f"{network.name} was trained on classes with other names, such as {odd[0][0]} for {odd[0][1]}.",
            style="yellow",
            soft_wrap=True,
        )


def _document(networks: Sequence[Trained], judged: Sequence[Judged], dataset: Dataset, split: Split) -> dict[str, Any]:
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
                "name": each.name,
                "weights": str(network.weights),
                "architecture": json.loads(each.architecture.to_json()),
                "digest": each.architecture.digest,
                "params": cost_of(each.architecture).params,
                "flops": cost_of(each.architecture).flops,
                "evaluation": each.evaluation.document(),
            }
            for network, each in zip(networks, judged, strict=True)
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


def _write(out: Path, document: dict[str, Any], judged: Sequence[Judged]) -> list[Path]:
    """Write the document and its figures; returns their paths."""
    drawn = [Evaluated(each.name, kind_of(each.architecture), each.evaluation) for each in judged]
    files = {DOCUMENT_FILE: (json.dumps(document, indent=2) + "\n").encode(), **evaluation_figures(drawn)}
    for name, content in files.items():
        write_whole(out / name, content)
    return [out / name for name in files]


class _Progress:
    """One changing line on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, images: int) -> None:
        self._name = name
        self._images = images
        self._began = self._said = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> _Progress:
        text = f"{self._name}: {show_count(self._images, 'image')} ..."
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
        text = f"{self._name}: {done:,} of {show_count(total, 'image')}, about {show_seconds(left)} left"
        if self._status:
            self._status.update(Text(text))
        else:
            stderr.print(text, style="dim", soft_wrap=True)
