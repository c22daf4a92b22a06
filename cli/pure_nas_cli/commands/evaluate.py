"""pure-nas evaluate"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import DataDir, ImageSize, Json, SkipCorrupt, expand

if TYPE_CHECKING:
    from pure_nas.evaluation import Noise, NoiseKind


class Split(StrEnum):
    """Which images."""

    test = "test"
    validation = "validation"


class Crops(StrEnum):
    """What is shown of an image."""

    whole = "whole"
    flip = "flip"
    five_crop = "five-crop"
    ten_crop = "ten-crop"


_JUDGES = "What counts"
_ALONE = ("all", "none")
"""What --noise takes beside kinds of noise, but not in one list with them."""


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
    split: Annotated[Split, typer.Option(help="test, which no search reads, or validation.")] = (Split.test),
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
        typer.Option(
            metavar="KIND[=LEVELS]",
            help="all (if left out), none, or poisson (photons of a white pixel), gaussian (standard deviation), "
            "salt-and-pepper (share of pixels), speckle (standard deviation), with levels as in gaussian=0.05,0.1; may "
            "be repeated.",
            rich_help_panel=_JUDGES,
        ),
    ] = None,
    invariance: Annotated[
        bool,
        typer.Option("--invariance", help="Also evaluate at 0.25 to 4 times the intensity.", rich_help_panel=_JUDGES),
    ] = False,
    views: Annotated[
        Crops, typer.Option(help="Average over views of an image: flip, five-crop, ten-crop.", rich_help_panel=_JUDGES)
    ] = Crops.whole,
    scales: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Average over image sizes, e.g. 256,288,320. five-crop and ten-crop cut the network's "
            "usual size (e.g. 224) from each; whole and flip show each in full.",
            rich_help_panel=_JUDGES,
        ),
    ] = None,
    data_dir: DataDir = None,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    device: Annotated[
        str,
        typer.Option(metavar="NAME", help="Device: cpu, cuda or cuda:N; auto uses a GPU if there is one."),
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed for the noise.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write evaluation.json and figures (PNG, SVG) there.", callback=expand),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier evaluation in that folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Evaluate a trained network: classes, confusions, calibration, noise.

    Uses the test images unless --split says otherwise. A score used for choosing is no longer an unbiased estimate.

    Example: [bold]pure-nas evaluate runs/digits:best --against runs/digits:0 --out judged[/bold]
    """
    with loading():
        stderr.print("Loading PyTorch and the images ...", style="dim")
        from pure_nas.evaluation import USUAL_FACTORS, Views
        from pure_nas.run.evaluated_images import WantedImages
        from pure_nas_cli.evaluate_run import Wanted, run_evaluation

    wanted = Wanted(
        images=WantedImages(
            dataset=dataset,
            split=split.value,
            data_dir=data_dir,
            image_size=image_size,
            skip_corrupt=skip_corrupt,
        ),
        weights=weights,
        conv_twin=conv_twin,
        noises=_noises(noise or ["all"]),
        views=Views(views.value, _scales(scales)),
        factors=USUAL_FACTORS if invariance else (),
        seed=seed,
        device=device,
    )
    run_evaluation([network, *(against or [])], wanted, out, overwrite=overwrite, as_json=as_json)


def _noises(texts: list[str]) -> tuple[Noise, ...]:
    """The noises that --noise names, each once.

    Raises:
        UsageError: a level cannot be had.
        BadParameter: a kind is unknown, all or none is not alone, or a level is no number.
    """
    from pure_nas.evaluation import NOISE_KINDS, Noise, usual_noises

    found: list[Noise] = []
    for text in texts:
        kind, equals, levels = text.partition("=")
        if equals:
            found += [Noise(_kind(kind, text), _number(level, text)) for level in levels.split(",")]
        elif text == "all":
            found += usual_noises()
        elif text == "none":
            if len(texts) > 1:
                others = ", ".join(other for other in texts if other != "none")
                raise typer.BadParameter(
                    f"none means no noise at all, but {others or 'it twice'} is given too", param_hint="--noise"
                )
        else:
            kinds = [_kind(name.strip(), text) for name in text.split(",")]
            found += usual_noises([each for each in NOISE_KINDS if each in kinds])
    return tuple(dict.fromkeys(found))


def _kind(name: str, whole: str) -> NoiseKind:
    from pure_nas.errors import nearest
    from pure_nas.evaluation import NOISE_KINDS

    if name in _ALONE:
        raise typer.BadParameter(f'{name} stands alone, not as in "{whole}"', param_hint="--noise")
    found = next((kind for kind in NOISE_KINDS if kind == name), None)
    if found is None:
        known = nearest(name, [*NOISE_KINDS, *_ALONE])
        raise typer.BadParameter(
            f'there is no noise "{name}"; {known}; {" and ".join(_ALONE)} stand alone', param_hint="--noise"
        )
    return found


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(
            f'"{text}" in "{whole}" is no level; give numbers, such as gaussian=0.05,0.1', param_hint="--noise"
        ) from error


def _scales(text: str | None) -> tuple[int, ...]:
    parts = text.split(",") if text is not None else []
    if not all(part.strip().isascii() and part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f'"{text}" is no list of sizes such as 256,288,320', param_hint="--scales")
    return tuple(int(part) for part in parts)
