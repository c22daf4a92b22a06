"""The walk through a space: which axes a candidate has, in which order they are drawn.

Suggesting a candidate and finding the parameters of one are the same walk with a different `Source`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from pure_nas.space.architecture import Architecture
from pure_nas.space.axis import Axis, Fixed, Spread, Suggester
from pure_nas.space.candidate import Candidate
from pure_nas.space.placement import Placement, UnitsAxis, expand, split
from pure_nas.space.recipe import Recipe, WeightDecay
from pure_nas.space.tables import ArchitectureTable, DecayTable, RateKinds, RecipeTable, RunTable
from pure_nas.space.unit import CONV, PARAMETER_KINDS, PRODUCT, ParameterKind, Setting, get_unit

IMAGE_FIELDS = ("in_chans", "num_classes", "image_size")
PLAIN_ARCHITECTURE_FIELDS = ("base_width", "bottleneck", "residual_scale", "zero_gamma")
SETTINGS: tuple[Setting, ...] = tuple(name for name in get_args(Setting) if name != "threshold_init")
"""Drawn once a network; thresholds may start elsewhere in every stage."""
PLAIN_RECIPE_FIELDS = (
    "optimizer",
    "momentum",
    "nesterov",
    "learning_rate_schedule",
    "warmup_epochs",
    "gradient_clip_norm",
    "label_smoothing",
    "crop_padding",
    "flip",
    "random_resized_crop",
    "vertical_flip",
    "quarter_turns",
)


class Source(Protocol):
    """Where a walk gets its values from."""

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        """The values of `leaves`, the places of a candidate that the parameter at `path` decides.

        Args:
            path: the name of the parameter.
            axis: what it may be.
            leaves: paths of single values.
            spread: the values of `leaves` for a value of the parameter.
        """


@dataclass(frozen=True)
class Asking:
    """Draws from an Optuna trial."""

    trial: Suggester

    def draw(self, path: str, axis: Axis[Any], leaves: Sequence[str], spread: Spread[Any]) -> tuple[Any, ...]:
        return spread(axis.ask(self.trial, path))


@dataclass(frozen=True)
class Walk:
    """One way through a space.

    Attributes:
        source: answers every question in turn.
    """

    source: Source
    run: RunTable
    architecture_axes: ArchitectureTable
    recipe_axes: RecipeTable
    images: Mapping[str, int]

    def candidate(self) -> Candidate:
        """The candidate at its end."""
        architecture = self._architecture()
        kinds = [kind for kind in PARAMETER_KINDS if kind in architecture.parameter_kinds]
        return Candidate(architecture, self._recipe(kinds))

    def _one(self, path: str, axis: Axis[Any]) -> Any:
        (value,) = self._shared(path, axis, [path])
        return value

    def _shared(self, path: str, axis: Axis[Any], leaves: Sequence[str]) -> tuple[Any, ...]:
        """One value for all of `leaves`."""
        return self.source.draw(path, axis, leaves, lambda value: (value,) * len(leaves))

    def _architecture(self) -> Architecture:
        axes = self.architecture_axes
        images = {name: self._one(name, Fixed(value)) for name, value in self.images.items()}
        family = self._one("family", Fixed(axes.family))
        blocks = self._blocks(self._one("stages", Fixed(axes.stages)))
        plain = {name: self._one(name, getattr(axes, name)) for name in PLAIN_ARCHITECTURE_FIELDS}
        if len(blocks) > 1 or plain["bottleneck"]:
            plain["shortcut"] = self._one("shortcut", axes.shortcut)
        units = self._units(axes.units, blocks)
        read = frozenset[Setting]().union(*(get_unit(name).reads for stage in units for name in stage))
        settings = {name: self._one(name, getattr(axes, name)) for name in SETTINGS if name in read}
        return Architecture.model_validate(
            {
                "family": family,
                "units": units,
                "threshold_init": self._thresholds(units),
                **plain,
                **settings,
                **images,
            }
        )

    def _blocks(self, stages: int) -> tuple[int, ...]:
        axis = self.architecture_axes.blocks_per_stage
        leaves = [f"blocks_per_stage.{stage}" for stage in range(stages)]
        if axis.per == "network":
            return self._shared("blocks_per_stage", axis.at(0), leaves)
        return tuple(self._one(leaf, axis.at(stage)) for stage, leaf in enumerate(leaves))

    def _units(self, axis: UnitsAxis, blocks: Sequence[int]) -> Placement:
        leaves = [[f"units.{stage}.{index}" for index in range(count)] for stage, count in enumerate(blocks)]
        layers = [leaf for stage in leaves for leaf in stage]
        match axis.per:
            case "layer":
                names = tuple(self._one(leaf, axis.axis) for leaf in layers)
            case "stage":
                by_stage = [self._shared(f"units.{stage}", axis.axis, own) for stage, own in enumerate(leaves)]
                names = tuple(name for own in by_stage for name in own)
            case "network":
                names = self._shared("units", axis.axis, layers)
            case None:
                names = self.source.draw(
                    "units", axis.axis, layers, lambda pattern: sum(expand(pattern, blocks), start=())
                )
        return split(names, blocks)

    def _thresholds(self, units: Placement) -> tuple[float, ...]:
        """Zero where no unit reads it, as in `Architecture.canonical`."""
        axis = self.architecture_axes.threshold_init
        reading = [
            stage for stage, names in enumerate(units) if any("threshold_init" in get_unit(n).reads for n in names)
        ]
        leaves = [f"threshold_init.{stage}" for stage in reading]
        if not reading:
            drawn: tuple[float, ...] = ()
        elif axis.per == "network":
            drawn = self._shared("threshold_init", axis.at(0), leaves)
        else:
            drawn = tuple(self._one(leaf, axis.at(stage)) for stage, leaf in zip(reading, leaves, strict=True))
        values = dict(zip(reading, drawn, strict=True))
        return tuple(values.get(stage, 0.0) for stage in range(len(units)))

    def _recipe(self, kinds: Sequence[ParameterKind]) -> Recipe:
        """Kinds that the network lacks keep the default."""
        axes = self.recipe_axes
        default = Recipe.shared((CONV, PRODUCT))
        fields = {name: self._one(name, getattr(axes, name)) for name in PLAIN_RECIPE_FIELDS}
        return Recipe.model_validate(
            {
                "epochs": self._one("epochs", Fixed(self.run.epochs)),
                "batch_size": self._one("batch_size", Fixed(self.run.batch_size)),
                "learning_rate": {**default.learning_rate.model_dump(), **self._rates(kinds)},
                "weight_decay": {**default.weight_decay.model_dump(), **self._decays(kinds)},
                **fields,
            }
        )

    def _rates(self, kinds: Sequence[ParameterKind]) -> dict[str, float]:
        axes = self.recipe_axes.learning_rate
        leaves = [f"learning_rate.{kind}" for kind in kinds]
        if isinstance(axes, RateKinds):
            rates = tuple(self._one(leaf, axes[kind]) for kind, leaf in zip(kinds, leaves, strict=True))
        else:
            rates = self._shared("learning_rate", axes, leaves)
        return dict(zip(kinds, rates, strict=True))

    def _decays(self, kinds: Sequence[ParameterKind]) -> dict[str, WeightDecay]:
        axes = self.recipe_axes.weight_decay
        if isinstance(axes, DecayTable):
            return self._decays_of("weight_decay", axes, kinds)
        decays: dict[str, WeightDecay] = {}
        for kind in kinds:
            decays |= self._decays_of(f"weight_decay.{kind}", axes[kind], [kind])
        return decays

    def _decays_of(self, path: str, axes: DecayTable, kinds: Sequence[ParameterKind]) -> dict[str, WeightDecay]:
        """The decays of `kinds`, which share the axes at `path`."""
        schedules = self._shared(f"{path}.schedule", axes.schedule, [f"weight_decay.{kind}.schedule" for kind in kinds])
        starts = self._shared(f"{path}.start", axes.start, [f"weight_decay.{kind}.start" for kind in kinds])
        decays = {
            kind: {"schedule": schedule, "start": start}
            for kind, schedule, start in zip(kinds, schedules, starts, strict=True)
        }
        varying = {kind: decay["start"] for kind, decay in decays.items() if decay["schedule"] != "constant"}
        if varying:
            # An end that is left out is the start, so a candidate may hold either for the same decay.
            ends = self.source.draw(
                f"{path}.end",
                axes.end,
                [f"weight_decay.{kind}.end" for kind in varying],
                lambda end: tuple(start if end is None else end for start in varying.values()),
            )
            for (kind, start), end in zip(varying.items(), ends, strict=True):
                decays[kind]["end"] = None if end == start else end
        return {kind: WeightDecay.model_validate(decay) for kind, decay in decays.items()}
