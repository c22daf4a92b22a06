"""What modules compute of images: the output, every gradient and what is kept for them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def upstream(y: Tensor) -> Tensor:
    return torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y)


def run(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The output, the gradients of a weighted sum of it ("d x", "d weight", ...), and the buffers afterwards."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    module.zero_grad()
    y = module(x)
    (y * upstream(y)).sum().backward()
    assert x.grad is not None
    gradients = {f"d {name}": value.grad for name, value in module.named_parameters() if value.grad is not None}
    return {
        "y": y.detach(),
        "d x": x.grad,
        **gradients,
        **{name: each.clone() for name, each in module.named_buffers()},
    }


def saved(module: nn.Module, x: Tensor) -> list[Tensor]:
    """What autograd keeps for the backward pass, one tensor for each storage."""
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(x)
    return list(found.values())


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
