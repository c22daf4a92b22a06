"""Finding an architecture: by a name, in a file, or in a trial of a run. No PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pure_nas.errors import UsageError
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import load_results
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate

if TYPE_CHECKING:
    from pure_nas.data import Dataset


def find_architecture(text: str) -> Architecture:
    """The architecture that a name, an architecture.json, or RUN:TRIAL stands for.

    Raises:
        UsageError: nothing is called that.
        PureNasError: the file or the run is damaged.
    """
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
    """What trial RUN:TRIAL trained; None where the text means something else."""
    path, colon, which = text.rpartition(":")
    return load_results(RunDirectory.open(Path(path))).select(which).candidate if colon else None
