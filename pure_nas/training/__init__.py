"""Internal: training a network by a recipe: schedules, epochs, evaluation, checkpoints."""

from pure_nas.training.training import EpochMetrics, Training

__all__ = ["EpochMetrics", "Training"]
