"""What a tally says agrees with scikit-learn and with sums by hand, and so does the invariance probe."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import metrics
from torch import Tensor

from pure_nas.errors import UsageError
from pure_nas.evaluation.quality import (
    Accuracy,
    IntensityChange,
    IntensityProbe,
    Quality,
    Tally,
    log_probabilities,
)


def quality(logits: Tensor, labels: Sequence[int], batches: int = 1) -> Quality:
    classes = logits.shape[1]
    tally = Tally(classes, torch.device("cpu"))
    for part, of_part in zip(logits.chunk(batches), torch.tensor(labels).chunk(batches), strict=True):
        tally.add(log_probabilities(part), of_part)
    return tally.quality([f"class {label}" for label in range(classes)])


def certain(*probabilities: Sequence[float]) -> Tensor:
    """Logits that give these probabilities."""
    return torch.tensor(probabilities, dtype=torch.float64).log().float()


@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 40),
    classes=st.integers(2, 12),
    scale=st.sampled_from([0.1, 1.0, 3.0]),
    batches=st.integers(1, 5),
)
@settings(max_examples=40, deadline=None)
def test_numbers_are_those_of_scikit_learn(seed: int, count: int, classes: int, scale: float, batches: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=drawn) * scale
    labels = torch.randint(0, classes, (count,), generator=drawn).tolist()
    found = quality(logits, labels, min(batches, len(logits.chunk(batches))))
    probabilities = logits.double().softmax(1).numpy()
    predicted = probabilities.argmax(1)
    every = list(range(classes))
    assert found.images == count
    assert_allclose(found.accuracy, metrics.accuracy_score(labels, predicted))
    assert_allclose(found.loss, metrics.log_loss(labels, probabilities, labels=every), rtol=1e-6)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(labels, predicted, labels=every))
    if classes > 5:
        assert_allclose(found.top5, metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=every))
    else:
        assert found.top5 is None
    theirs = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=np.nan)
    for place, each in enumerate(found.classes):
        ours = [math.nan if value is None else value for value in (each.precision, each.recall, each.f1)]
        assert_allclose([*ours, each.count], [column[place] for column in theirs])


def by_hand(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Guo et al.'s expected calibration error, as they write it."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    total = 0.0
    for place in range(15):
        inside = (confidence > place / 15) & (confidence <= (place + 1) / 15)
        if inside.any():
            total += inside.sum() / len(labels) * abs(right[inside].mean() - confidence[inside].mean())
    return total


@given(seed=st.integers(0, 2**31), count=st.integers(1, 60), scale=st.sampled_from([0.3, 2.0, 8.0]))
@settings(max_examples=60, deadline=None)
def test_calibration_error_is_that_of_its_definition(seed: int, count: int, scale: float) -> None:
    drawn = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 4, generator=drawn) * scale
    labels = torch.randint(0, 4, (count,), generator=drawn)
    found = quality(logits, labels.tolist(), 1)
    expected = by_hand(logits.double().softmax(1).numpy(), labels.numpy())
    assert_allclose(found.calibration_error, expected, atol=1e-9)
    assert sum(each.count for each in found.bins) == count
    assert sum(each.count * each.accuracy for each in found.bins) == pytest.approx(found.hits)
    assert all(each.low < each.confidence <= each.high for each in found.bins)


def test_calibration_by_hand() -> None:
    found = quality(certain([0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]), [0, 1, 0, 1])
    # Bins of 0.9 (two images, one right), of 0.6 and of 0.7 (one image each, right).
    assert_allclose(found.calibration_error, (2 * abs(0.5 - 0.9) + abs(1 - 0.6) + abs(1 - 0.7)) / 4, rtol=1e-6)
    assert [(each.count, each.accuracy) for each in found.bins] == [(1, 1.0), (1, 1.0), (2, 0.5)]
    assert_allclose([each.confidence for each in found.bins], [0.6, 0.7, 0.9], rtol=1e-6)
    assert all(each.low < each.confidence <= each.high for each in found.bins)


@given(images=st.integers(1, 10_000), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_interval_is_wilsons(images: int, share: float) -> None:
    hits = round(share * images)
    low, high = Accuracy(images=images, hits=hits).interval
    z, p = 1.959963984540054, hits / images
    centre = (p + z**2 / (2 * images)) / (1 + z**2 / images)
    reach = z / (1 + z**2 / images) * math.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    assert_allclose([low, high], [max(0, centre - reach), min(1, centre + reach)], atol=1e-9)
    assert low <= p <= high


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_not_finite_are_wrong_ones(bad: float) -> None:
    logits = certain([0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.05, 0.9, 0.05])
    logits[0, 0] = bad
    found = quality(logits, [0, 0, 1])
    assert (found.unpredicted, found.hits, found.accuracy) == (1, 2, pytest.approx(2 / 3))
    assert quality(torch.full((1, 6), bad), [0]).top5 == 0
    assert found.loss is None
    assert found.calibration_error is None
    assert found.confusion == ((1, 0, 0), (0, 1, 0), (0, 0, 0))
    assert (found.classes[0].count, found.classes[0].recall) == (2, 0.5)
    assert sum(each.count for each in found.bins) == 2
    json.dumps(found.document(), allow_nan=False)


def test_an_unlikely_label_has_a_large_but_finite_loss() -> None:
    found = quality(torch.tensor([[3e38, -3e38]]), [1])
    assert found.loss == pytest.approx(6e38, rel=1e-6)
    assert found.unpredicted == 0


def test_a_class_without_images_has_no_recall() -> None:
    found = quality(certain([0.8, 0.1, 0.1], [0.1, 0.8, 0.1]), [0, 0])
    never, absent = found.classes[2], found.classes[1]
    assert (never.count, never.precision, never.recall, never.f1) == (0, None, None, None)
    assert (absent.count, absent.precision, absent.recall, absent.f1) == (0, 0.0, None, 0.0)
    # Of the classes that have images, class 0 alone: precision 1, recall 1/2.
    assert found.macro_f1 == pytest.approx(2 / 3)


def test_largest_confusions_come_first() -> None:
    logits = certain(*[[0.1, 0.8, 0.1]] * 3, [0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1])
    found = quality(logits, [0, 0, 1, 1, 1, 0])
    assert found.largest_confusions(5) == [("class 0", "class 1", 2), ("class 1", "class 2", 2)]
    assert found.largest_confusions(1) == [("class 0", "class 1", 2)]


LOGITS = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
FEATURES = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])


def probed(features: Tensor, logits: Tensor, labels: list[int], factor: float = 2.0) -> IntensityChange:
    probe = IntensityProbe(factor, torch.device("cpu"))
    before = (FEATURES, log_probabilities(LOGITS))
    for rows in (slice(0, 1), slice(1, 3)):
        after = (features[rows], log_probabilities(logits[rows]))
        probe.add((before[0][rows], before[1][rows]), after, torch.tensor(labels)[rows])
    return probe.result()


@pytest.mark.parametrize("factor", [1, 3])
def test_features_of_another_length_keep_their_direction(factor: int) -> None:
    found = probed(factor * FEATURES, LOGITS, [0, 1, 1])
    assert (found.images, found.hits, found.agreement, found.unmeasured) == (3, 2, 1.0, 0)
    assert (found.cosine, found.norm_ratio, found.relative_change) == pytest.approx((1, factor, factor - 1))


def test_means_are_over_images() -> None:
    turned = torch.tensor([[4.0, -3.0], [1.0, 0.0], [0.0, -2.0]])
    found = probed(turned, LOGITS.flip(1), [0, 1, 0])
    assert (found.hits, found.agreement) == (0, 0)
    assert found.cosine == pytest.approx((0 + 1 - 1) / 3)
    assert found.norm_ratio == pytest.approx(1)
    assert found.relative_change == pytest.approx((math.sqrt(2) + 0 + 2) / 3)


def test_features_without_direction_are_left_out_and_counted() -> None:
    features = torch.tensor([[0.0, 0.0], [math.nan, 1.0], [0.0, 4.0]])
    found = probed(features, LOGITS, [0, 1, 0])
    assert found.unmeasured == 2
    assert (found.cosine, found.norm_ratio, found.relative_change) == pytest.approx((1, 2, 1))
    none = probed(torch.zeros(3, 2), LOGITS, [0, 1, 0])
    assert (none.unmeasured, none.cosine, none.norm_ratio, none.relative_change) == (3, None, None, None)
    json.dumps(none.document(), allow_nan=False)


def test_a_prediction_that_is_not_finite_neither_hits_nor_agrees() -> None:
    sick = LOGITS.clone()
    sick[0, 0] = math.nan
    found = probed(FEATURES, sick, [0, 1, 0])
    assert (found.hits, found.agreement) == (2, pytest.approx(2 / 3))
    both = IntensityProbe(0.5, torch.device("cpu"))
    both.add((FEATURES, log_probabilities(sick)), (FEATURES, log_probabilities(sick)), torch.tensor([0, 1, 0]))
    assert both.result().agreement == pytest.approx(2 / 3)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_factor_that_is_no_positive_number_is_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="Intensity cannot be multiplied"):
        IntensityProbe(factor, torch.device("cpu"))
