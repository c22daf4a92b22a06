"""pure-nas: multi-objective architecture search over product-unit residual networks (PURe).

What `__all__` lists is public, and docs/api.md describes it; every module below is internal and may change. Names are
imported on first use, so that `import pure_nas` needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pure_nas.api.functions import evaluate, experiment, race, search, train
    from pure_nas.api.runs import Experiment, Run, TrainedNetwork, open_run
    from pure_nas.data.raw_images import LargeImages, Opened, PixelSource, RawImages
    from pure_nas.data.sources.own import own_dataset, register_dataset
    from pure_nas.data.sources.registry import DatasetSpec, Download, Part
    from pure_nas.errors import ConfigError, DataError, PureNasError, RunError, UsageError
    from pure_nas.evaluation.evaluation import Evaluation
    from pure_nas.evaluation.noise import Noise, usual_noises
    from pure_nas.evaluation.quality import Quality
    from pure_nas.evaluation.views import Views
    from pure_nas.findings.experiment_results import ExperimentResults
    from pure_nas.findings.race import Race
    from pure_nas.nn.network import Network, build
    from pure_nas.nn.plain.units import ConvPU
    from pure_nas.objectives import Metric, register_metric
    from pure_nas.plans.search.forecast_sampler import ForecastSampler
    from pure_nas.plans.search.limits import Limits
    from pure_nas.plans.search.objective import Objective
    from pure_nas.run.retrained import Retraining
    from pure_nas.run.search_results import Results, TrialRecord
    from pure_nas.space.architecture import Architecture
    from pure_nas.space.candidate import Candidate
    from pure_nas.space.recipe import Recipe
    from pure_nas.space.search_space import SearchSpace
    from pure_nas.space.unit import Unit, UnitCost, UnitPlace, get_unit, register_unit
    from pure_nas.workers.executor import Execution

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Candidate",
    "ConfigError",
    "ConvPU",
    "DataError",
    "DatasetSpec",
    "Download",
    "Evaluation",
    "Execution",
    "Experiment",
    "ExperimentResults",
    "ForecastSampler",
    "LargeImages",
    "Limits",
    "Metric",
    "Network",
    "Noise",
    "Objective",
    "Opened",
    "Part",
    "PixelSource",
    "PureNasError",
    "Quality",
    "Race",
    "RawImages",
    "Recipe",
    "Results",
    "Retraining",
    "Run",
    "RunError",
    "SearchSpace",
    "TrainedNetwork",
    "TrialRecord",
    "Unit",
    "UnitCost",
    "UnitPlace",
    "UsageError",
    "Views",
    "build",
    "evaluate",
    "experiment",
    "get_unit",
    "open_run",
    "own_dataset",
    "race",
    "register_dataset",
    "register_metric",
    "register_unit",
    "search",
    "train",
    "usual_noises",
]

_MODULES = (
    *("errors", "objectives", "space.unit", "space.architecture", "space.recipe", "space.candidate"),
    *("space.search_space", "data.sources.registry", "data.sources.own", "data.raw_images", "evaluation.noise"),
    *(
        "evaluation.views",
        "evaluation.evaluation",
        "nn.network",
        "nn.plain.units",
        "plans.search.limits",
        "plans.search.objective",
    ),
    *("plans.search.forecast_sampler", "workers.executor"),
    *("api.runs", "api.functions"),
)
"""Where public names are: those first that are imported quickly, without PyTorch."""


def __getattr__(name: str) -> object:
    """Import a public name on its first use."""
    for module in _MODULES if name in __all__ else ():
        if hasattr(found := import_module(f"{__name__}.{module}"), name):
            return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
