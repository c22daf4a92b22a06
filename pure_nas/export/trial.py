"""Exporting a network that a run has found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pure_nas.errors import RunError
from pure_nas.export.files import write_export
from pure_nas.results import TrialRecord, load_results
from pure_nas.run_directory import RunDirectory


def export_trial(
    run_path: Path,
    which: str,
    *,
    format: Literal["python", "json", "safetensors"] = "python",
    directory: Path | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the network of a trial to `directory`.

    Args:
        which: "best", "knee", "smallest" or a trial's number.
        directory: RUN/export/NUMBER where it is left out.

    Returns:
        The files that were written.

    Raises:
        RunError: the run or the weights are damaged, or a file that differs is in the way.
        UsageError: there is no such trial.
    """
    run = RunDirectory.open(run_path)
    record = load_results(run).select(which)
    data = run.settings().get("data", {})
    weights = {} if format == "json" else load_weights(run, record)
    return write_export(
        directory or run.path / "export" / f"{record.number:04d}",
        record.candidate.architecture,
        weights,
        format=format,
        classes=data.get("classes"),
        mean=data.get("mean"),
        std=data.get("std"),
        title=f'Trial {record.number} of the pure-nas study "{run.settings().get("study", run.path.name)}"',
        notes=[f"Validation error {record.error * 100:.2f} % on {data.get('name', 'its dataset')}, a single run."],
        overwrite=overwrite,
    )


def load_weights(run: RunDirectory, record: TrialRecord) -> Mapping[str, Tensor]:
    """The weights of a trial; of the one that it repeats, where it repeats one.

    Raises:
        RunError: they are missing or damaged.
    """
    path = run.trial(record.number if record.replay_of is None else record.replay_of).weights
    try:
        weights: Mapping[str, Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise RunError(f"The weights {path} are missing.", hint="Train the network again: pure-nas retrain.") from error
    except (OSError, SafetensorError) as error:
        raise RunError(f"The weights {path} are damaged: {error}.") from error
    return weights
