"""The units that PyTorch lacks, as what is counted, exported and compiled: each class uses nothing but PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvPU(nn.Module):
    """The product unit (arXiv 2505.04397): every output is a product of powers of the inputs in its window.

    y = exp(min(conv(log(max(x, t)), W), cap)) with the floor t = softplus(theta) + 1e-7, so that
    y = prod_i max(x_i, t) ** W_i. Zero padding of the logarithm is a factor of one. Logarithm, convolution and
    exponential run in float32 or wider, whatever autocast says: exp overflows float16 at 11.1. Where its weights are of
    half precision, its result has the dtype of its input and at most a sixteenth of what that dtype holds, so that the
    norm and the skip behind it stay finite.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: height and width of the window.
        stride: step of the window.
        padding: positions added on each side, each a factor of one.
        threshold_init: start of theta; 0 gives the floor ln 2.
        threshold_trainable: whether theta is trained.
        threshold_per_channel: whether every input channel has its own theta, (in_channels, 1, 1), or all share one, ().
        exponent_cap: upper bound of the exponent; None leaves it unbounded, as the paper does. With 20, values
            and gradients stay finite for every finite input.

    Attributes:
        exponent_bias: (out_channels, 1, 1), what is added to capped exponents; None unless the block has absorbed the
            scale of the norm behind the unit, for float16.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W'), as in `torch.nn.Conv2d`.
    """

    exponent_bias: Tensor | None

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
        exponent_cap: float | None = 20.0,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        self.threshold_init = threshold_init
        self.exponent_cap = exponent_cap
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        shape = (in_channels, 1, 1) if threshold_per_channel else ()
        self.theta = nn.Parameter(torch.empty(shape), requires_grad=threshold_trainable)
        self.register_buffer("exponent_bias", None)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Exponents uniform within 0.480 / sqrt(fan-in), which is Kaiming uniform with a = 5; theta at its start."""
        nn.init.kaiming_uniform_(self.weight, a=5, generator=generator)
        nn.init.constant_(self.theta, self.threshold_init)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            given, half = x.dtype, self.weight.dtype in (torch.float16, torch.bfloat16)
            x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            weight, theta = (self.weight.float(), self.theta.float()) if half else (self.weight, self.theta)
            threshold = F.softplus(theta) + 1e-7
            logarithm = torch.log(torch.maximum(x, threshold))
            exponent = F.conv2d(logarithm, weight, None, self.stride, self.padding)
            if self.exponent_cap is not None:
                exponent = torch.clamp_max(exponent, self.exponent_cap)
            if self.exponent_bias is not None:
                exponent = exponent + self.exponent_bias
            y = torch.exp(exponent)
            return y.clamp_max(torch.finfo(given).max / 16).to(given) if half else y

    def extra_repr(self) -> str:
        out_channels, in_channels, kernel_size, _ = self.weight.shape
        return (
            f"{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, exponent_cap={self.exponent_cap}"
        )


class LogConv(nn.Module):
    """A convolution of log(max(x, t)), with the threshold t = softplus(theta) + 1e-7 of a product unit.

    Everything but the exponential is as in a product unit, start included, so that a comparison of both tells what the
    multiplication does. Zero padding of the logarithm is an input of one. It computes in float32 or wider, whatever
    autocast says; where its weights are of half precision, its result has the dtype of its input.
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


class ComplexConvPU(nn.Module):
    """A product unit without a threshold, because the logarithm of a negative number is complex.

    With log x = log |x| + i pi [x < 0] and real exponents W, y is the real part of exp(conv(log x, W)):

        y = exp(min(conv(log |x|, W), cap)) * cos(pi * conv([x < 0], W))    log |x| = log(x ** 2 + softening ** 2) / 2

    so that y = prod_i |x_i| ** W_i, turned by half a circle times the exponents of negative inputs. Everything in it is
    real. Zero padding of both convolutions is a factor of one. It computes in float32 or wider, whatever autocast says;
    where its weights are of half precision, its result has the dtype of its input.

    The softening bounds the gradient of log |x| by 1 / (2 softening): that of 1 / |x| has no finite variance where
    inputs come from a norm. On 8x8 digits (depth 14, 15 epochs, 3 seeds) a softening of 0.01 did not train (error 84 to
    91 %); 0.1 left 19 to 33 %, 0.3 and 0.5 11 to 17 %, 1.0 15 to 27 %. In float32 |x| must stay below 1e19, far beyond
    what a norm gives. Where an input crosses zero y jumps by its sign, at a modulus of at least softening ** W: no
    gradient sees that. `exponent_cap` and `exponent_bias` are those of `ConvPU`, of the real part of the exponent.
    """

    exponent_bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: int = 1,
        exponent_cap: float | None = 20.0,
        softening: float = 0.5,
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        self.exponent_cap = exponent_cap
        self.softening = softening
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.register_buffer("exponent_bias", None)
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Exponents uniform within 0.122 / sqrt(fan-in), a quarter of a product unit's: phases start below 0.2 rad.

        They grow to about 1 rad in training from either start; from this one it went faster (in the setting above
        9 to 11 % of error, and 12 to 14 %).
        """
        nn.init.kaiming_uniform_(self.weight, a=20, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            given, half = x.dtype, self.weight.dtype in (torch.float16, torch.bfloat16)
            x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            weight = self.weight.float() if half else self.weight
            logarithm = 0.5 * torch.log(x * x + self.softening**2)
            exponent = F.conv2d(logarithm, weight, None, self.stride, self.padding)
            if self.exponent_cap is not None:
                exponent = torch.clamp_max(exponent, self.exponent_cap)
            if self.exponent_bias is not None:
                exponent = exponent + self.exponent_bias
            half_turns = F.conv2d((x < 0).to(x.dtype), weight, None, self.stride, self.padding)
            y = torch.exp(exponent) * torch.cos(torch.pi * half_turns)
            if half:
                largest = torch.finfo(given).max / 16  # the norm and the skip behind it stay finite
                return y.clamp(-largest, largest).to(given)
            return y

    def extra_repr(self) -> str:
        out_channels, in_channels, kernel_size, _ = self.weight.shape
        return (
            f"{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, exponent_cap={self.exponent_cap}, softening={self.softening}"
        )


class Hadamard(nn.Module):
    """The product of two convolutions of the same input, as activation-free networks multiply.

    y = conv(x, V) * conv(x, W): a quadratic form of each window, where a product unit has powers. Signs count, and no
    input needs a floor. Both are computed as one convolution of twice the channels, V first. Where its weights are of
    half precision it computes in float32, and its result has the dtype of its input.

    Shape:
        (N, in_channels, H, W) -> (N, out_channels, H', W'), as in `torch.nn.Conv2d`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = padding
        self.weight = nn.Parameter(torch.empty(2 * out_channels, in_channels, kernel_size, kernel_size))
        self.reset_parameters()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Kaiming normal without a ReLU: of inputs with variance 1, both factors and their product have variance 1."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            given, half = x.dtype, self.weight.dtype in (torch.float16, torch.bfloat16)
            x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
            weight = self.weight.float() if half else self.weight
            first, second = F.conv2d(x, weight, None, self.stride, self.padding).chunk(2, 1)
            y = first * second
            if half:
                largest = torch.finfo(given).max / 16  # the norm and the skip behind it stay finite
                return y.clamp(-largest, largest).to(given)
            return y

    def extra_repr(self) -> str:
        both, in_channels, kernel_size, _ = self.weight.shape
        return f"{in_channels}, {both // 2}, kernel_size={kernel_size}, stride={self.stride}, padding={self.padding}"
