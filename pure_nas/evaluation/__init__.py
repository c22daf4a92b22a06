"""Internal: evaluating trained networks beyond their error: classes, calibration, noise, light, test-time views."""

from pure_nas.evaluation.evaluation import Evaluation, evaluate_network, metric_value, noise_error, pooled
from pure_nas.evaluation.noise import NOISE_KINDS, NOISE_MIXTURE, Noise, NoiseKind, usual_noises
from pure_nas.evaluation.quality import USUAL_FACTORS, Quality
from pure_nas.evaluation.views import CROPS, Views

__all__ = [
    "CROPS",
    "NOISE_KINDS",
    "NOISE_MIXTURE",
    "USUAL_FACTORS",
    "Evaluation",
    "Noise",
    "NoiseKind",
    "Quality",
    "Views",
    "evaluate_network",
    "metric_value",
    "noise_error",
    "pooled",
    "usual_noises",
]
