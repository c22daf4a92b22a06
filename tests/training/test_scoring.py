"""Scores are those of a plain loop, and norms are re-estimated as the mean over batches."""

from __future__ import annotations

import pytest
import torch
from small_training import CPU, recipe, stripes, training
from torch import nn
from torch.nn import functional as F

from pure_nas.nn.network import Network
from pure_nas.training import scoring
from pure_nas.training.scoring import evaluate, generator, reestimate_norms


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def trained() -> Network:
    run = training(recipe(epochs=1))
    run._train_epoch()
    return run.network


@pytest.mark.parametrize("batch_size", [1, 7, None])
def test_a_score_is_that_of_a_plain_loop(batch_size: int | None) -> None:
    network = trained()
    images = stripes(16, 1)
    score = evaluate(network, images, CPU, batch_size=batch_size)
    ((pixels, labels),) = images.batches(16)
    with torch.no_grad():
        logits = network.eval()(pixels)
    assert score.error == (logits.argmax(1) != labels).float().mean().item()
    assert score.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
    assert score.accuracy == 1 - score.error


@pytest.mark.parametrize("mode", [True, False])
def test_scoring_restores_the_mode_and_changes_nothing(mode: bool) -> None:
    network = trained().train(mode)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate(network, stripes(16, 1), CPU)
    assert network.training is mode
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(not value.is_inference() for value in network.state_dict().values())


def test_norms_are_the_mean_over_batches_of_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "NORM_BATCH", 16)
    network = trained()
    first = norms(network)[0]
    means, variances = [], []
    network.train()
    for number, (pixels, _) in enumerate(stripes(48, 0).batches(16, generator=generator(3, "norms"))):
        if number == 2:
            break
        with torch.no_grad():
            out = network.stem.conv(pixels)
        means.append(out.mean((0, 2, 3)))
        variances.append(out.var((0, 2, 3)))
    reestimate_norms(network, stripes(48, 0), CPU, 3, count=32)
    torch.testing.assert_close(first.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(first.running_var, torch.stack(variances).mean(0))
    assert all(norm.num_batches_tracked == 2 for norm in norms(network))


@pytest.mark.parametrize("mode", [True, False])
def test_reestimation_restores_mode_and_momentum_and_leaves_the_weights(mode: bool) -> None:
    network = trained().train(mode)
    norms(network)[1].momentum = 0.3
    weights = [parameter.clone() for parameter in network.parameters()]
    reestimate_norms(network, stripes(48, 0), CPU, 0)
    assert network.training is mode
    assert [norm.momentum for norm in norms(network)] == [0.1, 0.3] + [0.1] * (len(norms(network)) - 2)
    assert all(torch.equal(after, before) for after, before in zip(network.parameters(), weights, strict=True))
