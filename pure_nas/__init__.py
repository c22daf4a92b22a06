"""pure-nas: multi-objective architecture search over product-unit residual networks (PURe)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pure_nas.errors import PureNasError
    from pure_nas.nn import ConvPU, build
    from pure_nas.plans.search.objective import Objective
    from pure_nas.space.architecture import Architecture
    from pure_nas.space.candidate import Candidate
    from pure_nas.space.recipe import Recipe
    from pure_nas.space.search_space import SearchSpace
    from pure_nas.space.unit import Unit

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Candidate",
    "ConvPU",
    "Objective",
    "PureNasError",
    "Recipe",
    "SearchSpace",
    "Unit",
    "build",
]

_MODULES = {
    "Architecture": "space.architecture",
    "Candidate": "space.candidate",
    "ConvPU": "nn",
    "Objective": "plans.search.objective",
    "PureNasError": "errors",
    "Recipe": "space.recipe",
    "SearchSpace": "space.search_space",
    "Unit": "space.unit",
    "build": "nn",
}


def __getattr__(name: str) -> object:
    """Import public names on first use, so that `import pure_nas` needs no PyTorch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
