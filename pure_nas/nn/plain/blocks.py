"""The parts of a network: stem, residual blocks, shortcuts and classifier.

These classes are what an exported file carries, so they use nothing but PyTorch, and their submodule names
are the keys of its weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Stem(nn.Module):
    """Convolution and norm, then a ReLU where `relu`, then a 3x3 max-pool of stride 2 where `pool`."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, relu: bool, pool: bool
    ) -> None:
        super().__init__()
        self.relu = relu
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        if self.relu:
            x = F.relu(x)
        pooled: Tensor = self.pool(x)
        return pooled


class ProjectionShortcut(nn.Module):
    """A skip to (N, out_channels, ceil(H / stride), ceil(W / stride)) by a 1x1 convolution and a norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        # On CPUs, the weight gradient of a 1x1 convolution that has a stride, fewer than 16 input channels and images
        # in channels_last writes past its memory (oneDNN issue 6035), so narrow skips drop the pixels beforehand.
        self.step = stride if in_channels < 16 else 1
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride // self.step, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.step > 1:
            x = F.avg_pool2d(x, 1, self.step)  # every step-th pixel
        out: Tensor = self.norm(self.conv(x))
        return out


class PaddingShortcut(nn.Module):
    """A skip to the shape of `ProjectionShortcut` without parameters: every `stride`-th pixel, new channels zero."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        before = self.new_channels // 2
        return F.pad(x, (0, 0, 0, 0, before, self.new_channels - before))


class ResidualBlock(nn.Module):
    """Convolution, norm, unit, norm, times `residual_scale`, plus the skip.

    With a convolution as its unit and both ReLUs it is the block of ResNet; with a product unit and no ReLU it is the
    block of PURe (arXiv 2505.04397). Its convolution is 3x3 and carries the stride. That of a bottleneck is 1x1, the
    unit carries the stride, and a 1x1 convolution and a norm follow.

    Shape:
        (N, in_channels, H, W) -> (N, channels, ceil(H / stride), ceil(W / stride)), 4 * channels out of a bottleneck
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        unit: nn.Module,
        shortcut: nn.Module,
        stride: int = 1,
        bottleneck: bool = False,
        relu_in_block: bool = False,
        relu_after_add: bool = False,
        residual_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        self.relu_in_block = relu_in_block
        self.relu_after_add = relu_after_add
        self.residual_scale = residual_scale
        kernel_size = 1 if bottleneck else 3
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.unit = unit
        self.norm2 = nn.BatchNorm2d(channels)
        if bottleneck:
            self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
            self.norm3 = nn.BatchNorm2d(4 * channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm1(self.conv1(x))
        if self.relu_in_block:
            out = F.relu(out)
        out = self.norm2(self.unit(out))
        if self.bottleneck:
            out = self.norm3(self.conv3(F.relu(out) if self.relu_in_block else out))
        return self.added(out, x)

    def added(self, branch: Tensor, x: Tensor) -> Tensor:
        """`branch`, times `residual_scale`, plus the skip of `x`, through a ReLU where there is one."""
        if self.residual_scale != 1.0:
            branch = branch * self.residual_scale
        out = branch + self.shortcut(x)
        return F.relu(out) if self.relu_after_add else out

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ResidualBlock:
        """What PyTorch calls for `half()`, `to()` and the like.

        float16 does not hold what product units compute. So it is divided by its norm's standard deviation first, where
        that is above one, by a shift of the unit's exponents. In evaluation mode the block computes what it did.
        """
        unit, norm = self.unit, self.norm2
        narrows = fn(torch.empty(0)).dtype == torch.float16 and hasattr(unit, "exponent_bias")
        if narrows and norm.running_mean is not None and norm.running_var is not None:
            mean, variance, shift = self._without_scale(norm.running_mean, norm.running_var)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            before = getattr(unit, "exponent_bias", None)  # there is one where the block was brought to float16 before
            unit.exponent_bias = -shift if before is None else before - shift
        super()._apply(fn, recurse)
        return self

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        """Take weights of the block before and after it was brought to float16, whichever it is now."""
        names = ("unit.exponent_bias", "norm2.running_mean", "norm2.running_var")
        bias, mean, variance = (prefix + name for name in names)
        ours = getattr(self.unit, "exponent_bias", None)
        if bias in state_dict and ours is None and hasattr(self.unit, "exponent_bias"):
            self.unit.exponent_bias = state_dict[bias].to(self.norm2.weight, copy=True)
        elif bias not in state_dict and ours is not None and mean in state_dict and variance in state_dict:
            state_dict[mean], state_dict[variance], shift = self._without_scale(state_dict[mean], state_dict[variance])
            state_dict[bias] = -shift
        load: Callable[..., None] = super()._load_from_state_dict
        load(state_dict, prefix, *rest)

    def _without_scale(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The statistics of the norm once the unit's exponents are less by the shift, which is the third."""
        variance = variance.float() + self.norm2.eps
        # float16 and bfloat16 hold sixteenths exactly. A variance that float32 does not hold stays infinite.
        shift = (variance.log() * 8).round().clamp(0, 640) / 16
        return mean / shift.exp(), variance / shift.exp().square() - self.norm2.eps, shift.view(-1, 1, 1)


class Classifier(nn.Module):
    """The mean over the image, then a linear layer: (N, in_channels, H, W) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(in_channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.pool(x).flatten(1))
        return out
