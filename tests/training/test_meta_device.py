"""What runs on an accelerator, on PyTorch's meta device: a tensor that was left on the CPU raises there, as does the
host where it looks at a value."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from small_training import recipe, stripes, training
from torch import Tensor

from pure_nas.evaluation.evaluation import evaluate_network
from pure_nas.evaluation.noise import usual_noises
from pure_nas.evaluation.views import Views
from pure_nas.nn.folding import folded
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import UNITS
from pure_nas.training.scoring import evaluate, reestimate_norms
from pure_nas.training.step import Step
from pure_nas.training.training import Training

META = torch.device("meta")
LOOKS = (NotImplementedError, RuntimeError)
"""What meta tensors raise where somebody wants their values."""
SMALL: dict[str, Any] = {"base_width": 4, "in_chans": 1, "num_classes": 2, "image_size": 8}
NETWORKS = {
    **{name: Architecture.uniform(name, (1, 2), **SMALL) for name in UNITS.names},
    "bottlenecks": Architecture(units=(("conv", "product"), ("product",)), bottleneck=True, **SMALL),
    "options": Architecture(
        units=(("product", "conv"),),
        relu_in_block=True,
        relu_after_add=True,
        residual_scale=0.5,
        zero_gamma=True,
        shortcut="padding",
        **SMALL,
    ),
}
RECIPES = {
    "plain": {},
    "flips and turns": {"flip": True, "vertical_flip": True, "quarter_turns": True, "label_smoothing": 0.1},
    "resized crops": {"random_resized_crop": 0.3, "crop_padding": 0},
    "no clipping": {"gradient_clip_norm": None, "nesterov": True, "momentum": 0.9},
}


class Undrawn(torch.Generator):
    """A generator of which nothing is drawn."""

    def __new__(cls, device: torch.device | str = "cpu") -> Any:
        return super().__new__(cls) if torch.device(device) != META else object.__new__(Nothing)


class Nothing:
    def manual_seed(self, seed: int) -> None:
        """What draws is to use no generator."""


@pytest.fixture(autouse=True)
def what_real_devices_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fused update of SGD, autocast and generators are of real devices alone."""
    update, autocast = torch.optim.SGD, torch.autocast

    def full_precision(device: str, **options: Any) -> Any:
        return nullcontext() if device == "meta" else autocast(device, **options)

    def usual_update(*groups: Any, fused: bool, **options: Any) -> Any:
        return update(*groups, **options)

    monkeypatch.setattr(torch.optim, "SGD", usual_update)
    monkeypatch.setattr(torch, "autocast", full_precision)
    monkeypatch.setattr("pure_nas.evaluation.noise.torch.Generator", Undrawn)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that networks have seen."""
    seen: list[int] = []
    forward = torch.nn.Module.__call__

    def counted(self: torch.nn.Module, *inputs: Any, **named: Any) -> Any:
        if isinstance(self, Network):
            seen.append(len(inputs[0]))
        return forward(self, *inputs, **named)

    monkeypatch.setattr(torch.nn.Module, "__call__", counted)
    return seen


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fields", RECIPES)
def test_an_epoch_never_waits_for_the_device(network: str, fields: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(recipe(**RECIPES[fields]), architecture=NETWORKS[network], device=META, turns=True)
    steps: list[int] = []
    step = Step.__call__

    def counted(self: Step, images: Tensor, labels: Tensor, progress: float) -> Any:
        assert images.device == labels.device == META
        steps.append(len(images))
        return step(self, images, labels, progress)

    monkeypatch.setattr(Step, "__call__", counted)
    monkeypatch.setattr(Training, "_require_finite", lambda *_: None)
    with pytest.raises(LOOKS):  # what the epoch returns is a number
        run._train_epoch()
    assert steps == [16, 16, 16]


@pytest.mark.parametrize("network", NETWORKS)
def test_norms_are_estimated_and_folded_on_the_device(network: str, forwards: list[int]) -> None:
    found = build(NETWORKS[network]).to(META)
    reestimate_norms(found, stripes(600, 0), META, 0)
    assert forwards == [256, 256, 88]
    assert {value.device for value in folded(found).state_dict().values()} == {META}


@pytest.mark.parametrize("network", NETWORKS)
def test_images_are_scored_without_a_look_until_the_end(network: str) -> None:
    taken: list[int] = []
    images = stripes(40, 0).watched(lambda: taken.append(1))
    with pytest.raises(LOOKS):
        evaluate(build(NETWORKS[network]).to(META), images, META, batch_size=16)
    assert len(taken) == 3


@pytest.mark.parametrize("network", ["conv", "product", "bottlenecks"])
def test_noise_views_and_probes_are_computed_on_the_device(network: str) -> None:
    taken: list[int] = []
    images = stripes(40, 0).watched(lambda: taken.append(1))
    with pytest.raises(LOOKS):
        evaluate_network(
            build(NETWORKS[network]).to(META),
            images,
            META,
            noises=usual_noises(),
            views=Views("flip"),
            factors=(0.5, 2.0),
            batch_size=16,
        )
    assert len(taken) == 3
