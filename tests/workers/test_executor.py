"""What commands may be asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pure_nas.errors import UsageError
from pure_nas.workers.executor import HERE, Execution, device_for, devices_for, execution_of, place_of
from pure_nas.workers.resources import check_workers


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("chosen", "name", "device", "devices", "place"),
    [
        ((), "auto", "cuda", ["cuda:0", "cuda:1", "cuda:2"], "cuda"),
        ((), "cuda:1", "cuda:1", ["cuda:1"], "cuda:1"),
        ((), "cpu", "cpu", ["cpu"], "cpu"),
        ((2, 0), "auto", "cuda:2", ["cuda:2", "cuda:0"], "cuda:2,0"),
        ((1,), "cuda", "cuda:1", ["cuda:1"], "cuda:1"),
    ],
)
def test_workers_take_the_gpus_in_turn_that_were_chosen(
    chosen: tuple[int, ...], name: str, device: str, devices: list[str], place: str
) -> None:
    execution = Execution(gpus=chosen)
    found = device_for(execution, name)
    assert found == torch.device(device)
    assert devices_for(execution, found) == list(map(torch.device, devices))
    assert place_of(execution, found) == place


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize("name", ["cpu", "cuda:0"])
def test_gpus_are_not_chosen_twice(name: str) -> None:
    with pytest.raises(UsageError, match="The GPUs 0 cannot be used"):
        device_for(Execution(gpus=(0,)), name)


@pytest.mark.usefixtures("gpus")
def test_gpus_that_are_not_there_are_refused() -> None:
    with pytest.raises(UsageError, match="The GPUs 0,3 cannot be used: this machine has 3 of the kind cuda"):
        device_for(Execution(gpus=(0, 3)), "auto")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gpus": (0, 0)}, "GPUs cannot be 0,0"),
        ({"gpus": (-1,)}, "GPUs cannot be -1"),
        ({"kind": "inline", "gpus": (0,)}, "The executor inline trains on one device"),
        ({"kind": "ray", "gpus": (0,)}, "The executor ray is given its GPUs by Ray"),
        ({"ray_address": "local"}, "are for a Ray cluster"),
        ({"kind": "pool", "cpus_per_trial": 2.0}, "are for a Ray cluster"),
        ({"gpus_per_trial": 1.0}, "are for a Ray cluster"),
        ({"kind": "ray", "cpus_per_trial": 0.0}, "A trial cannot take 0 CPUs"),
        ({"kind": "ray", "gpus_per_trial": float("nan")}, "gpus_per_trial: input should be a finite number"),
        ({"kind": "slurm"}, "kind"),
        ({"gpus": "0"}, "gpus"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Execution(**fields)


def test_a_cluster_chooses_its_devices() -> None:
    cluster = Execution(kind="ray", gpus_per_trial=0.25)
    assert device_for(cluster, "auto") == device_for(cluster, "cuda") == torch.device("cpu")
    assert place_of(cluster, torch.device("cpu")) == "a Ray cluster"
    for execution, name in ((Execution(kind="ray"), "cuda"), (cluster, "cuda:1"), (cluster, "mps")):
        with pytest.raises(UsageError, match="The device of a Ray cluster cannot be"):
            device_for(execution, name)


def test_an_executor_may_be_named() -> None:
    assert execution_of("ray") == Execution(kind="ray")
    assert execution_of(HERE) is HERE
    with pytest.raises(UsageError):
        execution_of("slurm")  # type: ignore[arg-type]


def test_a_cluster_may_have_more_workers_than_this_machine_has_cpus() -> None:
    check_workers(100_000, Execution(kind="ray"))
    check_workers("auto", Execution(kind="inline"))
    with pytest.raises(UsageError, match="One process cannot train with 2 workers"):
        check_workers(2, Execution(kind="inline"))
