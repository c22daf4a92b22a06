"""Small spaces, and a way to draw every candidate of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

SMALL_SPACES = {
    "units per layer, blocks per stage": """
        blocks_per_stage = { low = 1, high = 3 }
        units = { choices = ["conv", "product"], per = "layer" }
        stages = 2
        threshold_init = { choices = [-1.0, 0.0, 1.0], per = "stage" }
        relu_after_add = { choices = [false, true] }
    """,
    "units per layer, blocks per network": """
        blocks_per_stage = { choices = [1, 3], per = "network" }
        units = { choices = ["product", "conv"], per = "layer" }
        stages = 2
        threshold_init = { choices = [-1.0, 1.0], per = "network" }
        threshold_trainable = { choices = [false, true] }
        base_width = { choices = [4, 2, 3] }
    """,
    "units per stage": """
        blocks_per_stage = { low = 1, high = 2 }
        units = { choices = ["conv", "product"], per = "stage" }
        threshold_init = { choices = [-1.0, 1.0], per = "stage" }
        exponent_cap = { choices = [20.0, "none"] }
        shortcut = { choices = ["padding", "projection"] }
    """,
    "units per network": """
        blocks_per_stage = [{ low = 1, high = 3 }, 2, { choices = [1, 4] }]
        units = { choices = ["conv", "product"], per = "network" }
        threshold_init = [{ choices = [-1.0, 1.0] }, 0.5, { low = 0.0, high = 1.0 }]
        bottleneck = { choices = [false, true] }
        relu_in_block = { choices = [true, false] }
    """,
    "patterns that often agree": """
        blocks_per_stage = { low = 1, high = 3 }
        units = { patterns = ["conv", "conv product", "conv | product", "product | conv", "conv | conv product conv"] }
        stages = 2
        threshold_init = { choices = [-1.0, 1.0], per = "stage" }
        relu_in_block = { choices = [true, false] }
    """,
    "patterns over a common depth": """
        blocks_per_stage = { choices = [1, 2, 5], per = "network" }
        units = { patterns = ["product", "product conv", "product product conv"] }
        threshold_init = { choices = [-1.0, 1.0], per = "network" }
        base_width = { low = 2, high = 4 }
    """,
    "a single stage": """
        stages = 1
        blocks_per_stage = { low = 1, high = 2 }
        units = { choices = ["conv", "product"] }
        shortcut = { choices = ["projection", "padding"] }
        bottleneck = { choices = [false, true] }
    """,
    "every unit and stabiliser": """
        stages = 1
        blocks_per_stage = { low = 1, high = 2 }
        units = { choices = ["conv", "product", "product-complex", "log-conv", "plain-conv"] }
        threshold_per_channel = { choices = [false, true] }
        exponent_cap = { choices = ["none", 20] }
        softening = { choices = [0.25, 0.5] }
        residual_scale = { choices = [1.0, 0.1] }
        zero_gamma = { choices = [false, true] }
    """,
    "one network": """
        blocks_per_stage = 2
        units = "conv | product"
        threshold_init = -2.0
    """,
    "convolutions only": """
        blocks_per_stage = { low = 1, high = 2 }
        units = "conv"
        threshold_init = { choices = [-1.0, 1.0] }
        relu_after_add = { choices = [false, true] }
    """,
}


def small_space(name: str) -> SearchSpace:
    """One of `SMALL_SPACES` for tiny images."""
    space = SearchSpace.from_toml("[architecture]\n" + SMALL_SPACES[name], source=name)
    return space.with_images(in_chans=1, num_classes=3, image_size=8)


class _Enumerating:
    """A trial that answers with the choices of `path`, then with first choices, and notes how many there were."""

    def __init__(self, path: list[int]) -> None:
        self.path = path
        self.sizes: list[int] = []

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        index = self.path[len(self.sizes)] if len(self.sizes) < len(self.path) else 0
        self.sizes.append(len(choices))
        return choices[index]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        value: int = self.suggest_categorical(name, range(low, high + 1))
        return value

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return low


@cache
def every_candidate(name: str) -> tuple[Candidate, ...]:
    """Everything that one of `SMALL_SPACES` can suggest, with ranges of floats at their lower end."""
    return tuple(_candidates(small_space(name)))


def _candidates(space: SearchSpace) -> Iterator[Candidate]:
    path: list[int] = []
    while True:
        trial = _Enumerating(path)
        yield space.suggest(trial)  # type: ignore[arg-type]
        path = [*path, *[0] * (len(trial.sizes) - len(path))]
        while path and path[-1] == trial.sizes[len(path) - 1] - 1:
            path.pop()
        if not path:
            return
        path[-1] += 1
