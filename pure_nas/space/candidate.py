"""Candidate: an architecture and a recipe, what one trial trains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pure_nas.space.architecture import Architecture
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS
from pure_nas.validation import checked_fields


@checked_fields
@dataclass(frozen=True)
class Candidate:
    """What a trial trains.

    Example:
        >>> candidate = Candidate(Architecture.named("pure20"), Recipe.usual(get_unit("product")))
        >>> len(candidate.digest)
        12
    """

    architecture: Architecture
    recipe: Recipe

    def __reduce__(self) -> tuple[Callable[[str, str], Candidate], tuple[str, str]]:
        """Copied to another process as JSON: the recipe's generic models cannot be pickled."""
        return _from_json, (self.architecture.to_json(), self.recipe.to_json())

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits, equal for candidates that train the same network in the same way.

        Settings that no unit reads and rates of parameter kinds that the network lacks do not count.
        """
        recipe = self.recipe.model_dump(mode="json", by_alias=True)
        for kind in PARAMETER_KINDS:
            recipe["weight_decay"][kind] = self.recipe.weight_decay[kind].canonical().model_dump(mode="json")
        for kind in set(PARAMETER_KINDS) - self.architecture.parameter_kinds:
            del recipe["learning_rate"][kind], recipe["weight_decay"][kind]
        text = self.architecture.canonical().model_dump_json(by_alias=True) + json.dumps(recipe, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _from_json(architecture: str, recipe: str) -> Candidate:
    return Candidate(Architecture.from_json(architecture), Recipe.from_json(recipe))
