"""Who trains: what a driver asks of an executor, and which one a command was asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import torch

from pure_nas.devices import devices_of, resolve_device
from pure_nas.errors import UsageError
from pure_nas.space.candidate import Candidate
from pure_nas.validation import checked_fields
from pure_nas.workers.messages import Event, Job

ExecutorName = Literal["auto", "inline", "pool", "ray"]


class Executor(Protocol):
    """Trains networks in this process, in processes of this machine, or on a cluster."""

    @property
    def free(self) -> int: ...  # how many jobs can be taken now

    def submit(self, job: Job) -> None:
        """Take a job; numbers of jobs that run at the same time differ."""

    def next_event(self) -> Event:
        """The next event of any job; waits for it. What fails in a worker is raised here."""
        ...

    def seconds_per_image(self, candidate: Candidate, seconds: float) -> float | None:
        """Training time of an image, measured for some seconds while all train; None where it does not fit."""

    def expect(self, seconds: float) -> None:
        """Jobs take at most about so long: one that takes many times that hangs, unless another limit was set."""

    def save_every_epoch(self) -> None:
        """From now on, let jobs write a checkpoint after every epoch; may be called by the handler of a signal."""

    def close(self) -> None:
        """End whatever trains. Jobs stay as a kill leaves them."""


@checked_fields
@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where networks are trained.

    Example:
        >>> pure_nas.Execution(kind="ray", cpus_per_trial=4).kind
        'ray'
    """

    kind: ExecutorName = "auto"  # inline: in this process; pool: in processes of this machine; auto: one of the two
    gpus: tuple[int, ...] = ()  # that processes take in turn; all if left out
    ray_address: str = "auto"  # of the cluster that runs on this machine, ray://HOST:10001, or local: begin one here
    cpus_per_trial: float = 1.0  # that Ray reserves for each
    gpus_per_trial: float = 0.0  # also a part of one, which several trials then share

    def __post_init__(self) -> None:
        if self.gpus and self.kind in ("inline", "ray"):
            what = "trains on one device" if self.kind == "inline" else "is given its GPUs by Ray"
            raise UsageError(f"The executor {self.kind} {what}: it takes no list of GPUs.", hint="Leave --gpus out.")
        if len(set(self.gpus)) < len(self.gpus) or any(index < 0 for index in self.gpus):
            raise UsageError(f"GPUs cannot be {','.join(map(str, self.gpus))}.", hint="Give each once, such as 0,2.")
        if self.kind != "ray" and (self.ray_address, self.cpus_per_trial, self.gpus_per_trial) != ("auto", 1.0, 0.0):
            raise UsageError(
                "An address of Ray, CPUs and GPUs per trial are for a Ray cluster.", hint="Add --executor ray."
            )
        if not (0 < self.cpus_per_trial < float("inf") and 0 <= self.gpus_per_trial < float("inf")):
            raise UsageError(
                f"A trial cannot take {self.cpus_per_trial:g} CPUs and {self.gpus_per_trial:g} GPUs.",
                hint="Give more than 0 CPUs, such as 0.5 or 4.",
            )


HERE = Execution()
AnyExecution = Execution | ExecutorName


def execution_of(asked: AnyExecution) -> Execution:
    """An execution, from itself or the name of an executor."""
    return asked if isinstance(asked, Execution) else Execution(kind=asked)


def stated(execution: Execution) -> dict[str, Any] | None:
    """What was asked for, as run.toml says it; None where it is the usual."""
    return {**asdict(execution), "gpus": list(execution.gpus)} if execution != HERE else None


def device_for(execution: Execution, name: str) -> torch.device:
    """The device, called "auto", "cuda:1", ..., on which this process measures and, where it trains itself, trains; a
    `UsageError` where the executor cannot train on it."""
    if execution.kind == "ray":
        if name not in ("auto", "cpu", "cuda") or (name == "cuda" and not execution.gpus_per_trial):
            raise UsageError(
                f'The device of a Ray cluster cannot be "{name}".',
                hint="Say --gpus-per-trial 1, or a part of a GPU, instead; without it, CPUs train.",
            )
        return torch.device("cpu")
    device, gpus = resolve_device(name), execution.gpus
    if not gpus:
        return device
    found = devices_of(device)
    if found[0].index is None or device.index is not None or max(gpus) >= len(found):
        there = f"{len(found)} of the kind {device.type}" if found[0].index is not None else "none"
        raise UsageError(
            f"The GPUs {','.join(map(str, gpus))} cannot be used: this machine has {there}.",
            hint="Leave --device out, and give numbers that nvidia-smi lists.",
        )
    return torch.device(device.type, gpus[0])


def devices_for(execution: Execution, device: torch.device) -> list[torch.device]:
    """On which workers of this machine train, in turn, where `device` is that of this process."""
    return [torch.device(device.type, index) for index in execution.gpus] or devices_of(device)


def place_of(execution: Execution, device: torch.device) -> str:
    """Where networks are trained, for people."""
    if execution.kind == "ray":
        return "a Ray cluster"
    return f"{device.type}:{','.join(map(str, execution.gpus))}" if execution.gpus else str(device)
