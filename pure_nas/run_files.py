"""The files of a run as models: what may stand in each, and how what breaks a rule is said.

Older versions wrote less, so most fields may be missing; whoever needs one says so. Fields that are not named here are
left alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pure_nas.errors import RunError
from pure_nas.validation import fault_lines

SCHEMA: Literal[1] = 1
"""The version of every file of a run that this package reads and writes."""

TrialState = Literal["complete", "diverged", "failed", "rejected"]
"""complete: has its objectives; diverged: the loss became NaN or infinite; failed: ran out of memory, or its worker
died twice; rejected: over a limit, never trained and not counted as a trial."""

ObjectiveName = Literal["error", "flops", "params", "latency", "memory", "noise_error"]
COST_KEYS: Mapping[str, str] = {
    "flops": "flops",
    "params": "params",
    "latency": "latency_ms",
    "memory": "memory_bytes",
}
"""Where an objective stands among the costs of a trial; the others stand among its metrics."""

Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Table = dict[str, Any]

_DEEPEST = 40
"""Levels of tables and lists in a file; those of a run have six at most."""


class RunFile(BaseModel):
    """A table of a file that this package wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")


class Images(RunFile):
    """What files say of a dataset, as `Dataset.facts` has it, and how many of its images were used.

    Mean and standard deviation are of pixels from 0 to 1.
    """

    name: str | None = None
    fingerprint: str | None = None
    classes: Annotated[list[str], Field(min_length=1)] | None = None
    in_chans: Positive | None = None
    image_size: Positive | None = None
    mean: list[Share] | None = None
    std: list[Annotated[float, Field(gt=0, le=1)]] | None = None
    train: Count | None = None
    validation: Count | None = None
    scored: Count | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, content: Any) -> Any:
        for name, value in content.items() if isinstance(content, dict) else ():
            if value is None:
                raise ValueError(f"{name} is null")
        return content

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Self:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and self.in_chans is not None and len(values) != self.in_chans:
                raise ValueError(f"{name} has {len(values)} values for {self.in_chans} channels")
        return self


class Sampler(RunFile):
    """The sampler that was chosen, and why."""

    name: str
    reason: str = ""


class Axes(RunFile):
    """The search space of a run."""

    architecture: Table | None = None
    recipe: Table | None = None


class Settings(RunFile):
    """run.toml, of a search or an experiment."""

    kind: Literal["experiment"] | None = None
    study: str | None = None
    experiment: str | None = None
    scale: str | None = None
    dataset: str | None = None
    space: str | None = None
    trials: Positive | None = None
    time_seconds: Amount | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    objectives: Annotated[list[ObjectiveName], Field(min_length=1)] | None = None
    reference: dict[ObjectiveName, Annotated[float, Field(gt=0)]] | None = None
    limits: dict[str, Amount] | None = None
    sampler: str | None = None
    chosen_sampler: Sampler | None = None
    seed: Count | None = None
    seeds: Positive | None = None
    device: str | None = None
    workers: Positive | Literal["auto"] | None = None
    baselines: bool | None = None
    storage: str | None = None
    data_dir: str | None = None
    image_size: Positive | None = None
    limit: Positive | None = None
    validation: Amount | None = None
    skip_corrupt: bool | None = None
    split: Literal["test", "validation"] | None = None
    validation_curve: bool | None = None
    dataset_replaced: bool | None = None
    search_space: Axes | None = None
    data: Images | None = None
    networks: Table | None = None
    recipes: Table | None = None
    trained: Table | None = None
    machine: Table | None = None


class Metrics(RunFile):
    """Scores of a trained network; the loss is the mean cross-entropy."""

    error: Share | None = None
    accuracy: Share | None = None
    loss: float | None = None
    noise_error: Share | None = None

    @model_validator(mode="after")
    def _add_up(self) -> Self:
        if self.error is not None and self.accuracy is not None and abs(self.error + self.accuracy - 1) > 1e-9:
            raise ValueError(f"error {self.error} and accuracy {self.accuracy} do not add up to 1")
        return self


class Result(RunFile):
    """result.json, of a trial, a training of an experiment, or a retraining."""

    state: TrialState
    number: Count | None = None
    seed: int | None = None
    baseline: str = ""
    objectives: dict[str, Amount] | None = None
    metrics: Metrics | None = None
    cost: dict[str, Amount] | None = None
    constraints: dict[str, float] | None = None
    seconds: Amount = 0.0
    reason: str = ""
    execution: str = ""
    replay_of: Count | None = None
    digests: dict[str, str] | None = None

    @model_validator(mode="after")
    def _objectives_are_what_was_measured(self) -> Self:
        for name, objective in (self.objectives or {}).items():
            if name in COST_KEYS:
                what, measured = "cost", (self.cost or {}).get(COST_KEYS[name])
            else:
                what, measured = "metric", getattr(self.metrics, name, None)
                if objective > 1:
                    raise ValueError(f"the objective {name} is {objective}, more than all images")
            if measured is not None and objective != measured:
                raise ValueError(f"the objective {name} is {objective}, but the {what} is {measured}")
        return self


class Epoch(RunFile):
    """A line of metrics.jsonl; a loss or error that was not a number is null."""

    epoch: Positive
    train_loss: float | None = None
    train_accuracy: Share | None = None
    validation_loss: float | None = None
    validation_error: Share | None = None
    learning_rate: Amount | None = None
    seconds: Amount = 0.0


class Environment(RunFile):
    """environment.json."""

    command: str | None = None


class Training(RunFile):
    """training.json, of `pure-nas train`."""

    dataset: str
    fingerprint: str
    seed: int
    folder: str | None = None
    data_dir: str | None = None
    image_size: Positive | None = None
    skip_corrupt: bool | None = None
    data: Images | None = None


class Scored(RunFile):
    """Accuracies of a network on some images."""

    accuracy: Share
    top5: Share | None = None


class Viewed(Scored):
    """Over test-time views."""

    name: str


class Noisy(Scored):
    """At a level of noise."""

    level: Amount


class Changed(Scored):
    """At another intensity."""

    factor: Annotated[float, Field(gt=0)]
    agreement: Share
    cosine: Annotated[float, Field(ge=-1.0001, le=1.0001)] | None


class Evaluation(Scored):
    """evaluation.json, of a training of an experiment."""

    images: Positive
    calibration_error: Amount | None
    views: Viewed | None
    noise: dict[str, Annotated[list[Noisy], Field(min_length=2)]]
    intensity: list[Changed]


def decoded(data: bytes, *, nan_is_null: bool = False) -> Any:
    """What JSON says.

    Args:
        nan_is_null: read NaN and infinity as null, as records of older versions have them.

    Raises:
        ValueError: it is no JSON in UTF-8, says a name twice, is nested too deeply, or holds a number that is none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8 text") from error
    if not text.strip():
        raise ValueError("it is empty")
    try:
        content = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=(lambda _: None) if nan_is_null else _finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    require_flat(content)
    return content


def require_flat(content: Any) -> None:
    """Check that a document is not nested beyond what can be walked through.

    Raises:
        ValueError: it is.
    """
    level = [content]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _within(each)]
        if not level:
            return
    raise ValueError("it is nested too deeply")


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for place, (name, _) in enumerate(pairs) if name in dict(pairs[:place]))
        raise ValueError(f"{json.dumps(twice[:60])} is there twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no number")
    return value


def check(model: Any, content: Any, file: Path | str, *, hint: str = "") -> None:
    """Check the content of a file.

    Args:
        model: what may stand in it: a model, or anything else that pydantic validates.
        file: how messages call it.
        hint: the way out where a rule is broken.

    Raises:
        RunError: a rule is broken; every fault is listed.
    """
    try:
        TypeAdapter(model).validate_python(content)
    except ValidationError as error:
        raise RunError(f"{file} is damaged: {'; '.join(fault_lines(error, model))}.", hint=hint) from error


def digest_of(data: bytes) -> str:
    """SHA-256 of the bytes of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_of_document(content: Mapping[str, Any]) -> str:
    """SHA-256 of what a JSON document says, however it is laid out."""
    return digest_of(json.dumps(content, sort_keys=True).encode())
