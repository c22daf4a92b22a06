"""pure-nas evaluate"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rich.text import Text

from pure_nas.errors import RunError
from pure_nas.paths import require_folder
from pure_nas.quantities import counted, show_seconds
from pure_nas.run.schema import LARGEST
from pure_nas_cli.console import is_live, print_json, say_loading, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import DataDir, Device, ImageSize, Json, Overwrite, SkipCorrupt, argument, option

if TYPE_CHECKING:
    from pure_nas.data.dataset import Dataset
    from pure_nas.data.image_set import ImageSet
    from pure_nas.evaluation.evaluation import Evaluation
    from pure_nas.nn.network import Network
    from pure_nas.report.evaluation_tables import Named
    from pure_nas.run.images import Split
    from pure_nas.run.trained import Trained

DOCUMENT_FILE = "evaluation.json"
_SECONDS_BETWEEN_LINES = 30.0


def _sizes_of(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(f'"{text}" is not a list of sizes such as 256,288,320')
    return tuple(map(int, parts))


def evaluate(
    network: Annotated[str, argument("evaluate.network")],
    dataset: Annotated[str | None, option("evaluate.dataset")] = None,
    weights: Annotated[Path | None, option("evaluate.weights")] = None,
    split: Annotated[Literal["test", "validation"], option("evaluate.split")] = "test",
    against: Annotated[list[str] | None, option("evaluate.against")] = None,
    conv_twin: Annotated[bool, option("evaluate.conv_twin", "--conv-twin")] = False,
    noise: Annotated[list[str] | None, option("evaluate.noise")] = None,
    invariance: Annotated[bool, option("evaluate.invariance", "--invariance")] = False,
    views: Annotated[Literal["whole", "flip", "five-crop", "ten-crop"], option("evaluate.views")] = "whole",
    scales: Annotated[Any, option("evaluate.scales", parser=_sizes_of)] = None,
    output: Annotated[Path | None, option("evaluate.output", "--output", "-o")] = None,
    earlier_output: Annotated[Path | None, option("evaluate.output", "--out", hidden=True)] = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    data_dir: DataDir = None,
    seed: Annotated[int, option("evaluate.seed", min=0, max=LARGEST)] = 0,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    as_json: Json = False,
) -> None:
    with loading():
        say_loading()
        from pure_nas.devices import resolve_device
        from pure_nas.evaluation.evaluation import evaluate_network, pooled
        from pure_nas.evaluation.noise import noises_named
        from pure_nas.evaluation.quality import USUAL_FACTORS
        from pure_nas.evaluation.views import Views
        from pure_nas.run.images import WantedImages
        from pure_nas.run.trained import images_for, load_networks

    wanted = WantedImages(
        dataset=dataset, split=split, data_dir=data_dir, image_size=image_size, skip_corrupt=skip_corrupt
    )
    noises, shown, on = noises_named(noise or ["all"]), Views(views, tuple(scales or ())), resolve_device(device)
    if folder := output or earlier_output:
        require_folder(folder, hint="Choose another --output.")
        if (file := folder / DOCUMENT_FILE).exists() and not overwrite:
            raise RunError(f"{file} exists; it is left alone.", hint="Choose another --output, or say --overwrite.")
    names = [network, *(against or [])]
    networks, seeds, loaded = load_networks(names, wanted, weights=weights, conv_twin=conv_twin)
    how = partial(
        evaluate_network,
        device=on,
        classes=loaded.classes,
        noises=noises,
        views=shown,
        factors=USUAL_FACTORS if invariance else (),
        seed=seed,
    )
    images = images_for(networks, loaded, shown, wanted)
    # By the mean over its seeds where a network was trained with several.
    found = [
        (trained, pooled([_evaluate(trained.name, each, seen, how) for each in of_seeds]))
        for trained, of_seeds, seen in zip(networks, seeds, images, strict=True)
    ]
    document = _document(found, loaded, split)
    written = _write(folder, document, found) if folder else []
    if as_json:
        print_json(document)
    else:
        named = [(trained.name, evaluation) for trained, evaluation in found]
        print_evaluations(named, f"{loaded.name}, {counted(len(images[0]), f'{split} image')}")
    if written:
        stderr.print(f"written: {written[0]} and {counted(len(written) - 1, 'figure file')}", soft_wrap=True)


def _evaluate(name: str, network: Network, images: ImageSet, how: Callable[..., Evaluation]) -> Evaluation:
    """Evaluate, and say how far it is: on one changing line, or elsewhere than on a terminal by a line now and then."""
    began = said = time.monotonic()
    text = f"{name}: {counted(len(images), 'image')} ..."
    live = stderr.status(Text(text)) if is_live(stderr) else None
    if live is None:
        stderr.print(text, style="dim", soft_wrap=True)

    def show(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        left = (now - began) / done * (total - done)
        text = f"{name}: {done:,} of {counted(total, 'image')}, about {show_seconds(left)} left"
        if live:
            live.update(Text(text))
        elif now - said >= _SECONDS_BETWEEN_LINES and done < total:
            said = now
            stderr.print(text, style="dim", soft_wrap=True)

    with live or nullcontext():
        return how(network, images, progress=show)


def _document(found: Sequence[tuple[Trained, Evaluation]], dataset: Dataset, split: Split) -> dict[str, Any]:
    from pure_nas.cost.layers import cost_of
    from pure_nas.report.evaluation_tables import paired_with_first

    compared = paired_with_first([(trained.name, evaluation) for trained, evaluation in found])
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
                "name": trained.name,
                "weights": [*map(str, trained.weights)] if len(trained.weights) > 1 else str(trained.weights[0]),
                "architecture": json.loads(trained.architecture.to_json()),
                "digest": trained.architecture.digest,
                "params": cost_of(trained.architecture).params,
                "flops": cost_of(trained.architecture).flops,
                "evaluation": evaluation.document(),
            }
            for trained, evaluation in found
        ],
        "comparisons": compared.records() if compared else [],
    }


def _write(folder: Path, document: dict[str, Any], found: Sequence[tuple[Trained, Evaluation]]) -> list[Path]:
    with loading():
        from pure_nas.files import write_whole
        from pure_nas.report.evaluation_charts import Evaluated, evaluation_figures
        from pure_nas.report.matplotlib_chart import write_figures

    write_whole(folder / DOCUMENT_FILE, json.dumps(document, indent=2) + "\n")
    drawn = [Evaluated(trained.name, trained.architecture.kind, evaluation) for trained, evaluation in found]
    return [folder / DOCUMENT_FILE, *write_figures(folder, evaluation_figures(drawn))]


def print_evaluations(evaluated: Sequence[Named], subject: str) -> None:
    """Print every table that there is something for, and what is missing and why."""
    from pure_nas.report.evaluation_tables import evaluation_tables
    from pure_nas.report.notes import notes
    from pure_nas_cli.terminal_table import print_tables

    print_tables(stdout, evaluation_tables(evaluated, subject))
    for name, evaluation in evaluated:
        for fault in notes("faults", name, evaluation.quality):
            stdout.print(fault, style="yellow")
