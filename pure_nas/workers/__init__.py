"""Internal: who trains. Jobs in, events out, in this process or in worker processes that know nothing of a search."""

from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.messages import Ended, EpochDone, Event, Job, Started, WorkerLost
from pure_nas.workers.pool import ProcessExecutor

Executor = InlineExecutor | ProcessExecutor

__all__ = ["Ended", "EpochDone", "Event", "Executor", "Job", "Started", "WorkerLost"]
