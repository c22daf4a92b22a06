"""Internal: who trains. Jobs in, events out, here, in processes or on a cluster; none of them knows of a search."""

from pure_nas.workers.executor import Execution, Executor
from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.messages import Ended, EpochDone, Event, Job, Started, WorkerLost
from pure_nas.workers.processes import ProcessExecutor

__all__ = [
    "Ended",
    "EpochDone",
    "Event",
    "Execution",
    "Executor",
    "InlineExecutor",
    "Job",
    "ProcessExecutor",
    "Started",
    "WorkerLost",
]
