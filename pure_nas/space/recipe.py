"""Recipe: how a network is trained, as plain validated data."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind, Unit
from pure_nas.validation import Document, FrozenModel

T = TypeVar("T")
WeightDecaySchedule = Literal["constant", "linear", "cosine", "step"]
LearningRateSchedule = Literal["constant", "step", "cosine"]

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
    """Weight decay over a training run.

    Attributes:
        schedule: "constant"; "linear" or "cosine" from `start` to `end` over all epochs; "step" from `start` to
            `end` half-way.
        start: the coefficient at the beginning.
        end: the coefficient at the end; `start` where it is left out.
    """

    schedule: WeightDecaySchedule = "constant"
    start: DecayValue = 1e-4
    end: DecayValue | None = None

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


class Recipe(Document):
    """SGD with a learning rate and a weight-decay schedule for each parameter kind.

    Attributes:
        learning_rate: peak rate of each kind.
        learning_rate_schedule: "step" (x0.1 at 50 % and 75 %: the paper's 80 and 120 of 160 epochs), "cosine" to
            zero, or "constant".
        warmup_epochs: epochs over which the rates rise linearly from zero; at most all of them.
        weight_decay: coefficient of each kind over time.
        gradient_clip_norm: bound of the global gradient norm; None leaves gradients alone.
        label_smoothing: weight of the uniform distribution in the targets.
        crop_padding: zero pixels around an image before the random crop; 0 turns cropping off.
        flip: random horizontal flips, where the dataset allows them.
        random_resized_crop: cut a window of at least this share of the image's area, sides 3:4 to 4:3, and scale it
            to the network's size, in place of the padded crop; None leaves that on.
        vertical_flip: random vertical flips, where the dataset's images have no upright.
        quarter_turns: random turns by 0, 90, 180 or 270 degrees, likewise.

    Example:
        >>> Recipe.usual(get_unit("conv"), epochs=30).learning_rate["trunk"]
        0.1
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    optimizer: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 160
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 128
    learning_rate: PerKind[LearningRate]
    learning_rate_schedule: LearningRateSchedule = "step"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    weight_decay: PerKind[WeightDecay]
    gradient_clip_norm: Annotated[float, Field(gt=0)] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
    flip: bool = True
    # Fields that came later are left out of files and digests at their defaults, so that older digests stay true.
    random_resized_crop: Annotated[Annotated[float, Field(gt=0, le=1)] | None, Field(exclude_if=operator.not_)] = None
    vertical_flip: Annotated[bool, Field(exclude_if=operator.not_)] = False
    quarter_turns: Annotated[bool, Field(exclude_if=operator.not_)] = False

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
