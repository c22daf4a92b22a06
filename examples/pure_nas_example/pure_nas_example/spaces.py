"""The search space "gratings": a path to its file."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable


def gratings() -> Traversable:
    """The file, wherever the package lies."""
    return resources.files("pure_nas_example") / "gratings.toml"
