"""Parameters learn at the rates of their kind; a recorded step learns what an eager one does, or falls back to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest
import torch
from small_training import CPU, MIXED, recipe, same, stripes, training
from torch import nn

from pure_nas.errors import PureNasError
from pure_nas.nn.network import Network, build, parameter_kinds
from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.unit import CONV, PARAMETER_KINDS, UNITS, ParameterKind
from pure_nas.training.scoring import generator
from pure_nas.training.step import BatchScore, Execution, Step, apply_schedules, make_optimizer

RECIPE = recipe(gradient_clip_norm=1.0, learning_rate_schedule="cosine", momentum=0.9)
RECORD = "pure_nas.training.step.record_cuda_graph"
Replay = Callable[[], None]
Recorder = Callable[[Callable[[], BatchScore]], tuple[Replay, BatchScore]]


def network() -> Network:
    return build(MIXED, generator=generator(0, "weights")).train()


class Tape:
    """A CUDA graph's behaviour on a CPU: recording computes nothing, and results land in the same tensors."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.recorded = 0
        self.replayed = 0

    def __call__(self, work: Callable[[], BatchScore]) -> tuple[Replay, BatchScore]:
        self.recorded += 1
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        score = work()
        self.network.load_state_dict(before)
        kept = [parameter.grad for parameter in self.network.parameters()]

        def replay() -> None:
            self.replayed += 1
            fresh = work()
            for parameter, buffer in zip(self.network.parameters(), kept, strict=True):
                if parameter.grad is not None and buffer is not None:
                    buffer.copy_(parameter.grad)
                parameter.grad = buffer
            score.loss.copy_(fresh.loss)
            score.correct.copy_(fresh.correct)

        return replay, score


def refuse(work: Callable[[], BatchScore]) -> tuple[Replay, BatchScore]:
    raise RuntimeError("operation not permitted when stream is capturing\nlong story")


def run(step: Step, batch_size: int, chosen: Recipe = RECIPE) -> list[tuple[float, int]]:
    """Scores of the batches of two epochs; the last batch of an epoch is smaller."""
    scores: list[tuple[float, int]] = []
    for epoch in range(2):
        for images, labels in stripes(48, 0).batches(batch_size, generator=generator(0, "order", epoch)):
            score = step(images, labels, len(scores) / 10)
            scores.append((score.loss.item(), int(score.correct)))
    return scores


def step_of(learner: Network, execution: Execution = "eager") -> Step:
    return Step(learner, make_optimizer(learner, RECIPE), RECIPE, CPU, execution)


@pytest.mark.parametrize("batch_size", [16, 11])
def test_a_recorded_step_learns_what_an_eager_one_learns(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, taped = network(), network()
    tape = Tape(taped)
    monkeypatch.setattr(RECORD, tape)
    step = step_of(taped, "recorded")
    assert run(step, batch_size) == run(step_of(plain), batch_size)
    assert same(plain.state_dict(), taped.state_dict())
    assert step.kind == "recorded"
    assert tape.recorded == 1
    assert tape.replayed == 2 * (48 // batch_size) - 3


def exhausted(work: Callable[[], BatchScore]) -> tuple[Replay, BatchScore]:
    try:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    finally:
        raise RuntimeError("capture was invalidated")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (refuse, "operation not permitted when stream is capturing"),
        (exhausted, "CUDA out of memory. Tried to allocate 2 GiB"),
    ],
)
def test_a_step_that_cannot_be_recorded_runs_eagerly_and_says_so_once(
    record: Recorder, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain, other = network(), network()
    monkeypatch.setattr(RECORD, record)
    step = step_of(other, "recorded")
    assert run(step, 16) == run(step_of(plain), 16)
    assert same(plain.state_dict(), other.state_dict())
    assert step.kind == f"eager (recording failed: {reason})"
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")]
)
def test_a_recording_gives_its_memory_back_where_a_batch_of_another_size_needs_it(
    failure: RuntimeError, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, taped = network(), network()
    monkeypatch.setattr(RECORD, Tape(taped))
    step = step_of(taped, "recorded")
    forward, failures = Network.forward, [failure]

    def scarce(self: Network, x: torch.Tensor) -> torch.Tensor:
        if self is taped and len(x) == 4 and failures:
            raise failures.pop()
        return forward(self, x)

    monkeypatch.setattr(Network, "forward", scarce)
    assert run(step, 11) == run(step_of(plain), 11)
    assert same(plain.state_dict(), taped.state_dict())
    assert step.kind == "eager (no memory beside the recording)"
    assert len(caplog.records) == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.filterwarnings("ignore::UserWarning")  # raised inside of dynamo, one would leave the blocks eager
@pytest.mark.parametrize("execution", ["recorded", "compiled"])
def test_on_a_gpu_recorded_and_compiled_steps_learn_what_eager_ones_learn(execution: Execution) -> None:
    """Also where the last batch of an epoch is smaller."""
    losses: dict[str, list[float]] = {}
    for each in ("eager", execution):
        chosen = RECIPE.model_copy(update={"batch_size": 11})
        run = training(chosen, validation=None, device=torch.device("cuda"), execution=each)
        losses[each] = [run.run_epoch().train_loss for _ in range(RECIPE.epochs)]
        assert each in run.execution
    assert losses[execution] == pytest.approx(losses["eager"], rel=0.05)


def test_a_layer_that_is_skipped_in_some_steps_learns_in_the_others() -> None:
    learner = network()
    block = learner.stages[0][0]
    before, step = block.conv1.weight.detach().clone(), step_of(learner)
    images, labels = next(stripes(48, 0).batches(48))
    block.forward = lambda x: x
    step(images, labels, 0.0)
    # Only its weights decay.
    torch.testing.assert_close(block.conv1.weight, before, rtol=1e-4, atol=0)
    del block.forward
    step(images, labels, 0.1)
    assert not torch.allclose(block.conv1.weight, before, rtol=1e-3, atol=0)


def test_a_batch_is_scored_before_it_is_learnt() -> None:
    learner = network()
    images, labels = next(stripes(48, 0).batches(48))
    with torch.no_grad():
        logits = build(MIXED, generator=generator(0, "weights")).train()(images)
    score = step_of(learner)(images, labels, 0.0)
    torch.testing.assert_close(score.loss, nn.functional.cross_entropy(logits, labels))
    assert int(score.correct) == int((logits.argmax(1) == labels).sum())


RATES: dict[ParameterKind, float] = dict(zip(PARAMETER_KINDS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True))
DECAYS: dict[ParameterKind, WeightDecay] = {
    "trunk": WeightDecay(start=0.01),
    "conv": WeightDecay(schedule="linear", start=0.1, end=0.3),
    "product_conv": WeightDecay(schedule="cosine", start=0.4, end=0.0),
    "exponents": WeightDecay(schedule="step", start=0.5, end=0.05),
    "thresholds": WeightDecay(start=0.0),
}


def by_kind(**fields: object) -> Recipe:
    return recipe(learning_rate=RATES, weight_decay=DECAYS, **fields)


def settings_of(optimizer: torch.optim.Optimizer, name: str) -> dict[str, float]:
    return {group["kind"]: group[name] for group in optimizer.param_groups}


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_schedules_are_applied_to_each_kind(progress: float, factor: float) -> None:
    chosen = by_kind(learning_rate_schedule="cosine")
    optimizer = make_optimizer(build(MIXED), chosen)
    apply_schedules(optimizer, chosen, progress)
    assert settings_of(optimizer, "lr") == pytest.approx({kind: rate * factor for kind, rate in RATES.items()})
    decays = {kind: decay.at(progress) for kind, decay in DECAYS.items()}
    assert settings_of(optimizer, "weight_decay") == pytest.approx(decays)


def test_the_first_step_already_has_its_rates_and_decays() -> None:
    optimizer = make_optimizer(build(MIXED), by_kind(momentum=0.7, nesterov=True))
    assert settings_of(optimizer, "lr") == RATES
    assert settings_of(optimizer, "weight_decay") == {kind: decay.start for kind, decay in DECAYS.items()}
    assert set(settings_of(optimizer, "momentum").values()) == {0.7}
    assert set(settings_of(optimizer, "nesterov").values()) == {True}


@pytest.mark.parametrize(
    ("architecture", "lacking"),
    [
        (MIXED, set()),
        (MIXED.model_copy(update={"threshold_trainable": False}), {"thresholds"}),
        (MIXED.with_unit("conv"), {"product_conv", "exponents", "thresholds"}),
    ],
)
def test_every_trainable_parameter_is_in_the_group_of_its_kind_once(
    architecture: Architecture, lacking: set[ParameterKind]
) -> None:
    network = build(architecture)
    kinds = parameter_kinds(network)
    expected = {id(each): kinds[name] for name, each in network.named_parameters() if each.requires_grad}
    groups = make_optimizer(network, recipe()).param_groups
    grouped = [(id(each), group["kind"]) for group in groups for each in group["params"]]
    assert len(grouped) == len(expected)
    assert dict(grouped) == expected
    assert {group["kind"] for group in groups} == set(PARAMETER_KINDS) - lacking


def test_a_kind_of_parameters_that_nothing_trains_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: dict[str, ParameterKind] = {"weight": "conv"}
    unit = replace(CONV, name="mine", parameter_kinds=MappingProxyType(kinds))
    monkeypatch.setitem(UNITS.registered, "mine", unit)
    made = build(Architecture(units=(("mine",),), base_width=2))
    kinds["weight"] = "wait"  # type: ignore[assignment]
    with pytest.raises(PureNasError, match=r'"stages\.0\.0\.unit\.weight" is of the kind "wait"; known: conv, ex'):
        make_optimizer(made, RECIPE)


@pytest.mark.parametrize("batch_size", [16, 11, 1])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(batch_size: int) -> None:
    whole, split = network().eval(), network().eval()  # whose norms see no batch
    scores = [
        run(Step(each, make_optimizer(each, RECIPE), RECIPE, CPU, "eager", parts), batch_size)
        for each, parts in ((whole, 1), (split, 2))
    ]
    for (loss, correct), (other, also) in zip(*scores, strict=True):
        assert loss == pytest.approx(other, rel=1e-4)
        assert correct == also
    for one, other in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_a_step_in_parts_says_so() -> None:
    learner = network()
    assert Step(learner, make_optimizer(learner, RECIPE), RECIPE, CPU, "eager", 2).kind == "eager, batches in 2 parts"
