"""What every command prepares before it trains: the images, the device and the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from pure_nas.data import Dataset
from pure_nas.workers import Executor
from pure_nas.workers.child import Load
from pure_nas.workers.count import Work, WorkerPlan, Workers, plan_workers, start_workers


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a plan trains with."""

    dataset: Dataset
    load: Load  # loads the images in another process
    device: torch.device
    train_images: int  # images that an epoch trains on
    workers: Workers  # networks trained at once, as asked for
    work: Callable[[int], Work]  # what there is to train while so many trainings are to go

    def workers_for(self, left: int, wanted: Workers | None = None) -> WorkerPlan:
        """How many networks are trained at once while `left` are to go, as was asked for or as `wanted` says."""
        return plan_workers(wanted or self.workers, self.work(left), self.device)

    def start_workers(self, left: int) -> tuple[Executor, WorkerPlan]:
        """What trains while `left` networks are to go."""
        return start_workers(self.workers_for(left), self.work(left), self.dataset, self.load, self.device)
