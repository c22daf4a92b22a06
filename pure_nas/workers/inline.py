"""Jobs in this process, one at a time. A job that takes the process with it is tried once more, then it has failed."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event as Flag

import torch

from pure_nas.data.dataset import Dataset
from pure_nas.devices import hand_back_freed_memory
from pure_nas.files import write_whole
from pure_nas.run.directory import TrialDirectory
from pure_nas.space.candidate import Candidate
from pure_nas.workers.messages import Ended, Event, Job
from pure_nas.workers.work import SpeedTest, outcome_of_lost, work

_MAX_DEATHS = 2
_CHECKSUM_BYTES = 32


@dataclass(eq=False)
class InlineExecutor:
    """Runs one job at a time in this process, up to its next event whenever that is asked for."""

    dataset: Dataset
    device: torch.device
    _running: deque[Iterator[Event]] = field(default_factory=deque, init=False)
    _saves: Flag = field(default_factory=Flag, init=False)

    @property
    def free(self) -> int:
        return 1 - len(self._running)

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image, measured for some seconds; None where it does not fit into memory."""
        try:
            return 1 / SpeedTest(candidate, self.dataset, self.device).images_per_second(seconds)
        except torch.OutOfMemoryError:
            return None
        finally:
            hand_back_freed_memory(self.device)

    def expect(self, seconds: float) -> None:
        """A process cannot end a job of its own that hangs."""

    def submit(self, job: Job) -> None:
        """Take a job; numbers of jobs that run at the same time differ."""
        self._running.append(_attempt(job, self.dataset, self.device, self._saves.is_set))

    def save_every_epoch(self) -> None:
        """From now on, let jobs write a checkpoint after every epoch; may be called by the handler of a signal."""
        self._saves.set()

    def next_event(self) -> Event:
        event = next(self._running[0])
        if isinstance(event, Ended):
            self._running.popleft().close()  # type: ignore[attr-defined]
            hand_back_freed_memory(self.device)
        return event

    def close(self) -> None:
        self._running.clear()


def _attempt(
    job: Job, dataset: Dataset, device: torch.device, saves_every_epoch: Callable[[], bool]
) -> Iterator[Event]:
    """Do `job` as `work` does, unless two processes in a row died of it: then it has failed."""
    folder = TrialDirectory(job.directory, job.number)
    checksum = ""
    with suppress(OSError), folder.checkpoint.open("rb") as file:
        checksum = file.read(_CHECKSUM_BYTES).hex()
    here = {"epochs": len(folder.curve()), "checkpoint": checksum, "folder": str(folder.path.resolve())}
    deaths = _deaths(folder, here)
    if deaths == _MAX_DEATHS:
        # Whoever does not keep this outcome may try again.
        folder.attempt.unlink()
        yield Ended(job.number, outcome_of_lost(job, "its process died twice as it trained (usually memory ran out)"))
        return
    write_whole(folder.attempt, json.dumps({"schema": 1, "deaths": deaths, **here}) + "\n")
    try:
        # From the first death on, what is trained is kept, so that further ones show whether it gets anywhere.
        yield from work(replace(job, every_epoch=job.every_epoch or deaths > 0), dataset, device, saves_every_epoch)
    finally:
        folder.attempt.unlink(missing_ok=True)


def _deaths(folder: TrialDirectory, here: dict[str, object]) -> int:
    """How many processes in a row died of a training: only a crash or a kill leaves the mark that each removes.

    One that got as far as another checkpoint, in another epoch, is the first of a new row: somebody may have killed it.
    """
    try:
        mark = json.loads(folder.attempt.read_bytes())
        before = int(mark["deaths"])
        moved, further_epoch, new_checkpoint = (mark[key] != here[key] for key in ("folder", "epochs", "checkpoint"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    if moved:  # or copied: of a process that could not remove it, and did not die of that
        return before
    return 1 if further_epoch and new_checkpoint else before + 1
