"""log2 is exact to two units in the last place, whichever library computes it."""

from __future__ import annotations

import pytest
import torch

from pure_nas.nn.fused import unit


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("faster", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_logarithm_is_exact_and_keeps_the_layout(
    dtype: torch.dtype, faster: bool, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "_numpy_is_faster", lambda x: faster)
    x = (torch.rand(4, 6, 9, 7, generator=torch.Generator().manual_seed(0)) * 200 - 100).exp2()
    x = x.to(dtype).to(memory_format=layout)
    exact = x.double().log2()
    found = unit.log2(x, out=torch.empty_like(x))
    assert found.stride() == x.stride()
    assert ((found - exact).abs() <= 2 * torch.finfo(dtype).eps * exact.abs().clamp_min(1e-3)).all()
    assert unit.log2(x, out=x) is x
    assert torch.equal(x, found)


@pytest.mark.parametrize("faster", [True, False])
def test_special_values(faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "_numpy_is_faster", lambda x: faster)
    x = torch.tensor([1.0, torch.inf, torch.nan])
    found = unit.log2(x, out=torch.empty_like(x))
    torch.testing.assert_close(found, torch.tensor([0.0, torch.inf, torch.nan]), equal_nan=True)


def test_a_gradient_is_refused_where_it_would_be_lost() -> None:
    x = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="out="):
        unit.log2(x, out=torch.empty(3))


def test_many_threads_and_other_types_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "_numpy_has_avx512", lambda: True)
    assert unit._numpy_is_faster(torch.ones(1)) is (torch.get_num_threads() < 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert not unit._numpy_is_faster(torch.ones(1))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert not unit._numpy_is_faster(torch.ones(1, dtype=torch.float64))
    assert not unit._numpy_is_faster(torch.ones(1, device="meta"))
