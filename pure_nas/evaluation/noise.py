"""Four kinds of noise on images of 0 to 1, drawn for each image by itself, so that results do not depend on batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pure_nas.errors import UsageError, nearest
from pure_nas.validation import checked, checked_fields

NoiseKind = Literal["poisson", "gaussian", "salt-and-pepper", "speckle"]
"""poisson: photon noise, the level is the number of photons of a white pixel; gaussian: added, the level is its
standard deviation; salt-and-pepper: the level is the share of pixels that turn black or white, in all channels
together; speckle: each value is multiplied by 1 + n, the level is the standard deviation of n."""
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)

_LEVELS: Mapping[NoiseKind, tuple[str, tuple[float, ...], tuple[float, float]]] = {
    "poisson": ("photons of a white pixel", (1000.0, 300.0, 100.0, 30.0, 10.0), (100.0, 20.0)),
    "gaussian": ("standard deviation", (0.02, 0.05, 0.1, 0.2, 0.3), (0.05, 0.15)),
    "salt-and-pepper": ("share of pixels", (0.01, 0.02, 0.05, 0.1, 0.2), (0.02, 0.1)),
    "speckle": ("standard deviation", (0.05, 0.1, 0.2, 0.4, 0.6), (0.1, 0.3)),
}
"""What a level is; the usual ones, from weak to strong; a mild and a strong one."""
LEVEL_NAMES: Mapping[NoiseKind, str] = {kind: name for kind, (name, _, _) in _LEVELS.items()}

_ALONE = ("all", "none")  # what options take in addition to kinds of noise, but not in one list with them
_STREAM = 7  # separates these draws from others of the same seed
_MOST_PHOTONS = 1e7  # float32 counts further, but not much


@checked_fields
@dataclass(frozen=True)
class Noise:
    """One kind of noise at one level; a level of 0 is no noise.

    Attributes:
        kind: "poisson", "gaussian", "salt-and-pepper" or "speckle".
        level: photons of a white pixel, standard deviation, share of pixels, or standard deviation.

    Raises:
        UsageError: the kind is unknown, or the level is out of its range.

    Example:
        >>> pure_nas.Noise("gaussian", 0.1).clean
        False
    """

    kind: NoiseKind
    level: float

    def __post_init__(self) -> None:
        most = {"poisson": _MOST_PHOTONS, "salt-and-pepper": 1.0}.get(self.kind, math.inf)
        if not 0 <= self.level <= most:
            allowed = f"from 0 to {most:g}" if most < math.inf else "0 or more"
            raise UsageError(f"The level of {self.kind} noise is {self.level:g}, but must be {allowed}.")

    @property
    def clean(self) -> bool:
        """Whether it leaves images as they are."""
        return self.level == 0

    @property
    def strength(self) -> float:
        """A number that increases with the noise: the level, or for Poisson noise the standard deviation on white."""
        return 1 / math.sqrt(self.level) if self.kind == "poisson" and self.level else self.level


NOISE_MIXTURE = tuple(Noise(kind, level) for kind, (_, _, mixed) in _LEVELS.items() for level in mixed)
"""Each kind at a mild and a strong level, with equal weights. Fixed, so that searches can be compared."""


@checked
def usual_noises(kinds: Sequence[NoiseKind] = NOISE_KINDS) -> tuple[Noise, ...]:
    """Each kind at its usual levels.

    Example:
        >>> sorted({noise.kind for noise in pure_nas.usual_noises(["poisson"])})
        ['poisson']
    """
    return tuple(Noise(kind, level) for kind in kinds for level in _LEVELS[kind][1])


def noises_named(texts: Sequence[str]) -> tuple[Noise, ...]:
    """The noises of "gaussian=0.05,0.1", "poisson,speckle", "all" and the like, each once."""
    if "none" in texts and len(texts) > 1:
        others = ", ".join(other for other in texts if other != "none") or "it twice"
        raise UsageError(f"The noise none means no noise at all, but {others} is given too.")
    found: list[Noise] = []
    for text in texts:
        listed, equals, levels = text.partition("=")
        names = [listed] if equals else [name.strip() for name in text.split(",")]
        for name in names if text not in _ALONE else ():
            if name in _ALONE:
                raise UsageError(f'The noise {name} must be given alone, not as in "{text}".')
            if name not in NOISE_KINDS:
                known = nearest(name, [*NOISE_KINDS, *_ALONE])
                raise UsageError(f'There is no noise "{name}"; {known}; {" and ".join(_ALONE)} must be given alone.')
        kinds = [kind for kind in NOISE_KINDS if kind in names or text == "all"]
        found += () if equals else usual_noises(kinds)
        for level in levels.split(",") if equals else ():
            try:
                value = float(level)
            except ValueError as error:
                raise UsageError(f'"{level}" in "{text}" is not a level; use numbers: gaussian=0.05,0.1.') from error
            found.append(Noise(kinds[0], value))
    return tuple(dict.fromkeys(found))


def noise_seeds(seed: int, kind: NoiseKind, count: int) -> list[int]:
    """A seed for each of `count` images; a larger count only adds seeds."""
    sequence = np.random.SeedSequence([seed, _STREAM, NOISE_KINDS.index(kind)])
    return [int(state) >> 1 for state in sequence.generate_state(count, np.uint64)]


def add_noise(images: Tensor, noise: Noise, seeds: Sequence[int]) -> Tensor:
    """A noisy copy of `images` (B, C, H, W), float32, values 0..1, with one of `noise_seeds` per image."""
    if noise.clean:
        return images
    generator = torch.Generator(images.device)
    match noise.kind:
        case "poisson":
            rates = images.contiguous(memory_format=torch.contiguous_format) * noise.level
            for rate, seed in zip(rates, seeds, strict=True):
                rate.copy_(torch.poisson(rate, generator=generator.manual_seed(seed)))
            noisy = rates.div_(noise.level)
        case "gaussian":
            noisy = _drawn(images, seeds, generator, Tensor.normal_).mul_(noise.level).add_(images)
        case "speckle":
            noisy = _drawn(images, seeds, generator, Tensor.normal_).mul_(noise.level).add_(1).mul_(images)
        case "salt-and-pepper":
            # The lower half of what is drawn below the level turns black, the upper half white.
            drawn = _drawn(images[:, :1], seeds, generator, Tensor.uniform_)
            white = (drawn < noise.level).to(images.dtype)
            noisy = torch.maximum(images, white).masked_fill(drawn < noise.level / 2, 0.0)
    return noisy.clamp_(0, 1).contiguous(memory_format=torch.channels_last)


def _drawn(like: Tensor, seeds: Sequence[int], generator: torch.Generator, draw: Callable[..., Tensor]) -> Tensor:
    """Random numbers in the shape of `like`, those of each image from its seed."""
    drawn = torch.empty_like(like, memory_format=torch.contiguous_format)
    for image, seed in zip(drawn, seeds, strict=True):
        draw(image, generator=generator.manual_seed(seed))
    return drawn
