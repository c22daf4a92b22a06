"""LogConv, a convolution of logarithms: the product unit without its exponential."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LogConv(nn.Module):
    """A convolution of log(max(x, t)), with the threshold t = softplus(theta) + 1e-7 of a product unit.

    Everything but the exponential is as in a product unit, start included, so that a comparison of both tells what the
    multiplication does. Zero padding of the logarithm is an input of one. It computes in float32 or wider, whatever
    autocast says; where its weights are of half precision, its result has the dtype of its input.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window.
        stride: step of the window.
        padding: positions added on each side, each a logarithm of zero.
        threshold_init: start of theta; 0 gives the floor ln 2.
        threshold_trainable: whether theta is trained.
        threshold_per_channel: whether every input channel has its own theta, (in_channels, 1, 1), or all share one, ().

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W'), as in `torch.nn.Conv2d`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int = 1,
        threshold_init: float = 0.0,
        threshold_trainable: bool = True,
        threshold_per_channel: bool = False,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        self.threshold_init = threshold_init
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        shape = (in_channels, 1, 1) if threshold_per_channel else ()
        self.theta = nn.Parameter(torch.empty(shape), requires_grad=threshold_trainable)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Weights uniform within 0.480 / sqrt(fan-in), as the exponents of a product unit; theta at its start."""
        nn.init.kaiming_uniform_(self.weight, a=5, generator=generator)
        nn.init.constant_(self.theta, self.threshold_init)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            given, half = x.dtype, self.weight.dtype in (torch.float16, torch.bfloat16)
            x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            weight, theta = (self.weight.float(), self.theta.float()) if half else (self.weight, self.theta)
            threshold = F.softplus(theta) + 1e-7
            logarithm = torch.log(torch.maximum(x, threshold))
            y = F.conv2d(logarithm, weight, None, self.stride, self.padding)
            return y.to(given) if half else y

    def extra_repr(self) -> str:
        out_channels, in_channels, kernel_size, _ = self.weight.shape
        return f"{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={self.stride}, padding={self.padding}"
