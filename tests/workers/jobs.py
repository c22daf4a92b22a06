"""Jobs on the small image folder, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pure_nas.data.dataset import Dataset
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.workers import Ended, Event, InlineExecutor, Job
from pure_nas.workers.messages import Outcome

CPU = torch.device("cpu")


def candidate(dataset: Dataset, *, cap: float | None = 20.0, **recipe: Any) -> Candidate:
    """A small mixed network for the images of `dataset`."""
    architecture = Architecture(
        units=(("product",), ("conv", "product")),
        base_width=3,
        exponent_cap=cap,
        in_chans=dataset.in_chans,
        num_classes=len(dataset.classes),
        image_size=dataset.image_size,
    )
    return Candidate(
        architecture, Recipe.usual(PRODUCT, **{"epochs": 3, "batch_size": 16, "crop_padding": 1, **recipe})
    )


def job(dataset: Dataset, folder: Path, chosen: Candidate | None = None, **fields: Any) -> Job:
    return Job(number=7, candidate=chosen or candidate(dataset), directory=folder, **{"seed": 3, **fields})


def events_of(work: Job, dataset: Dataset, *, stop_after: int | None = None) -> list[Event]:
    """Every event of a job, or the first few, after which it is left alone as by a kill."""
    executor = InlineExecutor(dataset, CPU)
    executor.submit(work)
    events: list[Event] = []
    while not (events and isinstance(events[-1], Ended)) and len(events) != stop_after:
        events.append(executor.next_event())
    return events


def outcome_in(events: list[Event]) -> Outcome:
    """What became of the job that ended last."""
    last = events[-1]
    assert isinstance(last, Ended)
    return last.outcome


def outcome_of(work: Job, dataset: Dataset) -> Outcome:
    return outcome_in(events_of(work, dataset))
