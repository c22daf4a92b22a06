"""What can be used under a name: what is built in, what this process registers, and what other packages declare."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, TypeVar

from pure_nas.errors import PureNasError, UsageError, nearest


class Named(Protocol):
    """Something that is known by a name."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


def described(point: EntryPoint) -> str:
    """An entry point, for messages."""
    return f'Entry point "{point.name}" ({point.value}) of group {point.group}'


def loaded(point: EntryPoint, *, called: bool = False) -> Any:
    """What an entry point names, `called` where it is a function; whatever its package raises is a `PureNasError`."""
    try:
        thing = point.load()
        return thing() if called and callable(thing) else thing
    except Exception as error:
        raise PureNasError(
            f"{described(point)} does not load: {type(error).__name__}: {error}",
            hint="Reinstall or remove the package that declares it.",
        ) from error


@dataclass(eq=False)
class Registry(Generic[T]):
    """Things of one kind, by name: built in, registered by this process, or declared by other packages in `group`."""

    group: str
    kind: type[T]
    built_in: Mapping[str, T]
    registered: dict[str, T] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _REGISTRIES.append(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that can be used, the built-in ones first."""
        return (*self.built_in, *sorted({*self.installed, *self.registered}))

    def find(self, name: str) -> T | None:
        return self.built_in.get(name) or self.registered.get(name) or self.installed.get(name)

    def get(self, name: str, *, hint: str = "") -> T:
        """What has that name; that nothing has is a `UsageError`."""
        if (found := self.find(name)) is not None:
            return found
        what = self.kind.__name__.removesuffix("Spec").lower()
        raise UsageError(f'There is no {what} "{name}"; {nearest(str(name).lower(), self.names)}.', hint=hint)

    def register(self, thing: T) -> None:
        """Add something for the rest of this process; what it registered under the same name before is replaced."""
        if not isinstance(thing, self.kind):
            raise UsageError(f"{thing!r} is a {type(thing).__name__}, not a {self.kind.__name__}.")
        if not isinstance(thing.name, str) or not re.fullmatch(r"\w[\w.-]*", thing.name):
            raise UsageError(
                f"{thing.name!r} cannot be used as a name.", hint="Names may contain only letters, digits, _, - and ."
            )
        if thing.name in self.built_in or thing.name in self.installed:
            raise UsageError(f'The name "{thing.name}" is already taken.', hint="Choose another.")
        self.registered[thing.name] = thing

    @cached_property
    def installed(self) -> Mapping[str, T]:
        """What other packages declare; what cannot be used is a `PureNasError`."""
        found: dict[str, T] = {}
        for point in entry_points(group=self.group):
            thing = loaded(point)
            if not isinstance(thing, self.kind):
                wanted = f"pure_nas.{self.kind.__name__}"
                raise PureNasError(f"{described(point)} is a {type(thing).__name__}, not a {wanted}.")
            if thing.name in self.built_in or thing.name in found:
                raise PureNasError(f'{described(point)} declares "{thing.name}", a name that is already taken.')
            found[thing.name] = thing
        return found


_REGISTRIES: list[Registry[Any]] = []


def registered_here() -> list[tuple[str, Named]]:
    """What this process has registered, with its group: for the worker processes that it starts."""
    return [(registry.group, thing) for registry in _REGISTRIES for thing in registry.registered.values()]


def register_all(things: Sequence[tuple[str, Named]]) -> None:
    """Register what another process has registered."""
    registries = {registry.group: registry for registry in _REGISTRIES}
    for group, thing in things:
        if group in registries:
            registries[group].register(thing)
