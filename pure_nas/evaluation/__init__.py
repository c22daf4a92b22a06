"""Internal: evaluating trained networks beyond their error: classes, calibration, noise, light, test-time views."""

from pure_nas.evaluation.evaluation import Evaluation, NoiseCurve, NoisePoint, evaluate_network, noise_error
from pure_nas.evaluation.invariance import USUAL_FACTORS, IntensityChange
from pure_nas.evaluation.metric import metric_value
from pure_nas.evaluation.noise import NOISE_KINDS, NOISE_MIXTURE, USUAL_LEVELS, Noise, NoiseKind, usual_noises
from pure_nas.evaluation.pooled import pooled
from pure_nas.evaluation.quality import ClassQuality, Quality, wilson
from pure_nas.evaluation.views import CROPS, Crops, Views

__all__ = [
    "CROPS",
    "NOISE_KINDS",
    "NOISE_MIXTURE",
    "USUAL_FACTORS",
    "USUAL_LEVELS",
    "ClassQuality",
    "Crops",
    "Evaluation",
    "IntensityChange",
    "Noise",
    "NoiseCurve",
    "NoiseKind",
    "NoisePoint",
    "Quality",
    "Views",
    "evaluate_network",
    "metric_value",
    "noise_error",
    "pooled",
    "usual_noises",
    "wilson",
]
