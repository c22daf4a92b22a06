"""A network for timm: a file that registers it, next to network.py and its weights."""

from __future__ import annotations

import warnings
from itertools import groupby
from pathlib import Path

from pure_nas.export.python_file import About, imported_beside, in_words, literal, template
from pure_nas.export.receipt import Predict, predictor
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import WEIGHTS_FILE
from pure_nas.space.architecture import Architecture

TIMM_FILE = "timm_network.py"


def timm_name(architecture: Architecture) -> str:
    """The name under which timm knows a network."""
    return f"pure_nas_{architecture.digest[:8]}"


def timm_source(architecture: Architecture, about: About) -> str:
    """The file that registers the network."""
    return template("timm_network.py.jinja").render(
        title=about.title or in_words(architecture),
        in_words=in_words(architecture),
        name=timm_name(architecture),
        network=architecture,
        stages=_stages(architecture),
        places=tuple(range(len(architecture.units))),
        mean=tuple(about.mean or (0.0,) * architecture.in_chans),
        std=tuple(about.std or (1.0,) * architecture.in_chans),
        classes=tuple(about.classes or ()),
        literal=literal,
        weights_file=WEIGHTS_FILE,
    )


def _stages(architecture: Architecture) -> list[dict[str, int]]:
    """Channels of the output of each stage, and how many pixels of the image each of its pixels stands for."""
    reduction = architecture.stem.stride * (2 if architecture.stem.pool else 1)
    found: list[dict[str, int]] = []
    for _, blocks in groupby(architecture.blocks(), key=lambda block: block.stage):
        for block in blocks:
            reduction *= block.stride
            channels = block.out_channels
        found.append({"channels": channels, "reduction": reduction})
    return found


def timm_predict(folder: Path, architecture: Architecture) -> Predict:
    """The network as timm creates it."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an earlier export of the same network is replaced
        with imported_beside(folder, TIMM_FILE), global_random_state(0):
            return predictor(timm.create_model(timm_name(architecture), pretrained=True).eval())
