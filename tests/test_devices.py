"""Devices are found by name, and what is not there is said."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from pure_nas import devices
from pure_nas.devices import (
    autocast,
    device_name,
    fastest_convolutions,
    precision,
    resolve_device,
    summing_type,
    telling_out_of_memory,
    threads_for,
)
from pure_nas.errors import UsageError

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "device"),
    [("auto", "cuda"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:01", "cuda:1"), ("cpu", "cpu")],
)
def test_devices_are_found_by_name(name: str, device: str) -> None:
    assert resolve_device(name) == torch.device(device)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert resolve_device("auto") == CPU
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match="sees no CUDA GPU") as raised:
            resolve_device(name)
        assert "Use the device cpu" in raised.value.hint


@pytest.mark.parametrize(("kind", "others"), [("xpu", ("cuda", "mps")), ("mps", ("cuda", "xpu:0"))])
def test_other_accelerators_are_found_as_pytorch_names_them(
    kind: str, others: tuple[str, ...], no_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    assert resolve_device("auto") == resolve_device(kind) == torch.device(kind)
    assert resolve_device("cpu") == CPU
    for other in others:
        with pytest.raises(UsageError, match=f"is not available: .* but {kind}"):
            resolve_device(other)
    if kind == "xpu":
        with pytest.raises(UsageError, match="this machine has xpu:0 to xpu:0"):
            resolve_device("xpu:1")


def test_losses_are_added_up_in_what_a_device_has() -> None:
    assert summing_type(CPU) == summing_type(torch.device("cuda")) == torch.float64
    assert summing_type(torch.device("mps")) == torch.float32


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cuda:1:2", "cpu:0", "cpu:", "CPU"])
def test_names_of_no_device_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="this machine has cuda:0 to cuda:1"):
        resolve_device("cuda:2")
    with pytest.raises(UsageError, match="There is no device") as raised:
        resolve_device(name)
    assert "auto, cpu, cuda" in raised.value.hint


def test_the_cpu_has_a_name_and_computes_in_float32() -> None:
    assert device_name(CPU)
    assert precision(CPU) == "float32"
    with autocast(CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_the_cpu_is_named_as_the_system_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = tmp_path / "cpuinfo"
    monkeypatch.setattr(devices, "Path", lambda _: listing)
    assert device_name(CPU)
    listing.write_text("processor\t: 0\nmodel name\t: Fast CPU: 3 GHz\nmodel name\t: second\n", encoding="utf-8")
    assert device_name(CPU) == "Fast CPU: 3 GHz"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16 autocast"), (False, "float32")])
def test_a_gpu_computes_in_bfloat16_where_it_can(
    supported: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: ("autocast", kind, dtype))
    assert precision(gpu) == expected
    assert (autocast(gpu) == ("autocast", "cuda", torch.bfloat16)) is supported
    assert isinstance(autocast(gpu), nullcontext) is not supported


@pytest.mark.parametrize(("flops", "threads"), [(0, 1), (9.9e7, 1), (2e8, 2), (1e15, 2)])
def test_threads_follow_the_work_and_are_put_back(flops: float, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for(flops):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="inside"), threads_for(flops):
            raise ValueError("inside")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


MEMORY = """
import os, torch
from pathlib import Path
from pure_nas.devices import hand_back_freed_memory, keep_freed_memory

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20

keep_freed_memory()
start = resident_mb()
kept = torch.ones(1, 2**20)
large = torch.ones(128, 2**20)
barrier = torch.ones(1, 2**20)
del large
freed = resident_mb()
hand_back_freed_memory(torch.device("cpu"))
print(freed - start > 500, resident_mb() - start < 50)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library decides otherwise")
@pytest.mark.parametrize(("chosen", "kept"), [({}, True), ({"MALLOC_ARENA_MAX": "2"}, False)])
def test_freed_memory_is_kept_until_it_is_handed_back(chosen: dict[str, str], kept: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env={**environment, **chosen}, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(kept), "True"]


@pytest.mark.parametrize("allocate", [np.empty, torch.empty])
def test_what_cannot_be_allocated_is_out_of_memory(allocate: Callable[[int], object]) -> None:
    with pytest.raises(torch.OutOfMemoryError, match="allocate"), telling_out_of_memory():
        allocate(2**55)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: not enough memory: you tried to ..."),
        RuntimeError("could not create a primitive"),
        RuntimeError("could not create a memory object"),
        RuntimeError("could not execute a primitive"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("FIND was unable to find an engine to execute this computation"),
    ],
    ids=str,
)
def test_memory_that_runs_out_is_one_error_however_it_is_worded(error: Exception) -> None:
    with pytest.raises(torch.OutOfMemoryError) as raised, telling_out_of_memory():
        raise error
    assert str(raised.value) == (str(error) or "MemoryError")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive descriptor for the convolution forward propagation primitive."),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        ValueError("out of memory"),
    ],
    ids=str,
)
def test_other_errors_are_left_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, telling_out_of_memory():
        raise error
    assert raised.value is error


def test_the_choice_of_convolutions_is_put_back() -> None:
    assert torch.backends.cudnn.benchmark is False
    with fastest_convolutions(torch.device("cuda")):
        assert torch.backends.cudnn.benchmark is True
    with fastest_convolutions(torch.device("cpu")):
        assert torch.backends.cudnn.benchmark is False
    assert torch.backends.cudnn.benchmark is False
