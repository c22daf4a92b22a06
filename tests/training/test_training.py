"""Training is reproducible, can be taken up again from a checkpoint, learns, and says when it diverged."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_training import CPU, MIXED, recipe, same, stripes, training, weights
from torch import nn

from pure_nas.data.image_set import ImageSet
from pure_nas.nn.network import build
from pure_nas.space.recipe import PerKind
from pure_nas.training.scoring import Score, evaluate, generator, reestimate_norms
from pure_nas.training.training import Divergence, EpochMetrics, Training


def finish(run: Training) -> list[EpochMetrics]:
    curve: list[EpochMetrics] = []
    while not run.finished:
        curve.append(run.run_epoch())
    return curve


def values(metrics: EpochMetrics) -> tuple[object, ...]:
    """Everything but the time that the epoch took."""
    return tuple(value for name, value in vars(metrics).items() if name != "seconds")


def test_the_same_seed_gives_the_same_weights_to_the_last_bit() -> None:
    first, second = training(), training()
    torch.manual_seed(1)
    curve = finish(first)
    torch.manual_seed(2)
    torch.rand(100)
    assert [values(each) for each in finish(second)] == [values(each) for each in curve]
    assert same(weights(first), weights(second))


@pytest.mark.parametrize("stopped_after", [1, 3])
def test_a_run_that_was_taken_up_again_equals_one_that_was_not(stopped_after: int, tmp_path: Path) -> None:
    decay = {"exponents": {"schedule": "linear", "start": 1e-2, "end": 0.0}}
    chosen = recipe(
        warmup_epochs=1.5,
        learning_rate_schedule="cosine",
        gradient_clip_norm=1.0,
        weight_decay=recipe().weight_decay.model_dump() | decay,
    )
    whole, before = training(chosen), training(chosen)
    expected = [values(each) for each in finish(whole)]
    for _ in range(stopped_after):
        before.run_epoch()
    after = training(chosen)
    before.save_checkpoint(tmp_path / "checkpoint.pt", "digest")
    assert after.restore_checkpoint(tmp_path / "checkpoint.pt", "digest")
    assert after.epoch == stopped_after
    assert [values(each) for each in finish(after)] == expected[stopped_after:]
    assert same(weights(after), weights(whole))


def test_the_loss_falls_and_the_network_beats_chance_clearly() -> None:
    run = training(recipe(epochs=10, learning_rate_schedule="cosine"))
    curve = finish(run)
    assert curve[-1].train_loss < 0.6 * curve[0].train_loss
    assert curve[-1].validation_error is not None
    assert curve[-1].validation_error <= 0.1
    assert curve[-1].train_accuracy > 0.9


def test_an_epoch_says_what_it_did() -> None:
    run = training(recipe(learning_rate_schedule="step", epochs=4))
    curve = finish(run)
    assert [each.epoch for each in curve] == [1, 2, 3, 4]
    assert run.finished
    # The last step of each epoch lies before 50 % and 75 % of the run in the first and third.
    assert [each.learning_rate for each in curve] == pytest.approx([0.01, 0.01, 0.001, 0.0001])
    assert all(each.seconds > 0 for each in curve)
    score = evaluate(run.network, stripes(16, 1), CPU)
    assert (curve[-1].validation_loss, curve[-1].validation_error) == (score.loss, score.error)


def test_without_validation_images_nothing_is_scored() -> None:
    metrics = training(validation=None).run_epoch()
    assert (metrics.validation_loss, metrics.validation_error) == (None, None)
    assert math.isfinite(metrics.train_loss)


def test_the_reported_training_loss_is_the_mean_over_images_not_batches() -> None:
    # With a rate of nearly nothing and no crops, the first weights score every batch, of 40 and 8.
    still = {"learning_rate": PerKind.same(1e-12), "crop_padding": 0, "flip": False, "momentum": 0.0}
    run = training(recipe(batch_size=40, **still))
    network = build(MIXED, generator=generator(0, "weights")).train()
    total = 0.0
    for images, labels in stripes(48, 0).batches(40, generator=generator(0, "order", 0)):
        with torch.no_grad():
            total += torch.nn.functional.cross_entropy(network(images), labels, reduction="sum").item()
    assert run.run_epoch().train_loss == pytest.approx(total / 48, rel=1e-5)


def test_gradients_are_clipped_and_labels_smoothed_when_asked() -> None:
    start = weights(training())
    moved = []
    for chosen in (recipe(), recipe(gradient_clip_norm=1e-6), recipe(label_smoothing=0.5)):
        run = training(chosen)
        run.run_epoch()
        moved.append((run.network.classifier.linear.bias - start["classifier.linear.bias"]).norm().item())
    assert moved[1] < 1e-2 * moved[0]
    assert moved[2] != moved[0]


def test_schedules_advance_with_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    run = training(recipe(epochs=2))
    monkeypatch.setattr(
        "pure_nas.training.step.apply_schedules", lambda optimizer, chosen, progress: seen.append(progress)
    )
    finish(run)
    assert seen == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6])


@pytest.fixture
def training_epochs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What every epoch of training batches was asked for with."""
    seen: list[dict[str, Any]] = []
    original = ImageSet.batches

    def spy(self: ImageSet, *arguments: Any, **named: Any) -> object:
        if named.get("augment") is not None:
            seen.append(named)
        return original(self, *arguments, **named)

    monkeypatch.setattr(ImageSet, "batches", spy)
    return seen


def test_every_epoch_has_an_order_of_its_own(training_epochs: list[dict[str, Any]]) -> None:
    finish(training())
    finish(training(seed=1))
    seeds = [epoch["generator"].initial_seed() for epoch in training_epochs]
    assert len(seeds) == len(set(seeds)) == 8
    drawn = [generator(0, *which) for which in (("weights",), ("order",), ("norms",), ("order", 1), ("order", 2))]
    assert len({torch.rand(1, generator=each).item() for each in drawn}) == 5


def test_flips_need_a_dataset_whose_labels_survive_them(training_epochs: list[dict[str, Any]]) -> None:
    for asked, allowed in ((True, True), (True, False), (False, True)):
        training(recipe(flip=asked), flip=allowed).run_epoch()
    assert [epoch["augment"].flip for epoch in training_epochs] == [True, False, False]


def test_a_loss_that_is_not_a_number_diverges_in_its_epoch() -> None:
    run = training()
    run.run_epoch()
    with torch.no_grad():
        run.network.classifier.linear.bias.fill_(math.nan)
    with pytest.raises(Divergence, match="training loss became nan in epoch 2 of 4"):
        run.run_epoch()


def test_a_validation_loss_that_is_not_finite_counts_after_the_last_epoch_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = training(recipe(epochs=2))
    monkeypatch.setattr("pure_nas.training.training.evaluate", lambda *_: Score(loss=math.inf, error=0.5))
    assert run.run_epoch().validation_loss == math.inf
    with pytest.raises(Divergence, match="validation loss is inf after the last epoch"):
        run.run_epoch()


def test_scores_before_the_last_epoch_take_fewer_images_for_the_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    original = reestimate_norms

    def spy(network: nn.Module, images: ImageSet, device: torch.device, seed: int, count: int) -> None:
        counts.append(count)
        original(network, images, device, seed, count)

    monkeypatch.setattr("pure_nas.training.training.reestimate_norms", spy)
    finish(training(recipe(epochs=3)))
    assert counts == [256, 256, 1024]


def test_a_rehearsal_takes_steps_but_no_epoch() -> None:
    run = training()
    run.rehearse(stripes(48, 0).batches(16))
    assert run.epoch == 0
    assert not same(weights(run), weights(training()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def saved(path: Path) -> bytes:
    run = training()
    run.run_epoch()
    run.save_checkpoint(path, "digest")
    return path.read_bytes()


def assert_left_aside(
    path: Path, caplog: pytest.LogCaptureFixture, words: str, digest: str = "digest", **options: int
) -> None:
    run = training()
    with caplog.at_level(logging.WARNING):
        assert not run.restore_checkpoint(path, digest, **options)
    assert run.epoch == 0
    assert same(weights(run), weights(training()))
    assert words in caplog.text
    assert "from the beginning" in caplog.text


def test_where_there_is_none_training_begins_without_a_word(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not training().restore_checkpoint(path, "digest")
    assert not caplog.records


def test_a_checkpoint_of_something_else_is_left_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path)
    assert_left_aside(path, caplog, "belongs to something else", digest="another")


Damage = Callable[[bytes], bytes]


def cut(share: float) -> Damage:
    return lambda data: data[: int(share * len(data))]


def flipped(share: float) -> Damage:
    """A single wrong bit."""

    def flip(data: bytes) -> bytes:
        place = int(share * len(data))
        return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]

    return flip


@pytest.mark.parametrize(
    "damage",
    [
        *map(cut, (0.0, 0.001, 0.5, 0.999)),
        *map(flipped, (0.0, 0.1, 0.5, 0.9, 0.99)),
        *(lambda _, content=content: content for content in (b"nonsense", b"PK\x03\x04 cut")),
    ],
)
def test_a_damaged_checkpoint_is_left_aside(damage: Damage, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(damage(saved(path)))
    assert_left_aside(path, caplog, "damaged")


def test_a_folder_in_its_place_is_left_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    assert_left_aside(path, caplog, "damaged")


def test_weights_that_do_not_fit_leave_the_network_as_it_was(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wider = training(architecture=MIXED.model_copy(update={"num_classes": 5}))
    wider.run_epoch()
    wider.save_checkpoint(path, "digest")
    assert_left_aside(path, caplog, "does not fit")


def test_a_checkpoint_of_epochs_without_a_record_is_left_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path)
    assert_left_aside(path, caplog, "lack a record", known_epochs=0)
    assert training().restore_checkpoint(path, "digest", known_epochs=1)
