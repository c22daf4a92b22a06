"""What the controller says to a worker process, and what it answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pure_nas.space.candidate import Candidate
from pure_nas.workers.messages import Event, Job


@dataclass(frozen=True)
class Train:
    """An order: do a job with so many CPU threads."""

    job: Job
    threads: int


@dataclass(frozen=True)
class Rehearse:
    """An order: get ready to train a candidate, say so, and on `Go` measure how fast that is."""

    candidate: Candidate
    threads: int


@dataclass(frozen=True)
class Go:
    """An order after `Rehearse`: train for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Ready:
    """The images are loaded."""


@dataclass(frozen=True)
class Alive:
    """Another batch was taken, or images are read now, silently.

    Attributes:
        silence: seconds that may pass before the next batch, beside what one may take.
    """

    silence: float = 0.0


@dataclass(frozen=True)
class Warm:
    """Ready for `Go`, or out of memory."""

    fits: bool


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal found.

    Attributes:
        images_per_second: trained on.
        peak_bytes: the most memory that PyTorch held on the GPU; 0 on a CPU.
        fits: whether memory sufficed.
    """

    images_per_second: float = 0.0
    peak_bytes: int = 0
    fits: bool = True


@dataclass(frozen=True)
class Failed:
    """The worker ends because of an error, which belongs to whoever gave the order."""

    error: Exception


Order = Train | Rehearse | Go
Report = Event | Ready | Alive | Warm | Rehearsed | Failed | logging.LogRecord
