"""Internal: a trained network as files that work without pure-nas, compared with it before they are written."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from pure_nas.errors import PureNasError, RunError, UsageError
from pure_nas.export.hub_folder import (
    CARD_FILE,
    CONFIG_FILE,
    HUB_FILE,
    HUB_WEIGHTS,
    hub_config,
    hub_predict,
    hub_source,
    model_card,
)
from pure_nas.export.onnx_file import ONNX_FILE, metadata, onnx_bytes, onnx_predict, quantized
from pure_nas.export.program_file import PROGRAM_FILE, program_bytes, program_predict
from pure_nas.export.python_file import About, imported_network, python_source
from pure_nas.export.receipt import RECEIPT_FILE, Predict, Receipt, Sample, predictor, receipt_of
from pure_nas.export.timm_file import TIMM_FILE, timm_predict, timm_source
from pure_nas.files import bytes_of, write_whole
from pure_nas.nn.folding import folded
from pure_nas.paths import expanded, require_folder
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE
from pure_nas.run.trained import Trained
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

__all__ = ["About", "Export", "ExportFormat", "Quantization", "export_trained", "python_source", "write_export"]

ExportFormat = Literal["python", "onnx", "pt2", "timm", "hf", "safetensors", "json"]
"""python: network.py with weights and architecture; onnx and pt2: the network for ONNX Runtime, and for PyTorch without
a class; timm: the same as python, registered with timm; hf: a folder for the Hugging Face Hub; safetensors: weights and
architecture; json: the architecture."""
Quantization = Literal["int8"]

NETWORK_FILE = "network.py"
_PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "timm": ("timm",), "hf": ("huggingface_hub",)}
_RUNTIMES = {
    "onnx": ("ONNX Runtime", "onnxruntime"),
    "timm": ("timm", "timm"),
    "hf": ("the Hub's library", "huggingface_hub"),
}
_TRACED = ("onnx", "pt2")


@dataclass(frozen=True)
class Export:
    """Files that were written, and what they were found to do; None where there is nothing to run."""

    files: list[Path]
    receipt: Receipt | None


def export_trained(
    trained: Trained,
    directory: Path | None = None,
    *,
    format: ExportFormat = "python",  # noqa: A002 - the word of the command line
    quantize: Quantization | None = None,
    fold_norms: bool = False,
    overwrite: bool = False,
) -> Export:
    """Write a trained network into `directory`, by default its own, with what is known of it.

    What can run is loaded again and compared with the trained network on its validation images first.

    Raises:
        UsageError: options that do not go together.
        RunError: a file that differs is in the way.
        PureNasError: a package is missing, or what was exported computes something else.
    """
    _require_sense(format, quantize, fold_norms)
    facts = trained.images.facts if trained.images else {}
    of_images = {name: facts.get(name) for name in ("classes", "mean", "std", "decoded_size", "stored_size")}
    about = About(title=trained.title, notes=trained.notes, **of_images)
    directory, architecture = directory or trained.directory, trained.architecture
    if format == "json":
        return Export(_written(directory, _files(architecture, None, about, format), overwrite), None)
    network = trained.load()
    files, settings = _files(architecture, network.state_dict(), about, format), dict[str, Any]()
    if format == "safetensors":
        return Export(_written(directory, files, overwrite), None)
    sample = Sample.of(trained)
    with tempfile.TemporaryDirectory(prefix="pure-nas-export-") as scratch:
        folder = Path(scratch)
        _put(folder, files)
        _, plain = imported_network(folder / NETWORK_FILE, HUB_WEIGHTS if format == "hf" else WEIGHTS_FILE)
        if format in _TRACED:
            files, settings = _traced(folded(network) if fold_norms else plain, architecture, about, format)
            settings |= {"norms": "folded"} if fold_norms else {}
        if quantize:
            files[ONNX_FILE], of_quantizing = quantized(files[ONNX_FILE], sample)
            settings |= of_quantizing
        _put(folder, files)
        receipt = receipt_of(
            format,
            _runtime(format),
            network,
            _opened(folder, format, architecture, plain),
            sample,
            list(files.values()),
            quantized=quantize is not None,
            settings=settings,
        )
    if receipt.fault:
        raise PureNasError(receipt.fault, hint="Nothing was written. Export another format, and report this.")
    if format == "hf":
        data = trained.images_in_words
        card = model_card(architecture, about, receipt, data=data, recipe=trained.recipe_json)
        files[CARD_FILE] = card.encode()
    return Export(_written(directory, files, overwrite, receipt), receipt)


def write_export(
    directory: Path,
    architecture: Architecture,
    state_dict: Mapping[str, Tensor] | None,
    about: About | None = None,
    *,
    format: Literal["python", "json", "safetensors"],  # noqa: A002 - the word of the command line
    overwrite: bool = False,
) -> list[Path]:
    """Write a network into `directory`, made where it does not exist, and return the files; "json" needs no weights."""
    return _written(directory, _files(architecture, state_dict, about or About(), format), overwrite)


def require_packages(format_name: str) -> None:
    """Check that what a format needs is installed, else raise a `PureNasError`."""
    missing = [name for name in _PACKAGES.get(format_name, ()) if importlib.util.find_spec(name) is None]
    if missing:
        raise PureNasError(
            f"The format {format_name} needs {' and '.join(missing)}.",
            hint=f'Install it: pip install "pure-nas[{format_name}]"',
        )


def _require_sense(format_name: ExportFormat, quantize: Quantization | None, fold_norms: bool) -> None:
    if quantize and format_name != "onnx":
        raise UsageError(f"The format {format_name} is not quantized.", hint="Use --format onnx.")
    if fold_norms and format_name not in _TRACED:
        raise UsageError(
            f"Norms are not folded in the format {format_name}, whose layers are those that were trained.",
            hint=f"Use --format {' or '.join(_TRACED)}.",
        )
    require_packages(format_name)


def _files(
    architecture: Architecture, state_dict: Mapping[str, Tensor] | None, about: About, format_name: ExportFormat
) -> dict[str, bytes]:
    """What a format consists of; of one that is traced, what it is traced from."""
    weights_file = HUB_WEIGHTS if format_name == "hf" else WEIGHTS_FILE
    files: dict[str, bytes] = {}
    if format_name not in ("json", "safetensors"):
        files[NETWORK_FILE] = python_source(architecture, about, weights_file).encode()
    if format_name == "timm":
        files[TIMM_FILE] = timm_source(architecture, about).encode()
    if format_name == "hf":
        files[HUB_FILE] = hub_source(architecture, about).encode()
        files[CONFIG_FILE] = hub_config(architecture, about)
    if format_name != "json":
        files[weights_file] = weights_bytes(architecture, state_dict)
    return files | {ARCHITECTURE_FILE: architecture.to_json().encode()}


def _traced(
    network: nn.Module, architecture: Architecture, about: About, format_name: ExportFormat
) -> tuple[dict[str, bytes], dict[str, Any]]:
    if format_name == "onnx":
        data, settings = onnx_bytes(network, architecture, about)
        return {ONNX_FILE: data}, settings
    data, settings = program_bytes(network, architecture, metadata(architecture, about))
    return {PROGRAM_FILE: data}, settings


def _runtime(format_name: ExportFormat) -> str:
    name, package = _RUNTIMES.get(format_name, ("PyTorch", "torch"))
    return f"{name} {version(package)}"


def _opened(folder: Path, format_name: ExportFormat, architecture: Architecture, plain: nn.Module) -> Predict:
    """What the runtime of a format makes of its files."""
    match format_name:
        case "onnx":
            return onnx_predict(folder / ONNX_FILE)
        case "pt2":
            return program_predict(folder / PROGRAM_FILE)
        case "timm":
            return timm_predict(folder, architecture)
        case "hf":
            return hub_predict(folder)
    return predictor(plain)


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        write_whole(folder / name, data)


def _written(
    directory: Path, files: Mapping[str, bytes], overwrite: bool, receipt: Receipt | None = None
) -> list[Path]:
    directory = expanded(directory)
    require_folder(directory, hint="Choose another folder.")
    for name, data in () if overwrite else files.items():
        path = directory / name
        if path.is_file() and bytes_of(path) != data:
            raise RunError(
                f"{path} exists and differs; it is not replaced.",
                hint="Choose another folder, or replace it with --overwrite (overwrite=True).",
            )
    # The receipt of an equal export may differ in its times, and in nothing else.
    every = {**files, **({RECEIPT_FILE: receipt.json} if receipt else {})}
    _put(directory, every)
    return [directory / name for name in every]
