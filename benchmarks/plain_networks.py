"""The networks as one writes them in plain PyTorch, without pure-nas: what the benchmarks compare with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Units = Sequence[Sequence[str]]
"""Of each stage, of each of its blocks: "conv" or "product"."""


class ProductUnit2d(nn.Conv2d):
    """y = exp(conv(log(max(x, t)))) with a trainable threshold t = softplus(theta), as the formula says."""

    def __init__(self, channels: int, theta: float = 0.0, exponent_cap: float = 20.0) -> None:
        super().__init__(channels, channels, 3, padding=1, bias=False)
        self.theta = nn.Parameter(torch.tensor(theta))
        self.exponent_cap = exponent_cap

    def forward(self, x: Tensor) -> Tensor:
        # Under bfloat16 autocast the exponential would lose its digits.
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            exponent = super().forward(torch.log(torch.maximum(x, F.softplus(self.theta) + 1e-7)))
            return torch.exp(exponent.clamp(max=self.exponent_cap))


class Projection(nn.Conv2d):
    """A 1x1 convolution that drops pixels first: PyTorch's, with a stride, can write past its memory on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.avg_pool2d(x, 1, self.stride), self.weight)


class BasicBlock(nn.Module):
    """ResNet's block, or PURe's: a product unit as its second operation and no ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int, product: bool, theta: float) -> None:
        super().__init__()
        self.product = product
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = ProductUnit2d(channels, theta) if product else nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                Projection(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x))
        if not self.product:
            out = F.relu(out, inplace=True)
        out = self.bn2(self.conv2(out))
        out = out + self.downsample(x)
        return out if self.product else F.relu(out, inplace=True)


class PlainNetwork(nn.Module):
    """A residual network of which each block is ResNet's or PURe's.

    Args:
        units: the unit of every block.
        width: channels of the first stage; each stage doubles them and halves the image.
        thetas: start of theta in each stage.
        imagenet_stem: a 7x7 convolution of stride 2 and a max-pool instead of a 3x3 convolution.

    Shape:
        (N, in_channels, H, W) -> (N, classes), logits
    """

    def __init__(
        self,
        units: Units,
        width: int = 16,
        *,
        in_channels: int = 3,
        classes: int = 10,
        thetas: Sequence[float] = (),
        imagenet_stem: bool = False,
    ) -> None:
        super().__init__()
        kernel, stride = (7, 2) if imagenet_stem else (3, 1)
        stem: list[nn.Module] = [
            nn.Conv2d(in_channels, width, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(width),
        ]
        stem += [nn.ReLU(inplace=True)] if units[0][0] == "conv" else []
        stem += [nn.MaxPool2d(3, 2, 1)] if imagenet_stem else []
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        channels_in = width
        for stage, names in enumerate(units):
            channels = width * 2**stage
            for index, name in enumerate(names):
                stride = 2 if stage > 0 and index == 0 else 1
                theta = thetas[stage] if thetas else 0.0
                blocks.append(BasicBlock(channels_in, channels, stride, name == "product", theta))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels_in, classes)
        self.reset()

    def reset(self) -> None:
        """Kaiming normal for convolutions; PyTorch's default, Kaiming uniform with a = 5, for exponents."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not isinstance(module, ProductUnit2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits
