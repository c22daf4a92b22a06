"""Jobs in, events out: the part that trains, and knows nothing of a search."""

from pure_nas.workers.inline import Executor, InlineExecutor
from pure_nas.workers.messages import Ended, EpochDone, EvaluationSettings, Event, Job, Outcome, Started, WorkerLost
from pure_nas.workers.pool import ProcessExecutor

__all__ = [
    "Ended",
    "EpochDone",
    "EvaluationSettings",
    "Event",
    "Executor",
    "InlineExecutor",
    "Job",
    "Outcome",
    "ProcessExecutor",
    "Started",
    "WorkerLost",
]
