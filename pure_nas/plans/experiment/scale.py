"""The plain values of an experiment file, and its tables of scales and views."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidatorFunctionWrapHandler, WrapValidator, model_validator

from pure_nas.data.sources.registry import ImageSize, MostImages
from pure_nas.space.architecture import BaseWidth
from pure_nas.space.field import FieldFaults, note_repeats
from pure_nas.space.recipe import BatchSize, CropPadding, Epochs
from pure_nas.validation import FrozenModel

MOST_SEEDS = 1000
_MISLEADING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing, or end a line where an editor shows none."""
_MOST = 1e7
_LONGEST_NAME = 60


def _legible(text: str, allowed: str = "\t") -> str:
    """Characters that control a terminal or turn the direction of writing would show something else than is there."""
    for character in text:
        if (unicodedata.category(character) == "Cc" and character not in allowed) or character in _MISLEADING:
            raise ValueError(f"must be a line of text, but has the control character U+{ord(character):04X}")
    return text


def is_folder_name(name: str) -> bool:
    """Whether a name can be that of a folder, here and not elsewhere."""
    return not name.startswith(".") and not set(name) & {"/", "\\"}


def _short(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise ValueError(f"a name has 1 to {_LONGEST_NAME} printable characters")
    return name


def _of_folder(name: str) -> str:
    if not is_folder_name(name):
        raise ValueError("it names a folder: no / or \\ in it, and no . at its beginning")
    return name


def _distinct(values: list[Any]) -> list[Any]:
    faults = FieldFaults()
    note_repeats(values, faults, ())
    faults.raise_any()
    return values


def _possible(noise: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Note shares above 1 too, also where something else is wrong."""
    faults = FieldFaults()
    shares = noise.get("salt-and-pepper") if isinstance(noise, Mapping) else None
    for index, share in enumerate(shares if isinstance(shares, list) else []):
        if isinstance(share, int | float) and 1 < share <= _MOST:
            faults.add(("salt-and-pepper", index), f"is a share of pixels, so at most 1, got {share:g}")
    return faults.raise_with(handler, noise)


Name = Annotated[str, AfterValidator(_short)]
FolderName = Annotated[Name, AfterValidator(_of_folder)]
Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_legible)]
Words = Annotated[str, Field(max_length=1000), AfterValidator(partial(_legible, allowed="\t\n"))]
Accuracy = Annotated[float, Field(gt=0, lt=1)]
Targets = Annotated[list[Accuracy], Field(min_length=1, max_length=20), AfterValidator(_distinct)]
EvaluationName = Literal["quality", "noise", "invariance", "views"]
Evaluations = Annotated[list[EvaluationName], AfterValidator(_distinct)]
NoiseName = Literal["poisson", "gaussian", "salt-and-pepper", "speckle"]
"""As `pure_nas.evaluation.noise.NoiseKind`, which comes with PyTorch."""
_Level = Annotated[float, Field(gt=0, le=_MOST)]
_RelativeSize = Annotated[float, Field(ge=0.25, le=4)]
Noises = Annotated[
    dict[NoiseName, Annotated[list[_Level], Field(min_length=1), AfterValidator(_distinct)]], WrapValidator(_possible)
]


class ViewsTable(FrozenModel):
    """Test-time views, see `pure_nas.Views`; its sizes are relative here to what a network is shown."""

    crops: Literal["whole", "flip", "five-crop", "ten-crop"] = "whole"
    scales: Annotated[list[_RelativeSize], Field(max_length=8), AfterValidator(_distinct)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _something_else_than_the_image(self) -> Self:
        faults = FieldFaults()
        if self.crops == "whole" and set(self.scales) <= {1.0}:
            faults.add((), "shows each image once, as it is: ask for other crops, or for scales")
        for index, scale in enumerate(self.scales if self.crops in ("five-crop", "ten-crop") else ()):
            if scale < 1:
                faults.add(("scales", index), f"{self.crops} cuts out of at least 1, got {scale:g}")
        faults.raise_any()
        return self


class Scale(FrozenModel):
    """How large an experiment is made. What is left out is as in the experiment, in its dataset, or all."""

    cost: Line  # what it takes, in words and with the machine
    epochs: Epochs
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS)]  # trainings of each network, from seeds 1, 2, ...
    batch_size: BatchSize = 128
    networks: Annotated[list[str], Field(min_length=1)] | None = None  # labels or tables, as `recipes`
    recipes: Annotated[list[str], Field(min_length=1)] | None = None
    dataset: Line | None = None
    image_size: ImageSize | None = None
    limit: MostImages | None = None
    validation: Annotated[int, Field(ge=1)] | None = None  # how many of those are validation images
    base_width: BaseWidth | None = None
    crop_padding: CropPadding | None = None  # 4 pixels are much for images of 8
    warmup_epochs: Annotated[float, Field(gt=0)] | None = None  # of recipes that have a warm-up
    targets: Targets | None = None
    evaluations: Evaluations | None = None
    evaluated: Annotated[int, Field(ge=2)] | None = None  # how many of them the further evaluations use

    def scaled(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of a recipe, with what the scale sets in place of its own."""
        warm = {"warmup_epochs": self.warmup_epochs} if recipe.get("warmup_epochs") else {}
        instead = {"crop_padding": self.crop_padding, **warm}
        return {**recipe, **{name: value for name, value in instead.items() if value is not None}}
