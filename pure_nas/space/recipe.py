"""Recipe: how a network is trained, as plain validated data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from pure_nas.space.field import Described, DescribedDocument, later
from pure_nas.space.unit import PARAMETER_KINDS, DecayValue, LearningRate, ParameterKind, Unit
from pure_nas.validation import FrozenModel, checked

T = TypeVar("T")

Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=2, le=65_536)]
CropPadding = Annotated[int, Field(ge=0, le=64)]

EXCLUDED: list[tuple[Mapping[str, object], str]] = [
    ({"nesterov": True, "momentum": 0.0}, "nesterov = true needs momentum > 0"),
]
"""Values that no recipe has together, and why."""


class PerKind(FrozenModel, Generic[T]):
    """One value for each parameter kind."""

    trunk: T
    conv: T
    product_conv: T
    exponents: T
    thresholds: T

    def __getitem__(self, kind: ParameterKind) -> T:
        value: T = getattr(self, kind)
        return value

    @classmethod
    def same(cls, value: T) -> Self:
        return cls.model_validate(dict.fromkeys(PARAMETER_KINDS, value))


class WeightDecay(FrozenModel):
    """Weight decay over a training run: the coefficient at its `start` and, where it changes, at its `end`."""

    schedule: Literal["constant", "linear", "cosine", "step"] = "constant"  # "step": at half-time
    start: DecayValue = 1e-4
    end: DecayValue | None = None  # `start` where it is left out

    @model_validator(mode="after")
    def _end_needs_a_schedule(self) -> Self:
        if self.schedule == "constant" and self.end not in (None, self.start):
            raise ValueError(f'end is {self.end} but schedule = "constant" keeps {self.start}; choose another schedule')
        return self

    def canonical(self) -> WeightDecay:
        """The same decay in the one way in which it is compared: constant where it does not change."""
        changes = self.schedule != "constant" and self.end not in (None, self.start)
        return self if changes else WeightDecay(start=self.start)

    def at(self, progress: float) -> float:
        """The coefficient after the fraction `progress` (0 to 1) of the training steps."""
        if self.schedule == "constant" or self.end is None:
            return self.start
        if self.schedule == "step":
            return self.start if progress < 0.5 else self.end
        weight = progress if self.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * progress))
        return self.start + (self.end - self.start) * weight


class Recipe(DescribedDocument):
    """SGD with a learning rate and a weight-decay schedule for each parameter kind.

    Example:
        >>> Recipe.usual(get_unit("conv"), epochs=30).learning_rate["trunk"]
        0.1
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    optimizer: Annotated[Literal["sgd"], Described(in_place=True)] = "sgd"
    """stochastic gradient descent is the only one"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """momentum of SGD"""
    nesterov: bool = False
    """whether the momentum is Nesterov's"""
    epochs: Annotated[Epochs, Described(elsewhere="epochs belong to a scale: [scales.NAME]", in_place=True)] = 160
    """passes over the training images"""
    batch_size: Annotated[
        BatchSize, Described(elsewhere="batch_size belongs to a scale: [scales.NAME]", in_place=True)
    ] = 128
    """images per step"""
    learning_rate: Annotated[PerKind[LearningRate], Described(per="kind", in_place=True)]
    """peak learning rate of each parameter kind"""
    learning_rate_schedule: Literal["constant", "step", "cosine"] = "step"
    """"step" (x0.1 at 50 % and 75 %: the paper's 80 and 120 of 160 epochs), "cosine" to zero, or "constant\""""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    """epochs in which the learning rates rise linearly from zero"""
    weight_decay: Annotated[PerKind[WeightDecay], Described(per="kind", in_place=True)]
    """weight decay of each parameter kind over training"""
    gradient_clip_norm: Annotated[float, Field(gt=0)] | None = None
    """maximum global norm of the gradients; None does not clip them"""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """weight of the uniform distribution in the targets"""
    crop_padding: CropPadding = 4
    """zero pixels added around an image before a random crop; 0 turns cropping off"""
    flip: bool = True
    """random horizontal flips, where the dataset allows them"""
    random_resized_crop: Annotated[Annotated[float, Field(gt=0, le=1)] | None, later(None)] = None
    """scale a random window (at least this share of the image's area, sides 3:4 to 4:3) to the network's size, instead
    of the padded crop; None keeps that"""
    vertical_flip: Annotated[bool, later(False)] = False
    """random vertical flips, where the dataset's images have no upright"""
    quarter_turns: Annotated[bool, later(False)] = False
    """random turns by 0, 90, 180 or 270 degrees, where the dataset's images have no upright"""

    @model_validator(mode="after")
    def _no_values_exclude_each_other(self) -> Self:
        for values, reason in EXCLUDED:
            if all(getattr(self, name) == value for name, value in values.items()):
                raise ValueError(reason)
        return self

    @classmethod
    @checked
    def usual(cls, unit: Unit, **fields: object) -> Self:
        """The recipe that networks of `unit` are usually trained with; `fields` override.

        For "conv" the ResNet paper's, for "product" the PURe paper's and its re-implementations'.
        """
        return cls.shared([unit], **fields)

    @classmethod
    @checked
    def shared(cls, units: Annotated[Sequence[Unit], Field(min_length=1)], **fields: object) -> Self:
        """One recipe for several units: the geometric means of their usual rates and decays; `fields` override."""
        rate = _geometric_mean([unit.usual_learning_rate for unit in units])
        decay = _geometric_mean([unit.usual_weight_decay for unit in units])
        values: dict[str, Any] = {
            "learning_rate": PerKind[LearningRate].same(rate),
            "weight_decay": PerKind[WeightDecay].same(WeightDecay(start=decay)),
            **fields,
        }
        return cls(**values)

    def learning_rate_factor(self, progress: float) -> float:
        """What the peak rates are multiplied by after the fraction `progress` (0 to 1) of the training steps."""
        warmup = min(self.warmup_epochs / self.epochs, 1.0)
        if progress < warmup:
            return progress / warmup
        if self.learning_rate_schedule == "constant":
            return 1.0
        if self.learning_rate_schedule == "step":
            return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
        return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-12)))


def _geometric_mean(values: Sequence[float]) -> float:
    if len(set(values)) == 1 or 0 in values:
        return min(values)
    return float(f"{math.exp(sum(map(math.log, values)) / len(values)):.3g}")
