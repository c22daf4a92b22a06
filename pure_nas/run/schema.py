"""The files of a run as models: what may stand in each. Older versions wrote less, so most fields may be missing."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pure_nas.objectives import COST_KEYS, ERRORS

SCHEMA: Literal[1] = 1  # the version of every file of a run that this package reads and writes

TrialState = Literal["complete", "stopped", "diverged", "failed", "rejected"]
"""complete: has its objectives; stopped: ended early, as it would hardly have reached the front; diverged: the loss
became NaN or infinite; failed: ran out of memory, or its worker died twice; rejected: over a limit, never trained and
not counted as a trial."""

LARGEST = 2**53  # of whole numbers: what every reader of TOML and JSON holds exactly
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Table = dict[str, Any]


class RunFile(BaseModel):
    """A table of a file that this package wrote."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")


class Images(RunFile):
    """What files say of a dataset, as `Dataset.facts` has it, and how many images were used. No value is null."""

    name: str = ""
    fingerprint: str = ""
    classes: Annotated[list[str], Field(min_length=1)] = []
    in_chans: Positive = 0
    image_size: Positive = 0
    decoded_size: Positive = 0
    stored_size: Positive = 0
    mean: list[Share] = []  # of pixels from 0 to 1
    std: list[Annotated[float, Field(gt=0, le=1)]] = []
    train: Count = 0
    validation: Count = 0
    scored: Count = 0

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Self:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if name in self.model_fields_set and self.in_chans and len(values) != self.in_chans:
                raise ValueError(f"{name} has {len(values)} values for {self.in_chans} channels")
        return self


class _Sampler(RunFile):
    name: str
    reason: str = ""


class _Axes(RunFile):
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
    confirm: Share | None = None
    epochs: Positive | None = None
    batch_size: Positive | None = None
    objectives: Annotated[list[str], Field(min_length=1)] | None = None
    metrics: list[str] | None = None
    reference: dict[str, Annotated[float, Field(gt=0)]] | None = None
    limits: dict[str, Amount] | None = None
    sampler: str | None = None
    chosen_sampler: _Sampler | None = None
    seed: Count | None = None
    seeds: Positive | None = None
    device: str | None = None
    workers: Positive | Literal["auto"] | None = None
    baselines: bool | None = None
    early_stopping: bool | None = None
    until_flat: bool | None = None
    keep_weights: Literal["all", "front"] | None = None
    lag: Count | None = None
    warm_start: list[str] | None = None
    storage: str | None = None
    data_dir: str | None = None
    image_size: Positive | None = None
    limit: Positive | None = None
    validation: Amount | None = None
    skip_corrupt: bool | None = None
    split: Literal["test", "validation"] | None = None
    validation_curve: bool | None = None
    dataset_replaced: bool | None = None
    search_space: _Axes | None = None
    data: Images | None = None
    networks: Table | None = None
    recipes: Table | None = None
    trained: Table | None = None
    machine: Table | None = None

    @model_validator(mode="after")
    def _objectives_are_known(self) -> Self:
        # Metrics of other packages are read where those are not installed too.
        known = (*ERRORS, *COST_KEYS, *(self.metrics or ()))
        for place, name in enumerate(self.objectives or ()):
            if name not in known:
                raise ValueError(f'objectives.{place} is "{name}", which is not one of {", ".join(known)}')
        return self


class Metrics(RunFile):
    """Results on the validation or test split; the loss is the mean cross-entropy."""

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
    stopped_after: Positive | None = None  # epochs
    source: str = ""
    digests: dict[str, str] | None = None

    @model_validator(mode="after")
    def _objectives_are_what_was_measured(self) -> Self:
        for name, objective in (self.objectives or {}).items():
            if name in COST_KEYS:
                what, measured = "cost", (self.cost or {}).get(COST_KEYS[name])
            else:
                what, measured = "metric", getattr(self.metrics, name, None)
                if name in ERRORS and objective > 1:
                    raise ValueError(f"the objective {name} is {objective}, more than all images")
            if measured is not None and objective != measured:
                raise ValueError(f"the objective {name} is {objective}, but the {what} is {measured}")
        return self


class Stops(RunFile):
    """stops.json: decided before a trial begins, from the first `known` trials; an audit takes no notice of it."""

    known: Count
    errors: dict[Annotated[str, Field(pattern=r"^[1-9]\d*$")], float]  # by epoch
    audit: bool = False


class _EarlierTrial(RunFile):
    number: Count
    state: Literal["complete", "stopped", "diverged"]
    params: dict[str, bool | int | float | str | None]
    errors: list[Share | None]


class _EarlierSearch(RunFile):
    run: str
    epochs: Positive
    image_size: Positive
    worst: Annotated[float, Field(gt=0, le=1)]
    images: Positive
    ended: Count
    trials: Annotated[list[_EarlierTrial], Field(min_length=1)]


class WarmStartFile(RunFile):
    """warm_start.json: what a search took over from others when it began, with the digest of the rest."""

    searches: Annotated[list[_EarlierSearch], Field(min_length=1)]
    digest: str


class Epoch(RunFile):
    """A line of metrics.jsonl; a loss or error that was not a number is null."""

    epoch: Positive
    train_loss: float | None = None
    train_accuracy: Share | None = None
    validation_loss: float | None = None
    validation_error: Share | None = None
    learning_rate: Amount | None = None
    seconds: Amount = 0.0


class ConfirmationOrder(RunFile):
    """confirmations.json: the trials that were trained with further seeds, in that order, each with the seed."""

    order: list[Annotated[list[Count], Field(min_length=2, max_length=2)]]


class Hits(RunFile):
    """hits.json: which images a network classified correctly, a bit each, in the order of the split."""

    split: Literal["validation", "test"]
    fingerprint: str
    images: Positive
    bits: str  # packed, the first image in the highest bit; base64


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


class State(RunFile):
    """state.json: what a run has used up."""

    seconds: Amount


class _Scored(RunFile):
    accuracy: Share
    top5: Share | None = None


class _Viewed(_Scored):
    name: str


class _Noisy(_Scored):
    level: Amount


class _Changed(_Scored):
    factor: Annotated[float, Field(gt=0)]
    agreement: Share
    cosine: Annotated[float, Field(ge=-1.0001, le=1.0001)] | None


class Evaluation(_Scored):
    """evaluation.json, of a training of an experiment."""

    images: Positive
    calibration_error: Amount | None
    views: _Viewed | None
    noise: dict[str, Annotated[list[_Noisy], Field(min_length=2)]]
    intensity: list[_Changed]
