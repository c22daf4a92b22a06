"""Writing an exported network into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Unpack

from torch import Tensor

from pure_nas.errors import RunError, reason
from pure_nas.export.python import NETWORK_FILE, About, python_source
from pure_nas.files import write_whole
from pure_nas.paths import expanded
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

ExportFormat = Literal["python", "json", "safetensors"]


def write_export(
    directory: Path,
    architecture: Architecture,
    state_dict: Mapping[str, Tensor] | None,
    *,
    format: ExportFormat,  # noqa: A002 - the word of the command line
    overwrite: bool = False,
    **about: Unpack[About],
) -> list[Path]:
    """Write a network into `directory`, which is made where it does not exist, and return the files.

    Args:
        state_dict: its weights; only the format "json" does without.
        format: "python" for network.py with weights and architecture, "safetensors" for weights and
            architecture, "json" for the architecture alone.
        overwrite: whether files with other contents may be replaced.
        about: as in `python_source`.

    Raises:
        UsageError: weights are missing or do not fit the architecture.
        RunError: a file with other contents exists, or the folder cannot be written.
    """
    directory = expanded(directory)
    files: dict[Path, bytes] = {}
    if format == "python":
        files[directory / NETWORK_FILE] = python_source(architecture, **about).encode()
    if format != "json":
        files[directory / WEIGHTS_FILE] = weights_bytes(architecture, state_dict)
    files[directory / ARCHITECTURE_FILE] = architecture.to_json().encode()
    if not overwrite:
        for path, data in files.items():
            _refuse_to_replace(path, data)
    for path, data in files.items():
        write_whole(path, data)
    return list(files)


def _refuse_to_replace(path: Path, data: bytes) -> None:
    try:
        same = path.read_bytes() == data
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{path} cannot be written: {reason(error)}.", hint="Choose another folder.") from error
    if not same:
        raise RunError(
            f"{path} exists and is different; it is left alone.",
            hint="Choose another folder, or replace it with --overwrite (overwrite=True).",
        )
