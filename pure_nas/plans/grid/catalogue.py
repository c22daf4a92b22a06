"""The experiments that ship, and where others are read from. No PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pure_nas.errors import UsageError, nearest
from pure_nas.paths import expanded
from pure_nas.plans.grid.checks import is_folder_name
from pure_nas.plans.grid.file import ExperimentFile
from pure_nas.validation import read_text

SUFFIX = ".toml"
FOLDER = "experiments"


@dataclass(frozen=True)
class ExperimentSource:
    """An experiment file as it was read."""

    name: str  # what the folder of a run begins with
    text: str
    file: ExperimentFile
    folder: Path | None = None  # of the file, to which that of its images is relative


def experiment_names() -> tuple[str, ...]:
    """Names of the experiments that ship."""
    return tuple(_shipped())


def find_experiment(name_or_path: str) -> ExperimentSource:
    """The experiment that ships under that name, or that of a .toml file."""
    if name_or_path in _shipped():
        text = _shipped()[name_or_path].read_text(encoding="utf-8")
        file = ExperimentFile.from_toml(text, source=f'experiment "{name_or_path}"')
        return ExperimentSource(name_or_path, text, file)
    if not name_or_path.endswith(SUFFIX):
        here = f"{name_or_path}{SUFFIX}"
        raise UsageError(
            f'There is no experiment "{name_or_path}"; {nearest(name_or_path, experiment_names())}.',
            hint=f"Or give the file that is here: {here}." if Path(here).is_file() else "Or give a .toml file.",
        )
    path = expanded(name_or_path)
    if not is_folder_name(path.stem):
        raise UsageError(
            f'The run of {name_or_path} would go to a folder called "{path.stem}-...", which is hidden or elsewhere.',
            hint="Rename the file.",
        )
    text = read_text(path, "experiment")
    return ExperimentSource(path.stem, text, ExperimentFile.from_toml(text, source=name_or_path), path.resolve().parent)


@cache
def _shipped() -> dict[str, Traversable]:
    files = [file for file in resources.files(__package__).joinpath(FOLDER).iterdir() if file.name.endswith(SUFFIX)]
    return {file.name.removesuffix(SUFFIX): file for file in sorted(files, key=lambda file: file.name)}
