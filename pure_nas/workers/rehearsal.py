"""Training steps from which nothing is learnt but how fast they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count, islice

import torch

from pure_nas.data import Augment, Dataset
from pure_nas.data.image_set import Batch
from pure_nas.devices import telling_out_of_memory
from pure_nas.nn import build
from pure_nas.space.candidate import Candidate
from pure_nas.training import Training
from pure_nas.training.seeds import generator

# On a GPU the first steps choose kernels and are recorded, and a step is too short to be timed alone.
_WARM_STEPS = {"cpu": 1, "cuda": 6}
_STEPS_AT_ONCE = {"cpu": 1, "cuda": 4}


class Rehearsal:
    """A candidate, ready to be trained on a dataset after the steps that warm up.

    Raises:
        torch.OutOfMemoryError: it does not fit; likewise `images_per_second`.
    """

    @telling_out_of_memory()
    def __init__(self, candidate: Candidate, dataset: Dataset, device: torch.device) -> None:
        self._batches = _endless_batches(candidate, dataset, device)
        self._at_once = _STEPS_AT_ONCE[device.type]
        self._training = Training(
            build(candidate.architecture),
            candidate.recipe,
            train=dataset.train,
            validation=None,
            flip=dataset.flip,
            turns=dataset.turns,
            device=device,
            seed=0,
        )
        self._training.rehearse(islice(self._batches, _WARM_STEPS[device.type]))

    @telling_out_of_memory()
    def images_per_second(self, seconds: float) -> float:
        """Images trained on in a second, measured for that long; 0 for no time."""
        images, elapsed, start = 0, 0.0, time.perf_counter()
        while elapsed < seconds:
            some = list(islice(self._batches, self._at_once))
            self._training.rehearse(some)
            images += sum(len(labels) for _, labels in some)
            elapsed = time.perf_counter() - start
        return images / elapsed if images else 0.0


def _endless_batches(candidate: Candidate, dataset: Dataset, device: torch.device) -> Iterator[Batch]:
    recipe = candidate.recipe
    augment = Augment.of(recipe, flip=dataset.flip, turns=dataset.turns)
    for epoch in count():
        order = generator(0, "order", epoch)
        yield from dataset.train.batches(recipe.batch_size, device=device, generator=order, augment=augment)
