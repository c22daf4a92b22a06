"""Doing one job: build, count, train, score, keep."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

from pure_nas.cost.count import count_architecture
from pure_nas.cost.layers import cost_of
from pure_nas.cost.measure import activation_bytes, latency_ms
from pure_nas.data import Dataset, ImageSet
from pure_nas.devices import fastest_convolutions, telling_out_of_memory, threads_for
from pure_nas.evaluation import evaluate_network, metric_value, noise_error
from pure_nas.files import append_line, write_whole
from pure_nas.nn import Network, build
from pure_nas.objectives import METRICS
from pure_nas.process_state import global_random_state
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.weights import weights_bytes
from pure_nas.training.checkpoint import restore_checkpoint, save_checkpoint
from pure_nas.training.evaluation import evaluate
from pure_nas.training.seeds import generator
from pure_nas.training.training import Divergence, Training
from pure_nas.workers.messages import Ended, EpochDone, EvaluationSettings, Event, Job, Outcome, Started

_SECONDS_BETWEEN_CHECKPOINTS = 10.0


def work(job: Job, dataset: Dataset, device: torch.device) -> Iterator[Event]:
    """Do `job`, telling what happens as it happens; the last event is `Ended`.

    Out of memory and divergence are outcomes. Anything else that goes wrong is raised.

    Raises:
        RunError: the job's files cannot be written.
        DataError: the images cannot be read.
        PureNasError: the closed-form cost of one of its units is wrong.
    """
    folder = TrialDirectory(job.directory, job.number)
    architecture = job.candidate.architecture
    expected = cost_of(architecture)
    cost: dict[str, float] = {**asdict(expected), "flops": expected.flops}
    try:
        with telling_out_of_memory():
            network = build(architecture, generator=generator(job.seed, "weights"))
            count_architecture(architecture, network)
            training = _training(job, network, dataset, device)
            with threads_for(expected.flops * job.candidate.recipe.batch_size), fastest_convolutions(device):
                yield from _train(job, training, folder)
                images = dataset.test() if job.final else dataset.validation
                metrics = _final_metrics(job, training, images, folder)
                if job.evaluation is not None:
                    _write_evaluation(job.evaluation, training, images, dataset.classes, folder)
                cost |= _measured(job, network, device)
                if job.keep_weights:
                    write_whole(folder.weights, weights_bytes(architecture, network.state_dict()), new_folders=False)
    except Divergence as divergence:
        outcome = Outcome(
            state="diverged",
            reason=str(divergence),
            cost=cost,
            seconds=_seconds(folder),
            execution=training.execution,
        )
    except torch.OutOfMemoryError as error:
        reason = f"out of memory on {device} at batch {job.candidate.recipe.batch_size}: {str(error).splitlines()[0]}"
        outcome = Outcome(state="failed", reason=reason, cost=cost, seconds=_seconds(folder))
    else:
        outcome = Outcome(
            state="complete", metrics=metrics, cost=cost, seconds=_seconds(folder), execution=training.execution
        )
    # The checkpoint stays until the outcome is on disk: who is stopped before that need not train it all again.
    yield Ended(job.number, outcome)


def outcome_of_lost(job: Job, reason: str) -> Outcome:
    """The outcome of a job whose workers died; nobody works on it any more."""
    folder = TrialDirectory(job.directory, job.number)
    cost = cost_of(job.candidate.architecture)
    seconds = _seconds(folder)
    return Outcome(state="failed", reason=reason, cost={**asdict(cost), "flops": cost.flops}, seconds=seconds)


def _training(job: Job, network: Network, dataset: Dataset, device: torch.device) -> Training:
    everything = job.final and not job.curve
    return Training(
        network,
        job.candidate.recipe,
        train=dataset.train_and_validation() if everything else dataset.train,
        validation=None if everything else dataset.validation,
        flip=dataset.flip,
        turns=dataset.turns,
        device=device,
        seed=job.seed,
    )


def _train(job: Job, training: Training, folder: TrialDirectory) -> Iterator[Event]:
    digest = f"{job.candidate.digest}-{job.seed}"
    restore_checkpoint(folder.checkpoint, training, digest, known_epochs=len(folder.curve()))
    _keep_curve_up_to(folder, training.epoch)
    yield Started(job.number, training.epoch)
    saved = time.monotonic()
    while not training.finished:
        # No layer of PURe draws anything from the global random state, but those of another package's unit may.
        with global_random_state(generator(job.seed, "layers", training.epoch).initial_seed(), training.device):
            metrics = training.run_epoch()
        append_line(folder.metrics, {key: _json_value(value) for key, value in asdict(metrics).items()})
        # After the last epoch it spares who is stopped while scoring, which takes long, that epoch.
        due = time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS
        if job.every_epoch or (due and (not training.finished or job.final or job.evaluation is not None)):
            save_checkpoint(folder.checkpoint, training, digest)
            saved = time.monotonic()
        yield EpochDone(job.number, metrics)


def _json_value(value: float | None) -> float | None:
    """JSON has no NaN or infinity; the validation loss may be either before the last epoch."""
    return value if value is None or math.isfinite(value) else None


def _keep_curve_up_to(folder: TrialDirectory, epoch: int) -> None:
    """Epochs after the checkpoint are run again, so their records go."""
    kept = [record for record in folder.curve() if record["epoch"] <= epoch]
    write_whole(folder.metrics, "".join(json.dumps(record) + "\n" for record in kept))


def _final_metrics(job: Job, training: Training, images: ImageSet, folder: TrialDirectory) -> dict[str, float]:
    if job.final:
        training.prepare_scoring()
        score = evaluate(training.network, images, training.device)
        if not math.isfinite(score.loss):
            raise Divergence(f"test loss is {score.loss} after the last epoch")
        found = {"error": score.error, "accuracy": score.accuracy, "loss": score.loss}
    else:
        last: dict[str, Any] = folder.curve()[-1]
        error, loss = last["validation_error"], last["validation_loss"]
        found = {"error": error, "accuracy": 1 - error, "loss": loss}
    if "noise_error" in job.measures:
        found["noise_error"] = noise_error(training.network, images, training.device, job.seed)
    for metric in filter(None, map(METRICS.find, job.measures)):
        found[metric.name] = metric_value(metric, training.network, images, training.device)
    return found


def _write_evaluation(
    evaluation: EvaluationSettings, training: Training, images: ImageSet, classes: Sequence[str], folder: TrialDirectory
) -> None:
    """Write evaluation.json. Every network is evaluated on the same images and under the same noise."""
    if evaluation.images is not None and evaluation.images < len(images):
        images = images.subset(
            torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: evaluation.images]
        )
    found = evaluate_network(
        training.network,
        images,
        training.device,
        classes=classes,
        noises=evaluation.noises,
        views=evaluation.views,
        factors=evaluation.factors,
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


def _seconds(folder: TrialDirectory) -> float:
    return sum(float(record["seconds"]) for record in folder.curve())
