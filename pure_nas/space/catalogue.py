"""Files that can be named, such as search spaces: those that ship, and those of other packages.

A package adds a space under the entry-point group `pure_nas.search_spaces`: a path to a TOML file (`str` ending in
.toml, `Path` or `Traversable`), or a function without arguments that returns such a path or the TOML text itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from importlib.resources.abc import Traversable
from pathlib import Path

from pure_nas.errors import ConfigError, PureNasError, UsageError, nearest
from pure_nas.plugins import described, loaded
from pure_nas.space.search_space import SearchSpace
from pure_nas.validation import read_text

SUFFIX = ".toml"

_SPACE_OF = {
    **{name: name for name in ("digits", "galaxy10", "imagenet")},
    **dict.fromkeys(("mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"), "cifar10"),
}


@dataclass(eq=False)
class Catalogue:
    """TOML files of one `kind` by name: those that ship in `folder`, and entry points of other packages in `group`."""

    kind: str
    folder: Callable[[], Traversable]
    group: str = ""

    @cached_property
    def places(self) -> Mapping[str, Traversable | EntryPoint]:
        """Every file by name, those that ship first; a `PureNasError` where an entry point takes a name in use."""
        files = sorted(self.folder().iterdir(), key=lambda file: file.name)
        found: dict[str, Traversable | EntryPoint] = {
            file.name.removesuffix(SUFFIX): file for file in files if file.name.endswith(SUFFIX)
        }
        for point in entry_points(group=self.group) if self.group else ():
            if point.name in found:
                raise PureNasError(f"{described(point)} declares a name that is already taken.")
            found[point.name] = point
        return found

    def is_path(self, name: str) -> bool:
        return name.endswith(SUFFIX) and name not in self.places

    def text(self, name: str) -> str:
        if self.is_path(name):
            return read_text(Path(name), self.kind)
        if name not in self.places:
            here = f"{name}{SUFFIX}"
            raise UsageError(
                f'There is no {self.kind} "{name}"; {nearest(name, self.places)}.',
                hint=f"Or give the file that is here: {here}." if Path(here).is_file() else f"Or give a {SUFFIX} file.",
            )
        place = self.places[name]
        return _text_of_point(place, self.kind) if isinstance(place, EntryPoint) else read_text(place, self.kind)

    def source(self, name: str) -> str:
        """What messages call a file."""
        return name if self.is_path(name) else f'{self.kind} "{name}" ({self.provider(name)})'

    def provider(self, name: str) -> str:
        place = self.places[name]
        if not isinstance(place, EntryPoint):
            return "pure-nas"
        return place.dist.name if place.dist else place.value


def _text_of_point(point: EntryPoint, kind: str) -> str:
    given = loaded(point, called=True)
    if isinstance(given, str) and not given.endswith(SUFFIX):
        return given
    if not isinstance(given, str | Traversable):
        raise PureNasError(f"{described(point)} gives a {type(given).__name__}, not TOML text or a path to it.")
    try:
        return read_text(Path(given) if isinstance(given, str) else given, kind)
    except ConfigError as error:
        raise PureNasError(f"{described(point)} cannot be read: {error}") from error


def _shipped_spaces() -> Traversable:
    """`search_spaces`: in the package where it was installed from a wheel, next to it in a source checkout."""
    package = resources.files("pure_nas")
    inside = package.joinpath("search_spaces")
    if inside.is_dir():
        return inside
    if isinstance(package, Path) and package.with_name("search_spaces").is_dir():
        return package.with_name("search_spaces")
    raise PureNasError("This installation of pure-nas lacks its search spaces.", hint="Reinstall pure-nas.")


SPACES = Catalogue("search space", _shipped_spaces, "pure_nas.search_spaces")


def load_space(name_or_path: str | Path) -> SearchSpace:
    """The space of that name, or in that .toml file."""
    name = str(name_or_path)
    return SearchSpace.from_toml(SPACES.text(name), source=SPACES.source(name))


def default_space_for(dataset_name: str) -> str:
    """The shipped space that suits a dataset; "folder" for all but those that are known by name."""
    return _SPACE_OF.get(dataset_name, "folder")
