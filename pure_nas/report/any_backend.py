"""Imports Matplotlib whatever backend the environment names; to be imported before anything of Matplotlib.

Notebooks set MPLBACKEND to one that other environments need not have, and Matplotlib refuses to be imported then.
Figures here are drawn on Agg and need none; a caller who has that backend keeps it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def _import_matplotlib() -> None:
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted


if "matplotlib" not in sys.modules:
    _import_matplotlib()
