"""Doing one job: build, count, train, evaluate, keep; and measuring how fast a network trains."""

from __future__ import annotations

import gc
import json
import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain, count, islice
from typing import Any, Literal

import torch

from pure_nas.cost.fvcore_count import count_architecture
from pure_nas.cost.layers import cost_of
from pure_nas.cost.measure import activation_bytes, latency_ms
from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet
from pure_nas.devices import fastest_convolutions, hand_back_freed_memory, telling_out_of_memory, threads_for
from pure_nas.evaluation.evaluation import evaluate_network, metric_value, noise_error
from pure_nas.files import append_line, without_nan, write_whole
from pure_nas.nn.network import Network, build
from pure_nas.objectives import METRICS
from pure_nas.process_state import global_random_state
from pure_nas.quantities import show_percent
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.hits import Hits, write_hits
from pure_nas.run.weights import weights_bytes
from pure_nas.space.candidate import Candidate
from pure_nas.training.scoring import Score, evaluate, generator
from pure_nas.training.training import Divergence, Training
from pure_nas.workers.messages import Ended, EpochDone, EvaluationSettings, Event, Job, Outcome, Started

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_CHECKPOINTS = 10.0
# On a GPU the first steps choose kernels and are recorded, and a step is too short to be timed alone.
_WARM_STEPS, _STEPS_AT_ONCE = 6, 4


class _Hopeless(Exception):  # noqa: N818 - an outcome of training, not a fault of the program
    """A job stops early."""

    def __init__(self, epochs: int, last: Mapping[str, Any], most: float) -> None:
        error = last["validation_error"]
        super().__init__(
            f"stopped after epoch {last['epoch']} of {epochs}: from an error of {show_percent(error)}, more than "
            f"{show_percent(most)}, it would hardly reach the front"
        )
        self.metrics = {"error": error, "accuracy": 1 - error}


def work(
    job: Job, dataset: Dataset, device: torch.device, saves_every_epoch: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Do `job`; the last event is `Ended`. Out of memory and divergence are outcomes, anything else is raised.

    What does not fit into memory is tried once more with every batch in two parts.

    Args:
        saves_every_epoch: asked after each epoch whether to write a checkpoint, whatever the job says.
    """
    folder = TrialDirectory(job.directory, job.number)
    outcome = yield from _done(job, dataset, device, saves_every_epoch, parts=1)
    if outcome.state == "failed" and job.candidate.recipe.batch_size > 1:
        logger.warning("%s: %s. Trying once more with each batch in two parts.", job.directory, outcome.reason)
        gc.collect()
        hand_back_freed_memory(device)
        outcome = yield from _done(job, dataset, device, saves_every_epoch, parts=2)
    # The checkpoint stays until the outcome is on disk: who is stopped before that need not train it all again.
    yield Ended(job.number, replace(outcome, cost={**_costs(job), **outcome.cost}, seconds=_seconds(folder)))


def _done(
    job: Job, dataset: Dataset, device: torch.device, saves_every_epoch: Callable[[], bool], *, parts: int
) -> Generator[Event, None, Outcome]:
    folder = TrialDirectory(job.directory, job.number)
    architecture, recipe = job.candidate.architecture, job.candidate.recipe
    flops = cost_of(architecture).flops
    try:
        with telling_out_of_memory():
            network = build(architecture, generator=generator(job.seed, "weights"))
            count_architecture(architecture, network)
            everything = job.final and not job.curve
            training = Training(
                network,
                recipe,
                train=dataset.train_and_validation if everything else dataset.train,
                validation=None if everything else dataset.validation,
                flip=dataset.flip,
                turns=dataset.turns,
                device=device,
                seed=job.seed,
                parts=parts,
            )
            with threads_for(flops * recipe.batch_size), fastest_convolutions(device):
                yield from _train(job, training, folder, saves_every_epoch)
                images = dataset.test() if job.final else dataset.validation
                score = _final_score(job, training, images)
                metrics = _final_metrics(job, training, score, images, folder)
                if score.hits is not None:
                    split: Literal["test", "validation"] = "test" if job.final else "validation"
                    write_hits(folder, Hits(split, dataset.fingerprint, score.hits))
                if job.evaluation is not None:
                    _evaluate(job.evaluation, training, images, dataset.classes, folder)
                measured = _measured(job, network, device)
                if job.keep_weights:
                    write_whole(folder.weights, weights_bytes(architecture, network.state_dict()), new_folders=False)
    except _Hopeless as hopeless:
        return Outcome(state="stopped", reason=str(hopeless), metrics=hopeless.metrics, execution=training.execution)
    except Divergence as divergence:
        return Outcome(state="diverged", reason=str(divergence), execution=training.execution)
    except torch.OutOfMemoryError as error:
        at = f"batch {recipe.batch_size}" if parts == 1 else f"batch {recipe.batch_size} in {parts} parts"
        return Outcome(state="failed", reason=f"out of memory on {device} at {at}: {str(error).splitlines()[0]}")
    return Outcome(state="complete", metrics=metrics, cost=measured, execution=training.execution)


def outcome_of_lost(job: Job, reason: str) -> Outcome:
    """The outcome of a job whose processes died; nobody works on it any more."""
    seconds = _seconds(TrialDirectory(job.directory, job.number))
    return Outcome(state="failed", reason=reason, cost=_costs(job), seconds=seconds)


def _costs(job: Job) -> dict[str, float]:
    cost = cost_of(job.candidate.architecture)
    return {**asdict(cost), "flops": cost.flops}


def _seconds(folder: TrialDirectory) -> float:
    return sum(float(record["seconds"]) for record in folder.curve())


def _train(
    job: Job, training: Training, folder: TrialDirectory, saves_every_epoch: Callable[[], bool]
) -> Iterator[Event]:
    digest = f"{job.candidate.digest}-{job.seed}"
    curve = folder.curve()
    training.restore_checkpoint(folder.checkpoint, digest, known_epochs=len(curve))
    # Epochs after the checkpoint are run again, so their records go.
    kept = [json.dumps(record) + "\n" for record in curve if record["epoch"] <= training.epoch]
    write_whole(folder.metrics, "".join(kept))
    yield Started(job.number, training.epoch)
    saved = time.monotonic()
    _require_hope(job, curve[training.epoch - 1 : training.epoch])  # a kill may have come after the epoch
    while not training.finished:
        # No layer of PURe draws anything from the global random state, but those of another package's unit may.
        with global_random_state(generator(job.seed, "layers", training.epoch).initial_seed(), training.device):
            metrics = training.run_epoch()
        append_line(folder.metrics, without_nan(asdict(metrics)))
        # After the last epoch it spares who is stopped during the evaluation, which takes long, that epoch.
        due = time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS
        wanted = due and (not training.finished or job.final or job.evaluation is not None)
        if saving := job.every_epoch or saves_every_epoch() or wanted:
            training.save_checkpoint(folder.checkpoint, digest)
            saved = time.monotonic()
        yield EpochDone(job.number, metrics, saved=saving)
        _require_hope(job, [asdict(metrics)])


def _require_hope(job: Job, last: Sequence[Mapping[str, Any]]) -> None:
    for epoch in last:
        most, error = job.stops.get(epoch["epoch"]), epoch["validation_error"]
        if most is not None and error is not None and error > most:
            raise _Hopeless(job.candidate.recipe.epochs, epoch, most)


def _final_score(job: Job, training: Training, images: ImageSet) -> Score:
    if job.final:
        training.prepare_scoring()
        score = evaluate(training.network, images, training.device)
        if not math.isfinite(score.loss):
            raise Divergence(f"test loss is {score.loss} after the last epoch")
        return score
    # One that resumes after its last epoch has no score in this process.
    return training.score or evaluate(training.network, images, training.device)


def _final_metrics(
    job: Job, training: Training, score: Score, images: ImageSet, folder: TrialDirectory
) -> dict[str, float]:
    error, accuracy, loss = score.error, score.accuracy, score.loss
    if not job.final:  # what its curve ends with, also where a device computes it in another way now
        last = folder.curve()[-1]
        error, loss = last["validation_error"], last["validation_loss"]
        accuracy = 1 - error
    found = {"error": error, "accuracy": accuracy, "loss": loss}
    if "noise_error" in job.measures:
        found["noise_error"] = noise_error(training.network, images, training.device, job.seed)
    for metric in filter(None, map(METRICS.find, job.measures)):
        found[metric.name] = metric_value(metric, training.network, images, training.device)
    return found


def _evaluate(
    wanted: EvaluationSettings, training: Training, images: ImageSet, classes: Sequence[str], folder: TrialDirectory
) -> None:
    """Write evaluation.json. Every network is evaluated on the same images and under the same noise."""
    if wanted.images is not None and wanted.images < len(images):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        images = images.subset(order[: wanted.images])
    found = evaluate_network(
        training.network,
        images,
        training.device,
        classes=classes,
        noises=wanted.noises,
        views=wanted.views,
        factors=wanted.factors,
    )
    write_whole(folder.evaluation, json.dumps(found.document(), indent=2) + "\n", new_folders=False)


def _measured(job: Job, network: Network, device: torch.device) -> dict[str, float]:
    architecture = job.candidate.architecture
    shape = (architecture.in_chans, architecture.image_size, architecture.image_size)
    found: dict[str, float] = {}
    if "latency" in job.measures:
        found["latency_ms"] = latency_ms(network, shape, device)
    if "memory" in job.measures:
        found["memory_bytes"] = activation_bytes(network, shape)
    return found


class SpeedTest:
    """Measures how fast a candidate trains; that it does not fit, here or later, is a `torch.OutOfMemoryError`."""

    @telling_out_of_memory()
    def __init__(self, candidate: Candidate, dataset: Dataset, device: torch.device) -> None:
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
        self._batches = chain.from_iterable(map(self._training.batches, count()))
        self._at_once = _STEPS_AT_ONCE if device.type != "cpu" else 1
        self._flops = cost_of(candidate.architecture).flops * candidate.recipe.batch_size
        with threads_for(self._flops):
            self._training.rehearse(islice(self._batches, _WARM_STEPS if device.type != "cpu" else 1))

    @telling_out_of_memory()
    def images_per_second(self, seconds: float) -> float:
        """Images trained on per second, measured for that long; 0 for no time."""
        images, elapsed, start = 0, 0.0, time.perf_counter()
        with threads_for(self._flops):
            while elapsed < seconds:
                some = list(islice(self._batches, self._at_once))
                self._training.rehearse(some)
                images += sum(len(labels) for _, labels in some)
                elapsed = time.perf_counter() - start
        return images / elapsed if images else 0.0
