"""The Triton kernels: their cases in a process of their own, how they compile for a GPU, and what is said without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pure_nas.nn.plain.units import ConvPU
from pure_nas.nn.triton.block import available, product_tail

triton = pytest.importorskip("triton", reason="Triton has no package for this platform")

VERSION = tuple(map(int, triton.__version__.split(".")[:2]))
CASES = Path(__file__).with_name("triton_cases.py")
POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.int64: "*i64"}


def run_cases(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", str(CASES)]
    environment = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"\b[1-9]\d* passed", done.stdout)


@pytest.mark.skipif(VERSION < (3, 7), reason="the interpreter of Triton 3.6 does not work with NumPy 2.4")
def test_cases_in_the_interpreter() -> None:
    run_cases({"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""})


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cases_on_a_gpu() -> None:
    run_cases({"TRITON_INTERPRET": "0"})


def test_why_it_is_not_available_is_said() -> None:
    assert available(torch.device("cpu")) == "Triton's kernels need a CUDA device, not cpu"


def test_is_imported_without_triton() -> None:
    code = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch, importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'triton' else find(name)\n"
        "from pure_nas.nn.triton.block import available\n"
        "print(available(torch.device('cuda')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "Triton is not installed"


@given(
    shape=st.tuples(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300), st.integers(1, 300)),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
)
@settings(deadline=None)
def test_tiles_cover_a_tensor_and_their_results_are_all_added_up(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    from pure_nas.nn.triton.passes import Tiling

    tiling = Tiling.of(torch.Size(shape), layout)
    n, channels, height, width = shape
    block_rows, block_channels = tiling.form.block_rows, tiling.form.block_channels
    assert tiling.count == n * height * width == tiling.rows * (tiling.all_tiles // tiling.tiles)
    assert tiling.rows <= tiling.tiles * block_rows < tiling.rows + block_rows
    assert channels <= tiling.channel_blocks * block_channels < channels + block_channels
    assert 1 <= tiling.programs <= tiling.all_tiles
    assert tiling.programs * tiling.channel_blocks <= tiling.block_programs
    for power_of_two in (block_rows, block_channels, tiling.block_programs):
        assert power_of_two & (power_of_two - 1) == 0


class Recorder:
    """Stands for the module of kernels and notes what would be launched."""

    def __init__(self, kernels: object) -> None:
        self.kernels = kernels
        self.launches: list[tuple[object, tuple[object, ...], dict[str, object]]] = []

    def __getattr__(self, name: str) -> object:
        kernel = getattr(self.kernels, name)

        class Launcher:
            def __getitem__(_, grid: tuple[int, ...]) -> Callable[..., None]:  # noqa: N805
                return lambda *arguments, **options: self.launches.append((kernel, arguments, options))

        return Launcher()


def compiled(
    kernel: SimpleNamespace,
    arguments: tuple[object, ...],
    options: dict[str, object],
    target: tuple[str, int | str, int],
) -> SimpleNamespace:
    """The launch compiled for a GPU (kind, architecture, threads of a warp), as Triton specialises when it launches."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    values = dict(zip(kernel.arg_names, arguments, strict=False)) | options
    signature, constants, divisible = {}, {}, {}
    for index, parameter in enumerate(kernel.params):
        value = values.pop(parameter.name)
        if parameter.is_constexpr or value is None or (isinstance(value, int) and value == 1):
            signature[parameter.name] = "constexpr"
            constants[index,] = value
            continue
        signature[parameter.name] = (
            POINTERS[value.dtype] if isinstance(value, Tensor) else "fp32" if isinstance(value, float) else "i32"
        )
        address = value.data_ptr() if isinstance(value, Tensor) else value
        if isinstance(address, int) and address % 16 == 0:
            divisible[index,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, divisible)
    return triton.compile(source, target=GPUTarget(*target), options=values)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Recorder]:
    from pure_nas.nn.triton import passes as triton_passes

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorder = Recorder(triton_passes.kernels)
    monkeypatch.setattr(triton_passes, "kernels", recorder)
    return recorder


def launch_all(channels: int, dtype: torch.dtype, layout: torch.memory_format, relu: bool) -> None:
    """Forward and backward of a block's tail."""
    c = torch.zeros(8, channels, 32, 32, dtype=dtype).to(memory_format=layout).requires_grad_()
    norms = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
    out = product_tail(c, c, norms[0], ConvPU(channels, channels), norms[1], relu)
    out.backward(torch.zeros_like(out))


SHAPES = (
    (16, torch.bfloat16, torch.channels_last, True),
    (10, torch.float32, torch.channels_last, False),
    (16, torch.float32, torch.contiguous_format, False),
)
CAPABILITIES = (90, 80, 100)
LAUNCHES = [
    pytest.param(*case, capability, marks=() if place == other else pytest.mark.slow)
    for place, case in enumerate(SHAPES)
    for other, capability in enumerate(CAPABILITIES)
]
"""Each case for one of the GPUs; all pairs with `-m slow`."""


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing")
@pytest.mark.parametrize("architecture", ["gfx942", pytest.param("gfx90a", marks=pytest.mark.slow)])
def test_every_launch_compiles_for_hip(architecture: str, recorder: Recorder) -> None:
    launch_all(*SHAPES[0])
    for kernel, arguments, options in recorder.launches:
        binary = compiled(kernel, arguments, options, ("hip", architecture, 64))
        assert binary.asm["hsaco"]
        assert re.search(r"\.vgpr_spill_count:\s+0\b", binary.asm["amdgcn"]), f"{kernel.__name__} spills"


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing")
@pytest.mark.parametrize(("channels", "dtype", "layout", "relu", "capability"), LAUNCHES)
def test_every_launch_compiles_for_a_gpu_and_spills_nothing(
    channels: int,
    dtype: torch.dtype,
    layout: torch.memory_format,
    relu: bool,
    capability: int,
    recorder: Recorder,
    tmp_path: Path,
) -> None:
    launch_all(channels, dtype, layout, relu)
    assert len(recorder.launches) == 13
    for kernel, arguments, options in recorder.launches:
        binary = compiled(kernel, arguments, options, ("cuda", capability, 32))
        cubin = tmp_path / "kernel.cubin"
        cubin.write_bytes(binary.asm["cubin"])
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", cubin]
        usage = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert "STACK:0 " in usage, f"{kernel.__name__} spills: {usage}"
        assert "LOCAL:0 " in usage, f"{kernel.__name__} spills: {usage}"
        assert binary.metadata.shared <= 99 * 1024, f"{kernel.__name__} asks for more than a block has on small GPUs"
        if channels % 8 == 0 and not kernel.__name__.startswith("finish"):
            sixteen_bytes = re.search(r"ld\.global\.v4\.b32|cp\.async\.cg\S* \[.*\], 0x10|v2\.b64", binary.asm["ptx"])
            assert sixteen_bytes, f"{kernel.__name__} reads in small pieces"
