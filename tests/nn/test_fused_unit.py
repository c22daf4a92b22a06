"""FusedConvPU against the plain composition: numbers, layouts, memory, and everything PyTorch does to a module."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from agreement import images, run, saved, upstream
from forked import in_a_fork
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pure_nas.nn.fused import unit as fused_unit
from pure_nas.nn.fused.unit import FusedConvPU
from pure_nas.nn.plain.units import ConvPU

EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-7, 1.0, -1.0, 1e30, -1e30]


def twins(*arguments: int, dtype: torch.dtype = torch.float64, **settings: object) -> tuple[FusedConvPU, ConvPU]:
    """A fused unit and a plain one with the same parameters; thresholds of channels differ."""
    torch.manual_seed(0)
    fused, plain = (kind(*arguments, **settings).to(dtype) for kind in (FusedConvPU, ConvPU))  # type: ignore[arg-type]
    if fused.theta.dim():
        with torch.no_grad():
            fused.theta += torch.linspace(-2, 2, len(fused.theta), dtype=dtype).view_as(fused.theta)
    plain.load_state_dict(fused.state_dict())
    return fused, plain


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    """Equal to `tolerance` of each tensor's largest value."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = float(value.nan_to_num(0, 0, 0).abs().max()) if value.numel() else 0.0
        torch.testing.assert_close(
            found[name],
            value,
            rtol=tolerance,
            atol=tolerance * scale,
            equal_nan=True,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def assert_as_exact(fused: nn.Module, plain: ConvPU, x: Tensor) -> None:
    """That float32 is within 1e-5 of float64, or where sums cancel, not much further off than `plain`."""
    wide = copy.deepcopy(plain).double()
    exact = run(wide, x.double())
    found, rounded = run(fused, x), run(plain, x)
    for name, value in exact.items():
        if value.numel():
            scale = size_of_theta_terms(wide, x.double()) if name == "d theta" else float(value.abs().max())
            allowed = 4 * float((rounded[name] - value).abs().max()) + 1e-5 * scale
            assert float((found[name] - value).abs().max()) <= allowed, name


@torch.no_grad()
def size_of_theta_terms(unit: ConvPU, x: Tensor) -> float:
    """The sum of the sizes of what the gradient of theta is the sum of, at most."""
    y = unit(x)
    terms = nn.grad.conv2d_input(x.shape, unit.weight.abs(), (upstream(y) * y).abs(), unit.stride, unit.padding)
    t = nn.functional.softplus(unit.theta) + 1e-7
    return float(((terms * (x <= t)).sum() * torch.sigmoid(unit.theta) / t).max())


UNITS = st.fixed_dictionaries(
    {
        "kernel_size": st.integers(1, 3),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 2),
        # Thresholds of channels are up to 2 beyond; above 20 PyTorch takes softplus, and so its slope, for linear.
        "threshold_init": st.floats(-18, 18),
        "threshold_trainable": st.booleans(),
        "threshold_per_channel": st.booleans(),
        "exponent_cap": st.sampled_from([None, 20.0, 0.1, 1000.0]),
    }
)
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@given(
    fields=UNITS,
    n=st.integers(0, 3),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    layout=st.sampled_from(LAYOUTS),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_fused_and_plain_unit_agree(
    fields: Any, n: int, size: tuple[int, int], layout: torch.memory_format, seed: int
) -> None:
    fused, plain = twins(3, 4, **fields)
    x = images(n, 3, *size, seed=seed).to(memory_format=layout)
    assert_same(run(fused, x), run(plain, x), 1e-10)
    assert_as_exact(fused.float(), plain.float(), x.float())


@example(values=EXTREMES, theta=0.0)
@example(values=[1e30, -1e30], theta=-50.0)
@given(
    values=st.lists(st.sampled_from(EXTREMES) | st.floats(-1e30, 1e30), min_size=1, max_size=40),
    theta=st.floats(-50, 50),
)
@settings(max_examples=100, deadline=None)
def test_extreme_values_are_as_exact_as_in_the_plain_unit(values: list[float], theta: float) -> None:
    fused, plain = twins(2, 3, threshold_init=theta, dtype=torch.float32)
    x = torch.tensor((values * 40)[:40]).view(1, 2, 4, 5)
    assert all(value.isfinite().all() for value in run(fused, x).values())
    assert_as_exact(fused, plain, x)


def test_a_threshold_of_one_takes_the_gradient_of_what_it_clamps() -> None:
    fused, plain = twins(2, 3, threshold_init=float(torch.tensor(1 - 1e-7).double().expm1().log()))
    x = images(2, 2, 4, 4)
    assert_same(run(fused, x), run(plain, x), 1e-10)
    assert run(fused, x)["d theta"] != 0


def test_at_a_tie_the_gradient_goes_to_the_threshold() -> None:
    fused, plain = twins(1, 1, kernel_size=1, padding=0)
    t = nn.functional.softplus(fused.theta.detach()) + 1e-7
    x = t.expand(1, 1, 2, 2).clone()
    found, halved = run(fused, x), run(plain, x)
    assert not found["d x"].any()
    torch.testing.assert_close(found["d theta"], 2 * halved["d theta"])


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("cap", [20.0, None])
def test_values_that_are_not_finite_spread_as_in_the_plain_unit(value: float, cap: float | None) -> None:
    fused, plain = twins(2, 3, exponent_cap=cap)
    x = images(2, 2, 6, 6)
    x[0, 0, 2, 2] = value
    found, expected = run(fused, x), run(plain, x)
    assert found["y"].isnan().any() == math.isnan(value)
    assert_same(found, expected, 1e-10)
    for unit in (fused, plain):
        nn.init.constant_(unit.theta, torch.nan)
    torch.testing.assert_close(fused(x), plain(x), equal_nan=True)


@pytest.mark.parametrize("needs", [(x, w, t) for x in (0, 1) for w in (0, 1) for t in (0, 1) if x or w or t])
def test_only_what_is_asked_for_is_computed(needs: tuple[int, int, int]) -> None:
    fused, plain = twins(2, 3)
    results = []
    for unit in (fused, plain):
        inputs = [images(2, 2, 4, 4), unit.weight.detach().clone(), unit.theta.detach().clone()]
        wanted = [value.requires_grad_() for value, need in zip(inputs, needs, strict=True) if need]
        y = torch.func.functional_call(unit, {"weight": inputs[1], "theta": inputs[2]}, (inputs[0],))
        results.append(torch.autograd.grad(y.square().sum(), wanted))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", ["transposed", "sliced", "expanded"])
def test_inputs_that_are_not_contiguous_are_taken(shape: str) -> None:
    fused, plain = twins(3, 4)
    whole = images(4, 3, 8, 10)
    x = {"transposed": whole.mT, "sliced": whole[:, :, ::2, 1::3], "expanded": whole[:1].expand(4, -1, -1, -1)}[shape]
    before = x.clone()
    assert_same(run(fused, x), run(plain, x), 1e-10)
    assert torch.equal(x, before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_output_and_gradient_keep_the_layout(layout: torch.memory_format) -> None:
    fused, _ = twins(4, 8, dtype=torch.float32)
    x = images(2, 4, 6, 6, dtype=torch.float32).to(memory_format=layout).requires_grad_()
    y = fused.to(memory_format=layout)(x)
    y.sum().backward()
    assert x.grad is not None
    assert y.is_contiguous(memory_format=layout)
    assert x.grad.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("cap", [20.0, None])
def test_two_activations_are_saved(cap: float | None) -> None:
    fused, _ = twins(4, 4, dtype=torch.float32, exponent_cap=cap)
    x = images(2, 4, 8, 8, dtype=torch.float32).requires_grad_()
    assert sorted(tensor.numel() for tensor in saved(fused, x))[-3:] == [4 * 4 * 9, x.numel(), x.numel()]


def test_the_graph_can_be_walked_twice() -> None:
    fused, _ = twins(2, 2)
    x = images(1, 2, 4, 4).requires_grad_()
    loss = fused(x).square().sum()
    (first,) = torch.autograd.grad(loss, x, retain_graph=True)
    (second,) = torch.autograd.grad(loss, x)
    assert torch.equal(first, second)


def trace(unit: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        traced = torch.jit.trace(unit, x)
    assert "aten::log" in str(traced.inlined_graph)
    return traced(x)


def export(unit: nn.Module, x: Tensor) -> Tensor:
    program = torch.export.export(unit, (x,))
    graphs = [module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    names = {str(node.target) for graph in graphs for node in graph.nodes}
    assert {"aten.log.default", "aten.exp.default", "aten.conv2d.default"} <= names
    return program.module()(x)


TRANSFORMED: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "hessian": lambda unit, x: torch.func.hessian(lambda x: unit(x).sum())(x),
    "jvp": lambda unit, x: torch.func.jvp(unit, (x,), (x,)),
    "vmap": lambda unit, x: torch.func.vmap(unit)(x[:, None]),
    "grad": lambda unit, x: torch.func.grad(lambda x: unit(x).square().sum())(x),
    "trace": trace,
    "export": export,
    "copy": lambda unit, x: list(run(pickle.loads(pickle.dumps(copy.deepcopy(unit))), x).values()),
    "compile": lambda unit, x: list(run(torch.compile(unit, fullgraph=True, backend="aot_eager"), x).values()),
}


# PyTorch itself calls what it has deprecated.
jit_is_deprecated = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning", "ignore:.*torch.jit.*:DeprecationWarning"
)


@jit_is_deprecated
@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED)
@in_a_fork
def test_a_transformed_unit_is_the_plain_one(transformed: Callable[[nn.Module, Tensor], object]) -> None:
    fused, plain = twins(2, 3)
    x = images(2, 2, 3, 3)
    torch.testing.assert_close(transformed(fused, x), transformed(plain, x))


@jit_is_deprecated
def test_forward_mode_without_torch_func_is_refused() -> None:
    (fused, _), x = twins(2, 2), images(1, 2, 4, 4)
    with torch.autograd.forward_ad.dual_level(), pytest.raises((RuntimeError, NotImplementedError), match="jvp"):
        fused(torch.autograd.forward_ad.make_dual(x, x))


def test_distributed_data_parallel_finds_every_gradient() -> None:
    fused, plain = twins(2, 3, dtype=torch.float32)
    x = images(2, 2, 4, 4, dtype=torch.float32)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        found = run(nn.parallel.DistributedDataParallel(fused), x)
    finally:
        torch.distributed.destroy_process_group()
    assert_same({name.replace("module.", ""): value for name, value in found.items()}, run(plain, x), 1e-5)


def test_autocast_rounds_nothing_but_the_operands_of_the_backward_convolutions() -> None:
    fused, plain = twins(16, 16, dtype=torch.float32)
    x = images(4, 16, 8, 8, dtype=torch.float32)
    expected = run(plain, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, unrounded = run(fused, x), run(plain, x)
    assert all(value.dtype == torch.float32 for value in found.values())
    torch.testing.assert_close(found["y"], expected["y"], rtol=1e-5, atol=0)
    assert all(torch.equal(unrounded[name], value) for name, value in expected.items())
    for name in ("d x", "d weight"):
        assert 1e-5 < float((found[name] - expected[name]).norm() / expected[name].norm()) < 1e-2
    with torch.autocast("cpu", dtype=torch.float16):
        assert_same(run(fused, x), expected, 1e-5)  # float16 would overflow


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("faster", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_logarithm_is_exact_and_keeps_the_layout(
    dtype: torch.dtype, faster: bool, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_unit, "_numpy_is_faster", lambda x: faster)
    x = (torch.rand(4, 6, 9, 7, generator=torch.Generator().manual_seed(0)) * 200 - 100).exp2()
    x = x.to(dtype).to(memory_format=layout)
    exact = x.double().log2()
    found = fused_unit.log2(x, out=torch.empty_like(x))
    assert found.stride() == x.stride()
    assert ((found - exact).abs() <= 2 * torch.finfo(dtype).eps * exact.abs().clamp_min(1e-3)).all()
    assert fused_unit.log2(x, out=x) is x
    assert torch.equal(x, found)
    x = torch.tensor([1.0, torch.inf, torch.nan], dtype=dtype)
    torch.testing.assert_close(fused_unit.log2(x, out=x), x.new_tensor([0.0, torch.inf, torch.nan]), equal_nan=True)


def test_a_gradient_of_the_logarithm_is_refused_where_it_would_be_lost() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="out="):
        fused_unit.log2(x, out=torch.empty(3))


def test_logarithms_of_many_threads_and_other_types_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_unit, "_numpy_has_avx512", lambda: True)
    assert fused_unit._numpy_is_faster(torch.ones(1)) is (torch.get_num_threads() < 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert not fused_unit._numpy_is_faster(torch.ones(1))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert not fused_unit._numpy_is_faster(torch.ones(1, dtype=torch.float64))
    assert not fused_unit._numpy_is_faster(torch.ones(1, device="meta"))
