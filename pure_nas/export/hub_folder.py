"""A network as a folder for the Hugging Face Hub: config.json, model.safetensors, the code, and a model card."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pure_nas.analysis.statistics import wilson_interval
from pure_nas.cost.layers import cost_of
from pure_nas.export.python_file import About, imported_beside, in_words, literal, template
from pure_nas.export.receipt import Predict, Receipt, predictor
from pure_nas.process_state import global_random_state
from pure_nas.quantities import show_percent
from pure_nas.space.architecture import Architecture

HUB_FILE, HUB_WEIGHTS, CONFIG_FILE, CARD_FILE = "hub_network.py", "model.safetensors", "config.json", "README.md"


def hub_source(architecture: Architecture, about: About) -> str:
    """The class that the Hub's library loads."""
    return template("hub_network.py.jinja").render(
        title=about.title or in_words(architecture),
        in_words=in_words(architecture),
        tags=_tags(architecture),
        literal=literal,
    )


def hub_config(architecture: Architecture, about: About) -> bytes:
    """config.json: what the network is shown, and what its logits mean."""
    names = list(about.classes or (f"class {place}" for place in range(architecture.num_classes)))
    document: dict[str, Any] = {
        "architectures": ["HubNetwork"],
        "num_labels": architecture.num_classes,
        "id2label": {str(place): name for place, name in enumerate(names)},
        "label2id": {name: place for place, name in enumerate(names)},
        "image_size": architecture.image_size,
        "num_channels": architecture.in_chans,
        "image_mean": about.mean,
        "image_std": about.std,
        "architecture": json.loads(architecture.to_json()),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def model_card(
    architecture: Architecture,
    about: About,
    receipt: Receipt,
    *,
    data: str = "",
    recipe: str = "",
) -> str:
    """What whoever takes the network from the Hub should know of it.

    Args:
        data: the images that it was trained on, in words.
        recipe: how it was trained, as JSON.
    """
    interval = ""
    if receipt.accuracy is not None:
        low, high = wilson_interval(round(receipt.accuracy * receipt.count), receipt.count)
        interval = f" ({100 * low:.2f} to {show_percent(high)}, 95 %)"
    return template("model_card.md.jinja").render(
        title=about.title or in_words(architecture),
        in_words=in_words(architecture),
        tags=_tags(architecture),
        network=architecture,
        cost=cost_of(architecture),
        data=data,
        mean=about.mean,
        notes=about.notes,
        recipe=recipe,
        receipt=receipt,
        interval=interval,
        show_percent=show_percent,
    )


def hub_predict(folder: Path) -> Predict:
    """The network as the Hub's library loads it."""
    # It says what it loads.
    with imported_beside(folder, HUB_FILE) as module, redirect_stdout(io.StringIO()), global_random_state(0):
        return predictor(module.HubNetwork.from_pretrained(str(folder)).eval())


def _tags(architecture: Architecture) -> list[str]:
    return ["image-classification", "neural-architecture-search", "product-units", *sorted(architecture.unit_set)]
