"""The search spaces that can be named: those that ship, and those of other packages.

A package adds a space under the entry-point group `pure_nas.search_spaces`. What the entry point names is a
path to a TOML file (`str` ending in .toml, `Path` or `Traversable`), or a function without arguments that
returns such a path or the TOML text itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from pathlib import Path

from pure_nas.errors import ConfigError, PureNasError, UsageError, nearest
from pure_nas.paths import expanded
from pure_nas.plugins import described
from pure_nas.space.search_space import SearchSpace
from pure_nas.validation import read_text

ENTRY_POINT_GROUP = "pure_nas.search_spaces"
SPACE_SUFFIX = ".toml"

_WITH_A_SPACE = frozenset({"digits", "galaxy10", "imagenet"})
_SMALL_IMAGES = frozenset({"mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"})


def space_names() -> tuple[str, ...]:
    """Names of every space that can be loaded, the shipped ones first."""
    return tuple(_places())


def space_text(name: str) -> str:
    """The TOML text of the space of that name, or in that .toml file, to print or to copy.

    Raises:
        UsageError: there is no such space.
        ConfigError: the file cannot be read.
        PureNasError: an entry point of another package is faulty.
    """
    if _is_file(name):
        return read_text(Path(name), "search space")
    if name not in _places():
        raise UsageError(
            f'There is no search space "{name}"; {nearest(name, space_names())}.', hint="Or give a .toml file."
        )
    place = _places()[name]
    return _text_of_point(place) if isinstance(place, EntryPoint) else _text(place)


def load_space(name_or_path: str | Path) -> SearchSpace:
    """The space of that name, or in that .toml file.

    Raises:
        UsageError: there is no such space.
        ConfigError: the file cannot be read or breaks a rule; every fault is listed.
        PureNasError: an entry point of another package is faulty.
    """
    name = str(name_or_path)
    if _is_file(name):
        return SearchSpace.load(expanded(name))
    text = space_text(name)
    return SearchSpace.from_toml(text, source=f'search space "{name}" ({_provider(_places()[name])})')


def describe_spaces() -> list[tuple[str, str, SearchSpace]]:
    """Name and provider of every space that can be named, and the space.

    Raises:
        ConfigError: one breaks a rule; every fault is listed.
        PureNasError: an entry point of another package is faulty.
    """
    return [(name, _provider(place), load_space(name)) for name, place in _places().items()]


def default_space_for(dataset_name: str) -> str:
    """The shipped space that suits a dataset; "folder" for all but those that are known by name."""
    if dataset_name in _WITH_A_SPACE:
        return dataset_name
    return "cifar10" if dataset_name in _SMALL_IMAGES else "folder"


def _is_file(name: str) -> bool:
    return name.endswith(SPACE_SUFFIX) and name not in _places()


def _provider(place: Traversable | EntryPoint) -> str:
    if not isinstance(place, EntryPoint):
        return "pure-nas"
    return place.dist.name if place.dist else place.value


@cache
def _places() -> Mapping[str, Traversable | EntryPoint]:
    """Every space by name: the file of one that ships, the entry point of another package's.

    Raises:
        PureNasError: an entry point takes a name that is in use, or the installation is incomplete.
    """
    files = sorted(_shipped_folder().iterdir(), key=lambda file: file.name)
    found: dict[str, Traversable | EntryPoint] = {
        file.name.removesuffix(SPACE_SUFFIX): file for file in files if file.name.endswith(SPACE_SUFFIX)
    }
    for point in entry_points(group=ENTRY_POINT_GROUP):
        if point.name in found:
            raise PureNasError(f"{described(point)} declares a name that is already taken.")
        found[point.name] = point
    return found


def _shipped_folder() -> Traversable:
    """`search_spaces`: in the package where it was installed from a wheel, next to it in a source checkout."""
    package = resources.files("pure_nas")
    inside = package.joinpath("search_spaces")
    if inside.is_dir():
        return inside
    if isinstance(package, Path) and package.with_name("search_spaces").is_dir():
        return package.with_name("search_spaces")
    raise PureNasError("This installation of pure-nas lacks its search spaces.", hint="Reinstall pure-nas.")


def _text(file: Traversable) -> str:
    return read_text(file, "search space") if isinstance(file, Path) else file.read_text(encoding="utf-8")


def _text_of_point(point: EntryPoint) -> str:
    try:
        loaded = point.load()
        given = loaded() if callable(loaded) else loaded
    except Exception as error:  # whatever another package's code raises
        raise PureNasError(
            f"{described(point)} does not load: {type(error).__name__}: {error}",
            hint="Reinstall or remove the package that declares it.",
        ) from error
    if isinstance(given, str) and not given.endswith(SPACE_SUFFIX):
        return given
    if not isinstance(given, str | Traversable):
        raise PureNasError(f"{described(point)} gives a {type(given).__name__}, not TOML text or a path to it.")
    try:
        return _text(Path(given) if isinstance(given, str) else given)
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        raise PureNasError(f"{described(point)} cannot be read: {error}") from error
