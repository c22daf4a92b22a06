"""pure-nas: multi-objective architecture search over product-unit residual networks (PURe).

What `__all__` lists is public, and docs/api.md describes it; every module below is internal and may change. Names are
imported on first use, so that `import pure_nas` needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pure_nas.api.functions import evaluate, experiment, search, train
    from pure_nas.api.runs import Experiment, Run, TrainedNetwork, open_run
    from pure_nas.data.raw_images import LargeImages, Opened, PixelSource, RawImages
    from pure_nas.data.sources.own import own_dataset, register_dataset
    from pure_nas.data.sources.registry import DatasetSpec, Download, Part
    from pure_nas.errors import ConfigError, DataError, PureNasError, RunError, UsageError
    from pure_nas.evaluation.noise import Noise, usual_noises
    from pure_nas.evaluation.views import Views
    from pure_nas.nn import ConvPU, build
    from pure_nas.objectives import Metric, register_metric
    from pure_nas.plans.search.limits import Limits
    from pure_nas.plans.search.objective import Objective
    from pure_nas.space.architecture import Architecture
    from pure_nas.space.candidate import Candidate
    from pure_nas.space.recipe import Recipe
    from pure_nas.space.search_space import SearchSpace
    from pure_nas.space.unit import Unit, UnitCost, UnitPlace, get_unit, register_unit

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Candidate",
    "ConfigError",
    "ConvPU",
    "DataError",
    "DatasetSpec",
    "Download",
    "Experiment",
    "LargeImages",
    "Limits",
    "Metric",
    "Noise",
    "Objective",
    "Opened",
    "Part",
    "PixelSource",
    "PureNasError",
    "RawImages",
    "Recipe",
    "Run",
    "RunError",
    "SearchSpace",
    "TrainedNetwork",
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
    "register_dataset",
    "register_metric",
    "register_unit",
    "search",
    "train",
    "usual_noises",
]

_MODULES = {
    "api.functions": ("evaluate", "experiment", "search", "train"),
    "api.runs": ("Experiment", "Run", "TrainedNetwork", "open_run"),
    "data.raw_images": ("LargeImages", "Opened", "PixelSource", "RawImages"),
    "data.sources.registry": ("DatasetSpec", "Download", "Part"),
    "data.sources.own": ("own_dataset", "register_dataset"),
    "errors": ("ConfigError", "DataError", "PureNasError", "RunError", "UsageError"),
    "evaluation.noise": ("Noise", "usual_noises"),
    "evaluation.views": ("Views",),
    "nn": ("ConvPU", "build"),
    "objectives": ("Metric", "register_metric"),
    "plans.search.objective": ("Objective",),
    "plans.search.limits": ("Limits",),
    "space.architecture": ("Architecture",),
    "space.candidate": ("Candidate",),
    "space.recipe": ("Recipe",),
    "space.search_space": ("SearchSpace",),
    "space.unit": ("Unit", "UnitCost", "UnitPlace", "get_unit", "register_unit"),
}


def __getattr__(name: str) -> object:
    """Import a public name on its first use."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
