"""A training in this process, which may take the process with it: tried once more by the next start, then failed.

While it runs, a mark is in its folder. Every end that Python sees removes the mark: that of the training, an error, an
interrupt. So a mark that is found was left by a process that crashed or was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import torch

from pure_nas.data import Dataset
from pure_nas.files import write_whole
from pure_nas.run.directory import TrialDirectory
from pure_nas.workers.messages import Ended, Event, Job
from pure_nas.workers.work import outcome_of_lost, work

_MOST_DEATHS = 2
_CHECKSUM_BYTES = 32


def attempt(job: Job, dataset: Dataset, device: torch.device) -> Iterator[Event]:
    """Do `job` as `work` does, unless two processes in a row died of it: then it has failed.

    Raises:
        PureNasError: see `work`.
    """
    folder = TrialDirectory(job.directory, job.number)
    epochs, checkpoint = len(folder.curve()), _checksum(folder)
    deaths = _deaths(folder, epochs, checkpoint)
    if deaths == _MOST_DEATHS:
        # Whoever does not keep this outcome may try again.
        folder.attempt.unlink()
        yield Ended(job.number, outcome_of_lost(job, "its process died twice as it trained (usually memory ran out)"))
        return
    mark = {"schema": 1, "deaths": deaths, "epochs": epochs, "checkpoint": checkpoint, "folder": _place(folder)}
    write_whole(folder.attempt, json.dumps(mark) + "\n")
    try:
        # From the first death on, what is trained is kept, so that further ones show whether it gets anywhere.
        yield from work(replace(job, every_epoch=job.every_epoch or deaths > 0), dataset, device)
    finally:
        folder.attempt.unlink(missing_ok=True)


def _deaths(folder: TrialDirectory, epochs: int, checkpoint: str) -> int:
    """How many processes in a row died of a training.

    One that got as far as another checkpoint, and not to the epoch in which the one before it died, is the first of a
    new row: somebody may have killed it. A mark that was moved or copied here is of a process that could not remove it,
    which did not die of that.
    """
    try:
        mark = json.loads(folder.attempt.read_bytes())
        before, got_further = int(mark["deaths"]), checkpoint != mark["checkpoint"] and epochs != mark["epochs"]
        moved = mark["folder"] != _place(folder)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    if moved:
        return before
    return 1 if got_further else before + 1


def _place(folder: TrialDirectory) -> str:
    return str(folder.path.resolve())


def _checksum(folder: TrialDirectory) -> str:
    """What tells one checkpoint from another; empty where there is none."""
    try:
        with folder.checkpoint.open("rb") as file:
            return file.read(_CHECKSUM_BYTES).hex()
    except OSError:
        return ""
