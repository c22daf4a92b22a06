"""Trained weights that are handed over, and what is said of them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pure_nas.analysis.statistics import CONFIDENCE, accuracy_interval
from pure_nas.errors import RunError
from pure_nas.export.files import ExportFormat, write_export
from pure_nas.run.directory import TrialDirectory
from pure_nas.run.trained_network import load_trained
from pure_nas.space.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class ChosenWeights:
    """The weights of a trained network, and what is known of them.

    Attributes:
        path: the safetensors file.
        images: those that the network was trained on, as `Dataset.facts` has them.
        title: what the network is, on one line.
        notes: which weights these are, and how well the network does with them.
        directory: where exports of them go by default.
        way_out: what to do where the file is missing.
    """

    architecture: Architecture
    path: Path
    images: Mapping[str, Any]
    title: str
    notes: tuple[str, ...]
    directory: Path
    way_out: str = ""

    def export(
        self,
        *,
        format: ExportFormat = "python",  # noqa: A002 - the word of the command line
        directory: Path | None = None,
        overwrite: bool = False,
    ) -> list[Path]:
        """Write the network to `directory`, by default `self.directory`, and return the files.

        Raises:
            RunError: the weights are missing or damaged, or a file that differs is in the way.
        """
        if format != "json" and self.way_out and not self.path.is_file():
            raise RunError(f"The weights {self.path} are missing.", hint=self.way_out)
        return write_export(
            directory or self.directory,
            self.architecture,
            None if format == "json" else load_trained(self.path, self.architecture).state_dict(),
            format=format,
            classes=self.images.get("classes"),
            mean=self.images.get("mean"),
            std=self.images.get("std"),
            decoded_size=self.images.get("decoded_size"),
            stored_size=self.images.get("stored_size"),
            title=self.title,
            notes=self.notes,
            overwrite=overwrite,
        )


def accuracy_of(training: TrialDirectory) -> float:
    """The accuracy, 0 to 1, that the result of a complete training says.

    Raises:
        RunError: the result is damaged.
    """
    return training.number_in(training.result() or {}, "metrics", "accuracy")


def accuracy_text(split: str, accuracy: float, seeds: Sequence[float], dataset: str) -> str:
    """The accuracy of the weights, and the mean of all seeds where there are several.

    Args:
        split: "test" or "validation".
        seeds: accuracies of all seeds.
    """
    text = f"{split.capitalize()} accuracy {100 * accuracy:.2f} % on {dataset}"
    if len(seeds) < 2:
        return f"{text}, a single run."
    interval = accuracy_interval(seeds)
    reach = (
        f", {100 * CONFIDENCE:.0f} % interval {100 * interval[0]:.2f} to {100 * interval[1]:.2f} %" if interval else ""
    )
    return f"{text}; mean of {len(seeds)} seeds {100 * statistics.fmean(seeds):.2f} %{reach}."


def epochs_text(epochs: int) -> str:
    """How long a network was trained."""
    return "1 epoch" if epochs == 1 else f"{epochs:,} epochs"
