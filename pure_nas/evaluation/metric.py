"""A metric of another package, or of a notebook, on a trained network."""

from __future__ import annotations

import math

import torch

from pure_nas.data import ImageSet
from pure_nas.errors import PureNasError, reason
from pure_nas.nn import Network
from pure_nas.objectives import Metric
from pure_nas.process_state import global_random_state
from pure_nas.training.evaluation import scoring_batch


def metric_value(metric: Metric, network: Network, images: ImageSet, device: torch.device) -> float:
    """What `metric` finds of a network, as it is in evaluation mode, on every image of a set.

    The metric may draw from the global random state, which is the same for every network and is put back.

    Raises:
        PureNasError: it fails, or gives no number from 0 upwards.
    """
    batches = images.batches(scoring_batch(images.image_size, device), device=device)
    training = network.training
    try:
        with torch.no_grad(), global_random_state(0, device):
            value = float(metric.compute(network.eval(), batches))
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise PureNasError(f'The metric "{metric.name}" cannot be computed: {reason(error)}.') from error
    finally:
        network.train(training)
    if not 0 <= value < math.inf:
        raise PureNasError(f'The metric "{metric.name}" is {value}.', hint="A metric is a number from 0, the best, up.")
    return value
