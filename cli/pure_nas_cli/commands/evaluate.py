"""pure-nas evaluate"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.status import Status
from rich.text import Text

from pure_nas.errors import RunError, UsageError
from pure_nas.quantities import counted, show_seconds
from pure_nas_cli.console import is_live, say_loading, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import DataDir, Device, ImageSize, Json, SkipCorrupt, aim_option, detail_option, expand

if TYPE_CHECKING:
    from pure_nas.data import Dataset, ImageSet
    from pure_nas.evaluation.evaluation import Evaluation
    from pure_nas.evaluation.noise import Noise
    from pure_nas.nn import Network
    from pure_nas.report.evaluation_tables import Named
    from pure_nas.run.images import Split, WantedImages
    from pure_nas.run.trained import Trained

DOCUMENT_FILE = "evaluation.json"
_SECONDS_BETWEEN_LINES = 30.0


def evaluate(
    network: Annotated[
        str,
        typer.Argument(
            metavar="RUN:TRIAL|WEIGHTS|ARCH",
            help="A trial such as runs/digits:best; a .safetensors file that pure-nas has written, or its folder; or "
            "an architecture such as pure20, with --weights.",
        ),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="Dataset to evaluate on (default: the one it was trained on)."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights for ARCH: a .safetensors file with the names of an exported network. Needs --dataset "
            "unless the training.json of pure-nas train is next to it.",
            callback=expand,
        ),
    ] = None,
    split: Annotated[
        Literal["test", "validation"], typer.Option(help="test, which no search reads, or validation.")
    ] = "test",
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN:TRIAL|WEIGHTS", help="Another network to compare with; may be repeated."),
    ] = None,
    conv_twin: Annotated[
        bool,
        typer.Option(
            "--conv-twin",
            help="Compare the retrained trial with the same network made of convolutions only, averaged over seeds.",
        ),
    ] = False,
    noise: Annotated[
        list[str] | None,
        aim_option(
            metavar="KIND[=LEVELS]",
            help="all (if left out), none, or poisson (photons of a white pixel), gaussian (standard deviation), "
            "salt-and-pepper (share of pixels), speckle (standard deviation), with levels as in gaussian=0.05,0.1; may "
            "be repeated.",
        ),
    ] = None,
    invariance: Annotated[
        bool, aim_option("--invariance", help="Also evaluate at 0.25 to 4 times the intensity.")
    ] = False,
    views: Annotated[
        Literal["whole", "flip", "five-crop", "ten-crop"],
        aim_option(help="Average over views of an image: flip, five-crop, ten-crop."),
    ] = "whole",
    scales: Annotated[
        str | None,
        aim_option(
            metavar="PIXELS",
            help="Average over image sizes, e.g. 256,288,320. five-crop and ten-crop cut the network's "
            "usual size (e.g. 224) from each; whole and flip show each in full.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write evaluation.json and figures (PNG, SVG) there.", callback=expand),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in that folder.")
    ] = False,
    device: Device = "auto",
    data_dir: DataDir = None,
    seed: Annotated[int, detail_option(min=0, metavar="N", help="Random seed for the noise.")] = 0,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    as_json: Json = False,
) -> None:
    """Evaluate a trained network: classes, confusions, calibration, noise.

    Uses the test images unless --split says otherwise. A score used for choosing is no longer an unbiased estimate.

    Example: [bold]pure-nas evaluate runs/digits:best --against runs/digits:0 --out evaluated[/bold]
    """
    with loading():
        say_loading()
        from pure_nas.devices import resolve_device
        from pure_nas.evaluation.evaluation import evaluate_network
        from pure_nas.evaluation.quality import USUAL_FACTORS
        from pure_nas.evaluation.views import Views
        from pure_nas.run.images import WantedImages
        from pure_nas.run.trained import images_for

    wanted = WantedImages(
        dataset=dataset, split=split, data_dir=data_dir, image_size=image_size, skip_corrupt=skip_corrupt
    )
    how = partial(
        evaluate_network,
        noises=_noises(noise or ["all"]),
        views=Views(views, _scales(scales)),
        factors=USUAL_FACTORS if invariance else (),
        seed=seed,
        device=resolve_device(device),
    )
    if out is not None:
        _require_free(out, overwrite=overwrite)
    names = [network, *(against or [])]
    networks, seeds, loaded = _networks_and_images(names, weights, wanted, conv_twin=conv_twin)
    images = images_for(networks, loaded, how.keywords["views"], wanted)
    how = partial(how, classes=loaded.classes)
    found = [_evaluate(*each, how) for each in zip(networks, seeds, images, strict=True)]
    document = _document(networks, found, loaded, split)
    written = _write(out, document, networks, found) if out is not None else []
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        named = [(each.name, evaluation) for each, evaluation in zip(networks, found, strict=True)]
        print_evaluations(named, f"{loaded.name}, {counted(len(images[0]), f'{split} image')}")
    if written:
        stderr.print(f"written: {written[0]} and {counted(len(written) - 1, 'figure file')}", soft_wrap=True)


def _noises(texts: list[str]) -> tuple[Noise, ...]:
    from pure_nas.evaluation.noise import noises_named

    try:
        return noises_named(texts)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--noise") from error


def _scales(text: str | None) -> tuple[int, ...]:
    parts = text.split(",") if text is not None else []
    if not all(part.strip().isascii() and part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f'"{text}" is no list of sizes such as 256,288,320', param_hint="--scales")
    return tuple(int(part) for part in parts)


def _require_free(out: Path, *, overwrite: bool) -> None:
    """Check, before anything is computed, that nothing is in the way."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file, not a folder.", hint="Choose another --out.")
    if (out / DOCUMENT_FILE).exists() and not overwrite:
        raise RunError(
            f"{out / DOCUMENT_FILE} exists; it is left alone.", hint="Choose another --out, or replace it: --overwrite."
        )


def _networks_and_images(
    names: Sequence[str], weights: Path | None, wanted: WantedImages, *, conv_twin: bool
) -> tuple[list[Trained], list[list[Network]], Dataset]:
    """What `names` mean, the first of them an architecture where `weights` are given, loaded, and the images to use."""
    from pure_nas.run.images import RunImages
    from pure_nas.run.trained import find_all_trained, find_with_conv_twins, require_file, with_weights

    if weights is None:
        first = find_with_conv_twins(names[0]) if conv_twin else []
        networks = [*first, *find_all_trained(names[1:] if first else names)]
        seeds = [each.load_all() for each in networks]  # before images are loaded, which may take long
        return networks, seeds, wanted.load(networks[0].name, networks[0].images, networks[0].architecture.image_size)
    if conv_twin:
        raise UsageError("--conv-twin takes a retrained trial of a search, so --weights does not go with it.")
    require_file(weights)
    others = find_all_trained(names[1:])
    dataset = wanted.load(str(weights), RunImages.of_weights(weights))
    networks = [with_weights(names[0], weights, dataset), *others]
    return networks, [each.load_all() for each in networks], dataset


def _evaluate(
    trained: Trained, seeds: Sequence[Network], images: ImageSet, how: Callable[..., Evaluation]
) -> Evaluation:
    """Evaluate a network, by the mean over its seeds where it was trained with several."""
    from pure_nas.evaluation.evaluation import pooled

    found = []
    for network in seeds:
        text = f"{trained.name}: {counted(len(images), 'image')} ..."
        live = stderr.status(Text(text)) if is_live(stderr) else None
        if live is None:
            stderr.print(text, style="dim", soft_wrap=True)
        with live or nullcontext():
            found.append(how(network, images, progress=_progress(trained.name, live)))
    return pooled(found)


def _progress(name: str, live: Status | None) -> Callable[[int, int], None]:
    """Says how far an evaluation is: on one changing line, or elsewhere than on a terminal by a line now and then."""
    began = said = time.monotonic()

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

    return show


def _document(
    networks: Sequence[Trained], found: Sequence[Evaluation], dataset: Dataset, split: Split
) -> dict[str, Any]:
    from pure_nas.cost.layers import cost_of

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
                "weights": [*map(str, network.weights)] if len(network.weights) > 1 else str(network.weights[0]),
                "architecture": json.loads(network.architecture.to_json()),
                "digest": network.architecture.digest,
                "params": cost_of(network.architecture).params,
                "flops": cost_of(network.architecture).flops,
                "evaluation": evaluation.document(),
            }
            for network, evaluation in zip(networks, found, strict=True)
        ],
    }


def _write(out: Path, document: dict[str, Any], networks: Sequence[Trained], found: Sequence[Evaluation]) -> list[Path]:
    """Write the document, then its figures, which may fail; returns their paths."""
    with loading():
        from pure_nas.files import write_whole
        from pure_nas.report.evaluation_charts import Evaluated, evaluation_figures
        from pure_nas.report.matplotlib_chart import figure_files

    write_whole(out / DOCUMENT_FILE, json.dumps(document, indent=2) + "\n")
    drawn = [
        Evaluated(network.name, network.architecture.kind, evaluation)
        for network, evaluation in zip(networks, found, strict=True)
    ]
    figures = dict(figure_files(evaluation_figures(drawn)))
    for name, content in figures.items():
        write_whole(out / name, content)
    return [out / name for name in (DOCUMENT_FILE, *figures)]


def print_evaluations(evaluated: Sequence[Named], subject: str) -> None:
    """Print every table that there is something for, and what is missing and why."""
    from pure_nas.report.evaluation_tables import evaluation_tables, faults_of
    from pure_nas_cli.terminal_table import print_tables

    print_tables(stdout, evaluation_tables(evaluated, subject))
    for fault in faults_of(evaluated):
        stdout.print(fault, style="yellow")
