"""Internal: a network as files: one Python file that works without pure-nas, its weights, its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from torch import Tensor

from pure_nas.errors import RunError
from pure_nas.export.python_file import About, python_source
from pure_nas.files import bytes_of, write_whole
from pure_nas.paths import expanded, require_folder
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE
from pure_nas.run.trained import Trained
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

__all__ = ["About", "ExportFormat", "export_trained", "python_source", "write_export"]

ExportFormat = Literal["python", "json", "safetensors"]
"""python: network.py with weights and architecture; safetensors: weights and architecture; json: the architecture."""


def export_trained(
    trained: Trained,
    directory: Path | None = None,
    *,
    format: ExportFormat = "python",  # noqa: A002 - the word of the command line
    overwrite: bool = False,
) -> list[Path]:
    """Write a trained network into `directory`, by default its own, with what is known of it; returns the files."""
    facts = trained.images.facts if trained.images else {}
    of_images = {name: facts.get(name) for name in ("classes", "mean", "std", "decoded_size", "stored_size")}
    return write_export(
        directory or trained.directory,
        trained.architecture,
        None if format == "json" else trained.load().state_dict(),
        About(title=trained.title, notes=trained.notes, **of_images),
        format=format,
        overwrite=overwrite,
    )


def write_export(
    directory: Path,
    architecture: Architecture,
    state_dict: Mapping[str, Tensor] | None,
    about: About | None = None,
    *,
    format: ExportFormat,  # noqa: A002 - the word of the command line
    overwrite: bool = False,
) -> list[Path]:
    """Write a network into `directory`, made where it does not exist, and return the files; "json" needs no weights."""
    directory = expanded(directory)
    require_folder(directory, hint="Choose another folder.")
    files: dict[Path, bytes] = {}
    if format == "python":
        files[directory / "network.py"] = python_source(architecture, about or About()).encode()
    if format != "json":
        files[directory / WEIGHTS_FILE] = weights_bytes(architecture, state_dict)
    files[directory / ARCHITECTURE_FILE] = architecture.to_json().encode()
    for path, data in () if overwrite else files.items():
        if path.is_file() and bytes_of(path) != data:
            raise RunError(
                f"{path} exists and differs; it is not replaced.",
                hint="Choose another folder, or replace it with --overwrite (overwrite=True).",
            )
    for path, data in files.items():
        write_whole(path, data)
    return list(files)
