"""Exporting a network that a run has found."""

from __future__ import annotations

from pathlib import Path

from pure_nas.export.files import ExportFormat, write_export
from pure_nas.nn.weights import read_weights
from pure_nas.results import load_results
from pure_nas.run_directory import RunDirectory


def export_trial(
    run_path: Path,
    which: str,
    *,
    format: ExportFormat = "python",  # noqa: A002 - the word of the command line
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
    trained = record.number if record.replay_of is None else record.replay_of
    weights = None if format == "json" else read_weights(run.trial(trained).weights)
    return write_export(
        directory or run.path / "export" / f"{record.number:04d}",
        record.candidate.architecture,
        weights,
        format=format,
        classes=data.get("classes"),
        mean=data.get("mean"),
        std=data.get("std"),
        decoded_size=data.get("decoded_size"),
        stored_size=data.get("stored_size"),
        title=f'Trial {record.number} of the pure-nas study "{run.settings().get("study", run.path.name)}"',
        notes=[f"Validation error {record.error * 100:.2f} % on {data.get('name', 'its dataset')}, a single run."],
        overwrite=overwrite,
    )
