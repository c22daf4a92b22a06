"""What other packages add, by entry points."""

from __future__ import annotations

from collections.abc import Container, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

from pure_nas.errors import PureNasError


class Named(Protocol):
    """Something that is known by a name."""

    @property
    def name(self) -> str:
        """The name."""


T = TypeVar("T", bound=Named)


def described(point: EntryPoint) -> str:
    """An entry point, for messages."""
    return f'Entry point "{point.name}" ({point.value}) of group {point.group}'


def registered(group: str, kind: type[T], taken: Container[str]) -> Mapping[str, T]:
    """Everything of `kind` that other packages declare in `group`, by name.

    Args:
        taken: names that are in use.

    Raises:
        PureNasError: an entry point does not load, is of another kind, or takes a name that is in use.
    """
    found: dict[str, T] = {}
    for point in entry_points(group=group):
        try:
            thing = point.load()
        except (ImportError, AttributeError) as error:
            raise PureNasError(
                f"{described(point)} does not load: {error}", hint="Reinstall or remove the package that declares it."
            ) from error
        if not isinstance(thing, kind):
            wanted = f"{kind.__module__}.{kind.__qualname__}"
            raise PureNasError(f"{described(point)} is a {type(thing).__name__}, not a {wanted}.")
        if thing.name in taken or thing.name in found:
            raise PureNasError(f'{described(point)} declares "{thing.name}", a name that is already taken.')
        found[thing.name] = thing
    return found
