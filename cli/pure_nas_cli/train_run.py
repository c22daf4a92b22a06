"""What pure-nas train does once its options are read."""

from __future__ import annotations

import json
from pathlib import Path

from pure_nas.plans.single import Prepared, train
from pure_nas.quantities import counted, show_number, show_percent, show_seconds
from pure_nas.workers.count import WorkerPlan
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.images_used import show_images
from pure_nas_cli.progress import EpochLines


class _TrainProgress(EpochLines):
    """Says what is trained on before the first epoch."""

    def __init__(self, prepared: Prepared) -> None:
        super().__init__(stderr, 1)
        self._prepared = prepared

    def workers_started(self, workers: WorkerPlan) -> None:
        """Show the images, and for how long."""
        show_images(self._prepared.dataset)
        epochs = counted(self._prepared.candidate.recipe.epochs, "epoch")
        self._say(f"{epochs} on {self._prepared.device}; the test images are not read")


def run_training(prepared: Prepared, folder: Path, *, as_json: bool) -> int:
    """Train, or go on with what the folder holds, and show how it ended; returns the exit code."""
    with _TrainProgress(prepared) as progress:
        result = train(prepared, folder, progress)
    if as_json:
        print(json.dumps(result, indent=2))
    elif result["state"] == "complete":
        stdout.print(
            f"validation error {show_percent(result['metrics']['error'])}, "
            f"{show_number(result['cost']['params'])} parameters, {show_number(result['cost']['flops'])} flops, "
            f"{show_seconds(result['seconds'])}"
        )
        stdout.print(f"weights: {folder / 'weights.safetensors'}", soft_wrap=True)
    else:
        stderr.print(f"{result['state']}: {result['reason']}")
    return 0 if result["state"] == "complete" else 1
