"""The invariance probe by hand."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor

from pure_nas.errors import UsageError
from pure_nas.evaluation.quality import IntensityChange, IntensityProbe, log_probabilities

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
