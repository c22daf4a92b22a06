"""The experiments that ship, and where others are read from. No PyTorch."""

from __future__ import annotations

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


def experiment_names() -> tuple[str, ...]:
    """Names of the experiments that ship."""
    return tuple(_shipped())


def experiment_text(name_or_path: str) -> str:
    """The text of an experiment that ships, or of a .toml file.

    Raises:
        UsageError: no experiment has that name.
        ConfigError: the file cannot be read.
    """
    if name_or_path in _shipped():
        return _shipped()[name_or_path].read_text(encoding="utf-8")
    if name_or_path.endswith(SUFFIX):
        return read_text(expanded(name_or_path), "experiment")
    beside = f"{name_or_path}{SUFFIX}"
    raise UsageError(
        f'There is no experiment "{name_or_path}"; {nearest(name_or_path, experiment_names())}.',
        hint=f"Or give the file that is here: {beside}." if Path(beside).is_file() else "Or give a .toml file.",
    )


def experiment_name(name_or_path: str) -> str:
    """What an experiment is called, and its folder begins with: a shipped one's name, or a file's without its ending.

    Raises:
        UsageError: no folder can be called like the file.
    """
    if name_or_path in _shipped():
        return name_or_path
    name = expanded(name_or_path).stem
    if not is_folder_name(name):
        raise UsageError(
            f'The run of {name_or_path} would go to a folder called "{name}-...", which is hidden or elsewhere.',
            hint="Rename the file.",
        )
    return name


def experiment_folder(name_or_path: str) -> Path | None:
    """The folder that an experiment's file lies in; None for one that ships."""
    return None if name_or_path in _shipped() else expanded(name_or_path).resolve().parent


def load_experiment(name_or_path: str) -> ExperimentFile:
    """The experiment that ships under that name, or that of a .toml file.

    Raises:
        UsageError: no experiment has that name.
        ConfigError: the file cannot be read or breaks a rule; every fault is listed.
    """
    source = f'experiment "{name_or_path}"' if name_or_path in _shipped() else name_or_path
    return ExperimentFile.from_toml(experiment_text(name_or_path), source=source)


@cache
def _shipped() -> dict[str, Traversable]:
    folder = resources.files("pure_nas.plans.grid").joinpath(FOLDER)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(SUFFIX)), key=lambda file: file.name)
    return {file.name.removesuffix(SUFFIX): file for file in files}
