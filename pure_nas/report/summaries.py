"""What a network and its recipe are, in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pure_nas.report.plain_settings import setting_label, setting_text
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import WeightDecay
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, get_unit, sign_of


def placement_text(units: tuple[tuple[str, ...], ...]) -> str:
    """One sign a layer, stages set apart.

    >>> placement_text((("conv", "product"), ("product",)))
    '+× ×'
    """
    return " ".join("".join(sign_of(name) for name in stage) for stage in units)


def product_share(names: Sequence[str]) -> float:
    """The fraction of layers that multiply."""
    return sum(get_unit(name).multiplies for name in names) / len(names)


def recipe_text(candidate: Candidate, settings: Mapping[str, Any]) -> str:
    """Learning rates and weight decays of the parameter kinds that the network holds, equal ones once; settings."""
    kinds = [kind for kind in PARAMETER_KINDS if kind in candidate.architecture.parameter_kinds]
    rates = {kind: f"{candidate.recipe.learning_rate[kind]:.3g}" for kind in kinds}
    decays = {kind: _decay(candidate.recipe.weight_decay[kind]) for kind in kinds}
    rest = ", ".join(f"{setting_label(name)} {setting_text(value)}" for name, value in settings.items())
    parts = [f"learning rate {_by_kind(rates)}", f"weight decay {_by_kind(decays)}", rest]
    return "; ".join(part for part in parts if part)


def _decay(decay: WeightDecay) -> str:
    if decay.schedule == "constant" or decay.end in (None, decay.start):
        return f"{decay.start:.3g}"
    return f"{decay.start:.3g}→{decay.end:.3g} ({decay.schedule})"


def _by_kind(texts: dict[ParameterKind, str]) -> str:
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{kind.replace('_', ' ')} {text}" for kind, text in texts.items())
