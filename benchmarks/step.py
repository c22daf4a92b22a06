"""Images per second of a training step: ours, a plain PyTorch script's and timm's, with and without the loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Row, Target
from benchmarks.images import load_dataset, pixels_of
from benchmarks.measure import Call, Timings, compiled, graphed, interleaved
from benchmarks.plain_training import PlainStep, make_loader, plain_network, sensible_workers
from benchmarks.setting import Setting, settings_of
from benchmarks.step_networks import CLASSES, OURS, Work, architecture, networks, timm_resnet, work_of
from pure_nas.data.image_set import HeldPixels, ImageSet, Normalisation
from pure_nas.devices import keep_freed_memory, resolve_device
from pure_nas.nn.network import build
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import CONV, PRODUCT
from pure_nas.training.training import Training


def one_step(network: nn.Module, work: Work, setting: Setting, mode: str) -> Call:
    """A training step on a batch that lies on the device, eager, compiled, or as a CUDA graph."""
    step = PlainStep(network, setting)
    if mode == "compiled":
        compiled(step.network)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(work.batch, 3, work.size, work.size, generator=generator)
    images = images.to(setting.device).contiguous(memory_format=setting.memory_format)
    labels = torch.randint(0, CLASSES, (work.batch,), generator=generator).to(setting.device)
    call = partial(step, images, labels)
    return graphed(call, setting.device) if mode == "graph" else call


_STEP_COLUMNS = (
    Column("setting", "setting"),
    Column("mode", "mode"),
    Column("network", "network"),
    Column("ms", "ms", ".1f"),
    Column("spread", "IQR", ".0%"),
    Column("images_per_second", "images/s", ",.0f"),
    Column("ratio", "x ResNet", ".2f"),
)


def step_rows(work: Work, setting: Setting, mode: str, rounds: int) -> list[Row]:
    """Times of a step of each network."""
    calls = {name: one_step(make(), work, setting, mode) for name, make in networks(work).items()}
    timings = interleaved(calls, setting.device, rounds=rounds, warmup=1)
    return [
        {
            "depth": work.label,
            "setting": setting.label,
            "mode": mode,
            "network": name,
            **timings.summary(name, "ResNet"),
            "images_per_second": work.batch / timings.median(name),
        }
        for name in calls
    ]


def images_for(work: Work, data: Path | None, count: int) -> tuple[ImageSet, str]:
    """Images of a size, and in words where they are from: a folder at 32 pixels, or noise in memory."""
    if data is not None and work.size == 32:
        images = load_dataset(data, image_size=32).train
        return images.subset(torch.arange(min(count, len(images)))), f"images of {data}"
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, work.size, work.size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    return ImageSet(HeldPixels(pixels), labels, Normalisation((0.5,) * 3, (0.25,) * 3)), "noise"


def plain_loader(
    images: ImageSet, batch: int, device: torch.device, workers: int
) -> torch.utils.data.DataLoader[tuple[Tensor, int]]:
    """The plain script's loader of the same images."""
    pixels = pixels_of(images).transpose(0, 2, 3, 1).copy()
    return make_loader(pixels, images.labels.numpy(), batch, device, workers)


def epoch_of(images: ImageSet, batch: int, device: torch.device) -> Callable[[], int]:
    """Everything that our loader does in an epoch."""
    generator = torch.Generator().manual_seed(0)

    def call() -> int:
        batches = images.batches(batch, device=device, generator=generator, augment=Recipe.usual(CONV))
        return sum(len(labels) for _, labels in batches)

    return call


_LOADER_COLUMNS = (
    Column("loader", "loader"),
    Column("images", "images"),
    Column("images_per_second", "images/s", ",.0f"),
    Column("ratio", "x", ".1f"),
)


def loader_rows(
    work: Work, data: Path | None, count: int, workers: int, rounds: int, device: torch.device
) -> list[Row]:
    """Images per second of the loaders alone: crop, flip, normalise, batch."""
    images, source = images_for(work, data, count)
    plain = {
        f"torchvision + DataLoader, {number} workers": plain_loader(images, work.batch, device, number)
        for number in dict.fromkeys((0, workers))
    }
    calls: dict[str, Call] = {name: partial(_exhaust, loader) for name, loader in plain.items()}
    calls["pure-nas"] = epoch_of(images, work.batch, device)
    timings = interleaved(calls, device, rounds=rounds, warmup=1)
    seen = {name: len(loader) * work.batch for name, loader in plain.items()} | {"pure-nas": len(images)}
    first = next(iter(calls))
    return [
        {
            "loader": name,
            "images": f"{source}, {work.size} px",
            "images_per_second": seen[name] / timings.median(name),
            "ratio": timings.ratio(first, name) * seen[name] / seen[first],
        }
        for name in calls
    ]


def _exhaust(loader: torch.utils.data.DataLoader[tuple[Tensor, int]]) -> None:
    for _ in loader:
        pass


_TRAINING_COLUMNS = (
    Column("depth", "depth"),
    Column("network", "network"),
    Column("training", "training"),
    Column("images_per_second", "images/s", ",.0f"),
    Column("spread", "IQR", ".0%"),
    Column("ratio", "x plain", ".2f"),
    Column("loader_share", "loader adds", ".1%"),
)


def training_rows(
    work: Work, name: str, data: Path | None, workers: int, rounds: int, device: torch.device
) -> list[Row]:
    """Whole epochs: pure-nas as a search trains, and the plain script; pure-nas also on batches that are ready."""
    images, _ = images_for(work, data, work.steps * work.batch)
    recipe = Recipe.usual(PRODUCT if name == "PURe" else CONV, epochs=100_000, batch_size=work.batch)
    training = Training(
        build(architecture(work, OURS[name])),
        recipe,
        train=images,
        validation=None,
        flip=True,
        device=device,
        seed=0,
    )
    ready = list(images.batches(work.batch, device=device))
    plain = _plain_epoch(work, name, images, workers, device)
    calls: dict[str, Call] = {
        "plain script": plain,
        "pure-nas": training.run_epoch,
        "pure-nas, batches ready": lambda: training.rehearse(ready),
        "pure-nas, loader alone": epoch_of(images, work.batch, device),
    }
    # The clock, also on a GPU: an epoch ends by waiting for it.
    timings = interleaved(calls, rounds=rounds, warmup=2)
    return [
        {
            "depth": work.label,
            "network": name,
            "training": each,
            "images_per_second": len(images) / timings.median(each),
            "spread": timings.spread(each),
            "ratio": timings.ratio("plain script", each),
            "loader_share": _loader_share(timings, device) if each == "pure-nas" else None,
        }
        for each in list(calls)[:3]
    ]


def _plain_epoch(work: Work, name: str, images: ImageSet, workers: int, device: torch.device) -> Call:
    """An epoch of the plain script, in the layout and precision in which pure-nas trains."""
    network = plain_network(work.depth, name == "PURe", CLASSES)
    step = PlainStep(network, Setting(channels_last=True, bfloat16=device.type == "cuda", device=device))
    return partial(step.epoch, plain_loader(images, work.batch, device, workers))


def _loader_share(timings: Timings, device: torch.device) -> float:
    """What the loader adds to a step. On a CPU it runs between steps, so its own time is what it adds."""
    ready = "pure-nas, batches ready"
    if device.type == "cuda":
        return timings.ratio("pure-nas", ready) - 1
    return timings.ratio("pure-nas, loader alone", ready)


def modes_on(device: torch.device, with_compiled: bool) -> Iterator[str]:
    """The ways in which a step is carried out."""
    yield "eager"
    if device.type == "cuda":
        yield "graph"
    if with_compiled:
        yield "compiled"


def main(
    device: str = "auto",
    depths: Annotated[str, typer.Option(help="18 or 6n + 2; 20,56,18 if left out, on a GPU also 110.")] = "",
    threads: int = 1,
    rounds: int = 5,
    workers: Annotated[int, typer.Option(help="Of the DataLoader; one a CPU, at most 8, if left out.")] = -1,
    data: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10 images; noise in memory if left out.")] = None,
    with_compiled: Annotated[bool, typer.Option("--compiled", help="torch.compile too (minutes more).")] = False,
    quick: Annotated[bool, typer.Option(help="Depth 8, tiny batches: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Images per second of training steps, of loaders, and of both together."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    where = resolve_device(device)
    workers = sensible_workers() if workers < 0 else workers
    usual = "20,56,110,18" if where.type == "cuda" else "20,56,18"
    chosen = [int(depth) for depth in (depths or usual).split(",")]
    if quick:
        chosen, rounds, workers = [8], 3, 0
    settings = {"depths": chosen, "rounds": rounds, "workers": workers, "data": str(data), "quick": quick}
    document = Document("step", where, settings)
    works = [work_of(depth, where, quick) for depth in chosen]
    found: list[Row] = []
    for work in works:
        rows = [
            row
            for setting in settings_of(where)
            for mode in modes_on(where, with_compiled)
            for row in step_rows(work, setting, mode, rounds)
        ]
        document.table(f"One step on a batch that is ready, depth {work.label}", _STEP_COLUMNS, rows)
        found += rows
    count = 256 if quick else 8192
    loaders = loader_rows(works[0], data, count, workers, rounds, where)
    document.table("Loaders alone", _LOADER_COLUMNS, loaders)
    trainings = [
        row for work in works for name in OURS for row in training_rows(work, name, data, workers, rounds, where)
    ]
    document.table("Training with the loader", _TRAINING_COLUMNS, trainings)
    _notes(document, where, data, workers, quick)
    _targets(document, where, found, loaders, trainings)
    document.write(json_file)


def _notes(document: Document, device: torch.device, data: Path | None, workers: int, quick: bool) -> None:
    document.note(
        "One loop for all networks in the first tables (benchmarks/plain_training.py). timm's ResNets have the same "
        "parameters and shapes as ours and ReLUs in place."
        if timm_resnet(20)
        else "timm is left out: it is not installed (uv sync --group benchmarks)."
    )
    document.note(
        f"Images of 32 px: {'noise in memory' if data is None else data}; of 224 px: noise. The plain script trains in "
        f"channels_last{' and bfloat16 autocast' if device.type == 'cuda' else ''}, as pure-nas does, and its "
        f"DataLoader has {workers} worker processes besides the threads of the step."
    )
    if quick:
        document.note("--quick: sizes so small that no number means anything.")


def _targets(
    document: Document,
    device: torch.device,
    steps: Sequence[Row],
    loaders: Sequence[Row],
    trainings: Sequence[Row],
) -> None:
    depth_20, depth_110 = (work_of(depth, device, quick=False).label for depth in (20, 110))
    if device.type == "cpu":
        for setting in settings_of(device):
            ratio = _find(steps, "ratio", depth=depth_20, setting=setting.label, network="PURe", mode="eager")
            if ratio is not None:
                bound = 1.4 if setting.bfloat16 else 1.10
                document.target(Target(f"PURe20 / ResNet20 step, {setting.label}", ratio, "at most", bound, "x"))
    else:
        last = settings_of(device)[-1].label
        eager, graph = (
            _find(steps, "ms", depth=depth_110, setting=last, network="PURe", mode=mode) for mode in ("eager", "graph")
        )
        if eager is not None and graph is not None:
            document.target(Target(f"PURe110, {last}: graphed against eager", eager / graph, "at least", 3.0, "x"))
    (ours,) = (row for row in loaders if row["loader"] == "pure-nas")
    document.target(Target("our loader alone", ours["images_per_second"], "at least", 50_000, "images/s"))
    for name in OURS:
        share = _find(trainings, "loader_share", network=name, training="pure-nas")
        if share is not None:
            what = f"loader's share of a step, {name} of the first depth"
            document.target(Target(what, 100 * share, "at most", 5, "%"))


def _find(rows: Sequence[Row], key: str, **wanted: str) -> float | None:
    """The number of the first row with these values; None where there is none."""
    return next((row[key] for row in rows if all(row[name] == value for name, value in wanted.items())), None)


if __name__ == "__main__":
    run_command(main)
