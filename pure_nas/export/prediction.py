"""Photographs classified by a network: that of a run or a training, of an exported folder, of an ONNX or .pt2 file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pure_nas.data.decode import IMAGE_EXTENSIONS, CorruptImageError, decode_image, scaled
from pure_nas.data.preprocessing import scale_and_shift
from pure_nas.errors import RunError, UsageError, reason
from pure_nas.export import NETWORK_FILE, require_packages
from pure_nas.export.hub_folder import HUB_WEIGHTS
from pure_nas.export.onnx_file import ONNX_FILE, metadata_of_onnx, onnx_predict
from pure_nas.export.program_file import PROGRAM_FILE, metadata_of_program, program_predict
from pure_nas.export.python_file import imported_network
from pure_nas.export.receipt import Floats, Predict, predictor
from pure_nas.run.directory import WEIGHTS_FILE
from pure_nas.run.selection import Origin, choose_trained
from pure_nas.space.architecture import Architecture

_BATCH = 64


@dataclass(frozen=True)
class Prediction:
    """What a network says of an image: classes with their probabilities, the most probable first.

    Attributes:
        fault: why there are none; empty where there are.
    """

    path: Path
    ranked: tuple[tuple[str, float], ...] = ()
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A network with what it needs to know of images and classes.

    Attributes:
        title: what it is, in words.
        shown: an image file's bytes to what the network is shown, (C, H, W).
    """

    title: str
    predict: Predict
    shown: Callable[[bytes], Floats]
    classes: tuple[str, ...]

    def __call__(self, paths: Sequence[Path], most: int = 5) -> Iterator[Prediction]:
        """Classify image files, in their order; what cannot be read has a fault.

        Args:
            most: how many classes are ranked.
        """
        for start in range(0, len(paths), _BATCH):
            found = {path: self._read(path) for path in paths[start : start + _BATCH]}
            images = [image for image in found.values() if not isinstance(image, str)]
            rows = iter(list(_probabilities(self.predict(np.stack(images)))) if images else [])
            for path, image in found.items():
                if isinstance(image, str):
                    yield Prediction(path, fault=image)
                    continue
                row = next(rows)
                order = np.argsort(-row, kind="stable")[:most]
                yield Prediction(path, tuple((self._name(int(place)), float(row[place])) for place in order))

    def _name(self, place: int) -> str:
        return self.classes[place] if place < len(self.classes) else f"class {place}"

    def _read(self, path: Path) -> Floats | str:
        try:
            return self.shown(path.read_bytes())
        except OSError as error:
            return reason(error)
        except (CorruptImageError, ValueError) as error:
            return str(error)


def classifier_of(
    path: Path, which: str | None = None, *, origin: Origin = "auto", seed: int | None = None
) -> Classifier:
    """The network at a path; of a run, that of a trial, as `Run.load` takes them.

    Raises:
        UsageError: there is no such network or trial.
        RunError: a file is damaged, or does not say how images are shown.
    """
    file = next((path / name for name in (NETWORK_FILE, ONNX_FILE, PROGRAM_FILE) if (path / name).is_file()), path)
    if file.is_file() and which is None and seed is None and origin == "auto":
        return _of_file(file)
    if file != path or path.is_file():
        raise UsageError(
            f"{path} holds one network, so there is nothing to choose.", hint="Omit --trial, --seed and --from."
        )
    trained = choose_trained(path, which, origin=origin, seed=seed)
    if trained.images is None:
        raise RunError(f"{path} does not say which images its network was trained on.")
    facts, network = trained.images.facts, trained.load()
    return _classifier(trained.title, predictor(network), trained.architecture, facts)


def _of_file(file: Path) -> Classifier:
    match file.suffix:
        case ".py":
            return _of_source(file)
        case ".onnx":
            require_packages("onnx")
            facts = _decoded(metadata_of_onnx(file))
            return _classifier(str(file), onnx_predict(file), None, facts)
        case ".pt2":
            facts = _decoded(metadata_of_program(file))
            return _classifier(str(file), program_predict(file), None, facts)
    raise UsageError(
        f"{file} is no network that can be run.",
        hint=f"Name a run, a folder that export has written, or its {NETWORK_FILE}, {ONNX_FILE} or {PROGRAM_FILE}.",
    )


def _of_source(file: Path) -> Classifier:
    """An exported network.py, which decodes images itself."""
    weights = HUB_WEIGHTS if (file.parent / HUB_WEIGHTS).is_file() else WEIGHTS_FILE
    module, network = imported_network(file, weights)
    if not hasattr(module, "preprocess"):
        raise RunError(f"{file} does not decode images: they have {module.IN_CHANS} channels.")

    def shown(data: bytes) -> Floats:
        return _of_decoder(lambda: module.preprocess(_image(data)).numpy())

    return Classifier(
        title=str(file),
        predict=predictor(network),
        shown=shown,
        classes=tuple(getattr(module, "CLASSES", ())),
    )


def _image(data: bytes) -> Any:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(data))


def _of_decoder(decode: Callable[[], Floats]) -> Floats:
    try:
        return decode()
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        raise CorruptImageError(str(error) or type(error).__name__) from error


def _decoded(metadata: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in metadata.items() if name not in ("title", "architecture", "input")}


def _classifier(
    title: str, predict: Predict, architecture: Architecture | None, facts: Mapping[str, Any]
) -> Classifier:
    try:
        in_chans = architecture.in_chans if architecture else facts["in_chans"]
        size = architecture.image_size if architecture else facts["image_size"]
        stored = facts.get("stored_size") or size
        decoded = facts.get("decoded_size") or stored
        scale, shift = scale_and_shift(tuple(facts["mean"]), tuple(facts["std"]))
    except KeyError as error:
        raise RunError(f"{title} does not say how it was shown images: {error} is missing.") from error
    if in_chans not in (1, 3):
        raise UsageError(f"{title} takes images of {in_chans} channels, which image files do not have.")
    start = (stored - size) // 2

    def shown(data: bytes) -> Floats:
        pixels = decode_image(data, decoded, in_chans)
        small = scaled(pixels[None], stored)[0, :, start : start + size, start : start + size]
        found: Floats = (small.float() * scale + shift).numpy()
        return found

    return Classifier(title=title, predict=predict, shown=shown, classes=tuple(facts.get("classes") or ()))


def _probabilities(logits: Floats) -> Floats:
    found: Floats = torch.from_numpy(logits).double().softmax(1).float().numpy()
    return found


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The files that paths name, and the images in folders among them, by name.

    Raises:
        UsageError: a path is not there, or there is no file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                each for each in path.rglob("*") if each.is_file() and each.name.lower().endswith(IMAGE_EXTENSIONS)
            )
        elif path.exists():
            found.append(path)
        else:
            raise UsageError(f"There is no image {path}.")
    if not found:
        raise UsageError("There is no image to classify.", hint="Name image files, or folders of them.")
    return found
