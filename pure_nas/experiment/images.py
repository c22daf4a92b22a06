"""The images that an experiment was made on, from what its folder says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pure_nas.data import Dataset, load_dataset
from pure_nas.errors import RunError
from pure_nas.run_directory import RunDirectory


def load_experiment_images(
    run: RunDirectory,
    data_dir: Path | None = None,
    *,
    seed: int | None = None,
    image_size: int | None = None,
    skip_corrupt: bool = False,
) -> Dataset:
    """The dataset of an experiment, as it used it.

    Args:
        seed: splits it otherwise than the experiment did.
        image_size: brings its images to another size, pixels.
        skip_corrupt: leave out corrupt images, also where the experiment did not.

    Raises:
        RunError: its images have changed since, or run.toml is damaged.
        DataError: they are no longer there.
    """
    settings = run.settings()
    try:
        name, fingerprint = settings["dataset"], settings["data"]["fingerprint"]
    except (KeyError, TypeError) as error:
        raise RunError(f"{run.settings_path} is damaged: it has no valid {error}.") from error
    options: dict[str, Any] = {key: settings.get(key) for key in ("image_size", "limit", "validation")}
    dataset = load_dataset(
        name,
        data_dir=data_dir or (Path(settings["data_dir"]) if "data_dir" in settings else None),
        seed=seed or 0,
        skip_corrupt=skip_corrupt or bool(settings.get("skip_corrupt")),
        **{**options, **({} if image_size is None else {"image_size": image_size})},
    )
    if seed is None and image_size is None and dataset.fingerprint != fingerprint:
        raise RunError(
            f'The images of "{name}" have changed since {run.path} was trained.',
            hint="Put the old ones back, or name images: --dataset.",
        )
    return dataset


def saw_validation(run: RunDirectory) -> bool:
    """Whether the networks of an experiment were trained on its validation images too."""
    settings = run.settings()
    return settings.get("split") == "test" and not settings.get("validation_curve")
