"""Writing an exported network into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor

from pure_nas.errors import RunError, reason
from pure_nas.export.python import python_source
from pure_nas.files import write_whole
from pure_nas.paths import expanded
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE
from pure_nas.run.weights import weights_bytes
from pure_nas.space.architecture import Architecture

ExportFormat = Literal["python", "json", "safetensors"]

NETWORK_FILE = "network.py"


def write_export(
    directory: Path,
    architecture: Architecture,
    state_dict: Mapping[str, Tensor] | None,
    *,
    format: ExportFormat,  # noqa: A002 - the word of the command line
    classes: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    decoded_size: int | None = None,
    stored_size: int | None = None,
    title: str = "",
    notes: Sequence[str] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Write a network into `directory` and return the files, which are written whole.

    Args:
        directory: made where it does not exist.
        architecture: the network.
        state_dict: its weights; only the format "json" does without.
        format: "python" for network.py with weights and architecture, "safetensors" for weights and
            architecture, "json" for the architecture alone.
        classes: as in `python_source`, like `mean`, `std`, `decoded_size`, `stored_size`, `title` and `notes`.
        overwrite: whether files with other contents may be replaced.

    Raises:
        UsageError: weights are missing or do not fit the architecture.
        RunError: a file with other contents exists, or the folder cannot be written.
    """
    files: dict[str, bytes] = {}
    if format == "python":
        source = python_source(
            architecture,
            title=title,
            notes=notes,
            classes=classes,
            mean=mean,
            std=std,
            decoded_size=decoded_size,
            stored_size=stored_size,
        )
        files[NETWORK_FILE] = source.encode()
    if format != "json":
        files[WEIGHTS_FILE] = weights_bytes(architecture, state_dict)
    files[ARCHITECTURE_FILE] = architecture.to_json().encode()
    directory = expanded(directory)
    contents = {directory / name: data for name, data in files.items()}
    if not overwrite:
        for path, data in contents.items():
            _refuse_to_replace(path, data)
    for path, data in contents.items():
        write_whole(path, data)
    return list(contents)


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
