"""Recipe: how a network is trained, as plain validated data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from pure_nas.space.field import Described, DescribedDocument, later
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, Unit
from pure_nas.validation import FrozenModel

T = TypeVar("T")
WeightDecaySchedule = Literal["constant", "linear", "cosine", "step"]
LearningRateSchedule = Literal["constant", "step", "cosine"]

Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=2, le=65_536)]
CropPadding = Annotated[int, Field(ge=0, le=64)]
LearningRate = Annotated[float, Field(gt=0, le=100)]
DecayValue = Annotated[float, Field(ge=0, le=10)]


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
        """The same value for every kind."""
        return cls.model_validate(dict.fromkeys(PARAMETER_KINDS, value))


class WeightDecay(FrozenModel):
    """Weight decay over a training run: the coefficient at its `start` and, where it changes, at its `end`."""

    schedule: WeightDecaySchedule = "constant"  # "linear" and "cosine": over all epochs; "step": half-way
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
    optimizer: Annotated[Literal["sgd"], Described("stochastic gradient descent is the only one", in_place=True)] = (
        "sgd"
    )
    momentum: Annotated[float, Field(ge=0, lt=1), Described("momentum of SGD")] = 0.9
    nesterov: Annotated[bool, Described("whether the momentum is Nesterov's")] = False
    epochs: Annotated[
        Epochs,
        Described(
            "passes over the training images", elsewhere="epochs belong to a scale: [scales.NAME]", in_place=True
        ),
    ] = 160
    batch_size: Annotated[
        BatchSize, Described("images per step", elsewhere="batch_size belongs to a scale: [scales.NAME]", in_place=True)
    ] = 128
    learning_rate: Annotated[
        PerKind[LearningRate], Described("peak learning rate of each parameter kind", per="kind", in_place=True)
    ]
    learning_rate_schedule: Annotated[
        LearningRateSchedule,
        Described(
            """"step" (x0.1 at 50 % and 75 %: the paper's 80 and 120 of 160 epochs), "cosine" to zero, or "constant\""""
        ),
    ] = "step"
    warmup_epochs: Annotated[
        float, Field(ge=0), Described("epochs in which the learning rates rise linearly from zero")
    ] = 0.0
    weight_decay: Annotated[
        PerKind[WeightDecay], Described("weight decay of each parameter kind over training", per="kind", in_place=True)
    ]
    gradient_clip_norm: Annotated[
        Annotated[float, Field(gt=0)] | None, Described("maximum global norm of the gradients; None does not clip them")
    ] = None
    label_smoothing: Annotated[
        float, Field(ge=0, lt=1), Described("weight of the uniform distribution in the targets")
    ] = 0.0
    crop_padding: Annotated[
        CropPadding, Described("zero pixels added around an image before a random crop; 0 turns cropping off")
    ] = 4
    flip: Annotated[bool, Described("random horizontal flips, where the dataset allows them")] = True
    random_resized_crop: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None,
        later(None),
        Described(
            "scale a random window (at least this share of the image's area, sides 3:4 to 4:3) to the network's size, "
            "instead of the padded crop; None keeps that"
        ),
    ] = None
    vertical_flip: Annotated[
        bool, later(False), Described("random vertical flips, where the dataset's images have no upright")
    ] = False
    quarter_turns: Annotated[
        bool,
        later(False),
        Described("random turns by 0, 90, 180 or 270 degrees, where the dataset's images have no upright"),
    ] = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov = true needs momentum > 0")
        return self

    @classmethod
    def usual(cls, unit: Unit, **fields: object) -> Self:
        """The recipe that networks of `unit` are usually trained with; `fields` override.

        For "conv" the ResNet paper's, for "product" the PURe paper's and its re-implementations'.
        """
        return cls.shared([unit], **fields)

    @classmethod
    def shared(cls, units: Iterable[Unit], **fields: object) -> Self:
        """One recipe for several units: the geometric means of their usual rates and decays; `fields` override."""
        chosen = tuple(units)
        rate = _geometric_mean(unit.usual_learning_rate for unit in chosen)
        decay = _geometric_mean(unit.usual_weight_decay for unit in chosen)
        defaults: dict[str, object] = {
            "learning_rate": PerKind[LearningRate].same(rate),
            "weight_decay": PerKind[WeightDecay].same(WeightDecay(start=decay)),
        }
        return cls.model_validate({**defaults, **fields})

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


def _geometric_mean(values: Iterable[float]) -> float:
    chosen = tuple(values)
    if len(set(chosen)) == 1 or 0 in chosen:
        return min(chosen)
    return float(f"{math.exp(sum(map(math.log, chosen)) / len(chosen)):.3g}")
