"""ARCH on the command line: a name, a file, or a trial of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pure_nas.errors import UsageError

if TYPE_CHECKING:
    from pure_nas.data import Dataset
    from pure_nas.space.architecture import Architecture
    from pure_nas.space.candidate import Candidate

ARCHITECTURE_HELP = (
    "A name (pure20, resnet56, log-conv-20 ...), an architecture.json, or RUN:TRIAL such as runs/digits:best, "
    "runs/digits:knee or runs/digits:7."
)


def find_architecture(text: str) -> Architecture:
    """The architecture that ARCH names.

    Raises:
        UsageError: nothing is called that.
        PureNasError: the file or the run is damaged.
    """
    from pure_nas.space.architecture import Architecture

    trial = find_trial(text)
    if trial is not None:
        return trial.architecture
    if text.endswith(".json"):
        return Architecture.load(Path(text))
    try:
        return Architecture.named(text)
    except UsageError as error:
        if "/" in text:
            raise UsageError(
                f'There is no architecture "{text}".', hint="Name a .json file, or a trial of a run as RUN:TRIAL."
            ) from error
        raise


def fitted_to(architecture: Architecture, dataset: Dataset) -> Architecture:
    """The architecture for the channels, classes and size of a dataset's images."""
    shape = {"in_chans": dataset.in_chans, "num_classes": len(dataset.classes), "image_size": dataset.image_size}
    return architecture.model_copy(update=shape)


def find_trial(text: str) -> Candidate | None:
    """What trial RUN:TRIAL trained; None where ARCH is something else."""
    path, colon, which = text.rpartition(":")
    if not colon:
        return None
    from pure_nas.run.directory import RunDirectory
    from pure_nas.run.results import load_results

    return load_results(RunDirectory.open(Path(path))).select(which).candidate
