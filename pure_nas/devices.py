"""Which device a run uses, in which precision, with how many threads, and how its memory is kept."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path

import torch

from pure_nas.errors import UsageError
from pure_nas.process_state import is_ours

AnyDevice = str | torch.device
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # parameters of glibc's mallopt, from malloc.h
_GLIBC = platform.libc_ver()[0] == "glibc"
_FLOPS_PER_THREAD = 1e8  # of a forward step over a batch
_OUT_OF_MEMORY = re.compile(
    r"out of memory|(can't|cannot) allocate memory|not enough memory|bad_alloc"
    # cuBLAS, cuDNN and their relatives; and cuDNN once no algorithm found room for its workspace
    r"|_ALLOC_FAILED|_ALLOCATION_FAILED|unable to find an engine|unable to find a valid cudnn algorithm"
    # oneDNN; a primitive *descriptor* that cannot be created is one that it does not support
    r"|could not (create a primitive(?! descriptor)|create a memory object|execute a primitive)",
    re.IGNORECASE,
)
"""What libraries that have no error of their own for it say when memory runs out."""


def resolve_device(device: AnyDevice) -> torch.device:
    """A device, or that called "auto" (an accelerator where there is one), "cpu", "cuda", "cuda:N", "xpu", "xpu:N" or
    "mps"; else a `UsageError`. AMD's GPUs are "cuda" to PyTorch."""
    name = str(device)
    if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", name):
        raise UsageError(
            f'There is no device "{name}".', hint="Use auto, cpu, cuda or cuda:0, cuda:1, ..., xpu or xpu:0, ..., mps."
        )
    kind, found = _accelerator()
    if name == "cpu" or (name == "auto" and found == 0):
        return torch.device("cpu")
    wanted, _, index = name.partition(":")
    if wanted not in ("auto", kind):
        hint = "Use the device cpu"
        if wanted == "cuda":
            hint += ", or check that nvidia-smi lists a GPU and torch is a CUDA build"
        sees = _MAKES[wanted] if found == 0 else f"{_MAKES[wanted]}, but {kind}"
        raise UsageError(
            f'The device "{name}" is not available: PyTorch {torch.__version__} sees no {sees}.', hint=f"{hint}."
        )
    if int(index or 0) >= found:
        raise UsageError(f'The device "{name}" does not exist: this machine has {kind}:0 to {kind}:{found - 1}.')
    return torch.device(kind, int(index)) if index else torch.device(kind)


_MAKES = {"cuda": "CUDA GPU", "xpu": "Intel GPU", "mps": "GPU of Apple"}


def _accelerator() -> tuple[str, int]:
    """The kind of accelerator of this machine, and how many there are; 0 of none."""
    if torch.cuda.is_available():
        return "cuda", torch.cuda.device_count()
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type not in _MAKES or found.type == "cuda":
        return "", 0
    return found.type, torch.accelerator.device_count()


def devices_of(device: torch.device) -> list[torch.device]:
    """Every accelerator of a kind for one without a number, else the device itself."""
    if device.type not in ("cuda", "xpu") or device.index is not None:
        return [device]
    return [torch.device(device.type, index) for index in range(torch.get_device_module(device).device_count())]


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type in ("cuda", "xpu"):
        return str(torch.get_device_module(device).get_device_name(device))
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    named = re.search(r"^model name[^:\n]*:(.*)", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def nominal_flops_per_second(device: torch.device) -> float:
    """Of a usual CPU or GPU, for decisions that must not depend on how fast, or how busy, this one is."""
    return 5e9 if device.type == "cpu" else 1e12


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 autocast on a GPU of NVIDIA, AMD or Intel that computes in it; float32 elsewhere."""
    if device.type in ("cuda", "xpu") and torch.get_device_module(device).is_bf16_supported(including_emulation=False):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def summing_type(device: torch.device) -> torch.dtype:
    """In which losses of many images are added up: in float64, which Apple's GPUs lack."""
    return torch.float32 if device.type == "mps" else torch.float64


def precision(device: torch.device) -> str:
    """What `autocast` computes in, for records."""
    return "float32" if isinstance(autocast(device), nullcontext) else "bfloat16 autocast"


def computing_on(device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Contexts in which one run computes on `device`: on a GPU, a stream of its own, which CUDA graphs need."""
    if device.type != "cuda":
        if is_ours():  # it cannot be undone
            keep_freed_memory()
        return nullcontext
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def on_stream() -> Iterator[None]:
        outer = torch.cuda.current_stream(device)
        stream.wait_stream(outer)
        with torch.cuda.stream(stream), fastest_convolutions(device):
            yield
        outer.wait_stream(stream)

    return on_stream


@contextmanager
def fastest_convolutions(device: torch.device) -> Iterator[None]:
    """Let cuDNN look for the fastest convolutions: shapes repeat for thousands of steps, so that it pays."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@cache
def keep_freed_memory() -> None:
    """Let glibc, unless the user set it, keep freed memory: page faults took a third of a step at batch 512."""
    if _GLIBC and not any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def telling_out_of_memory() -> Iterator[None]:
    """Raise torch.OutOfMemoryError wherever memory runs out: Python and each library say it in their own way."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, MemoryError, OSError) as error:
        no_memory = error.errno == errno.ENOMEM if isinstance(error, OSError) else _OUT_OF_MEMORY.search(str(error))
        if not no_memory and not isinstance(error, MemoryError):
            raise
        raise torch.OutOfMemoryError(str(error) or type(error).__name__) from error


def hand_back_freed_memory(device: torch.device) -> None:
    """Give the system the memory that a run on `device` no longer uses, on the device and on the host."""
    if device.type != "cpu":
        torch.get_device_module(device).empty_cache()
    if _GLIBC:
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def threads_for(flops_per_step: float) -> Iterator[None]:
    """Compute on the CPU with no more threads than a step can feed; the work alone decides how many."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, int(flops_per_step / _FLOPS_PER_THREAD))))
    try:
        yield
    finally:
        torch.set_num_threads(before)
