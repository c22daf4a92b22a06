"""What the unit "geometric-mean" computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GeometricMean(nn.Module):
    """The geometric mean of each 3x3 window of each channel, mixed by a 1x1 convolution.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: step of the window.
        floor: what smaller inputs are raised to, above zero.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, floor: float = 0.01) -> None:
        super().__init__()
        self.stride = stride
        self.floor = floor
        self.register_buffer("window", torch.full((in_channels, 1, 3, 3), 1 / 9), persistent=False)
        self.mix = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        logarithm = torch.log(torch.clamp_min(x, self.floor))
        mean = F.conv2d(logarithm, self.window, None, self.stride, 1, groups=x.shape[1])  # (N, in_channels, H', W')
        return self.mix(torch.exp(mean))
