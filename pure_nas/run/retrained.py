"""What retraining has left in a run's folder: retrain.json, and a folder for each network and seed."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from pure_nas.analysis.convergence import Convergence
from pure_nas.analysis.statistics import accuracy_interval
from pure_nas.errors import RunError
from pure_nas.files import check, digest_of_document, read_json
from pure_nas.run.directory import RunDirectory, TrialDirectory
from pure_nas.run.schema import Count, Share
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import get_unit

RETRAIN_FILE = "retrain.json"
TWIN_UNITS = ("conv", "product")


@dataclass(frozen=True)
class Variant:
    """One network to retrain: trial number `trial` ("trial"), or one of its twins ("conv twin, usual recipe")."""

    trial: int
    name: str
    candidate: Candidate


def variants_of(trial: int, candidate: Candidate, epochs: int | None) -> list[Variant]:
    """The trial's network and those of its all-conv and all-product twins, at two recipes, that are not the same."""
    own = candidate if epochs is None else _with_epochs(candidate, epochs)
    recipe = own.recipe
    found = [Variant(trial, "trial", own)]
    for unit in TWIN_UNITS:
        twin, usual = own.architecture.with_unit(unit), Recipe.usual(get_unit(unit))
        usual = recipe.model_copy(update={"learning_rate": usual.learning_rate, "weight_decay": usual.weight_decay})
        for name, chosen in (("usual", usual), ("same", recipe)):
            found.append(Variant(trial, f"{unit} twin, {name} recipe", Candidate(twin, chosen)))
    return [variant for variant in found if variant.name == "trial" or variant.candidate.digest != own.digest]


def _with_epochs(candidate: Candidate, epochs: int) -> Candidate:
    return Candidate(candidate.architecture, candidate.recipe.model_copy(update={"epochs": epochs}))


class _RetrainedDirectory(TrialDirectory):
    """Is named for what it holds: the training of another network or seed is an error."""

    def result(self) -> dict[str, Any] | None:
        result = super().result()
        held = f"{self.candidate().digest}-seed{result.get('seed', self.number)}" if result else self.path.name
        if held != self.path.name:
            message = f"{self.path} holds the training of another network or seed, {held}."
            raise RunError(message, hint=self.damaged_hint)
        return result


def retrained_folder(run: RunDirectory, digest: str, seed: int) -> TrialDirectory:
    """Where the candidate with this digest, retrained with this seed, has its files."""
    hint = "Restore a good copy, or remove this folder and run the pure-nas retrain command again."
    return _RetrainedDirectory(run.path / "retrain" / f"{digest}-seed{seed}", seed, damaged_hint=hint)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network that was trained again with several seeds, and its accuracies on the test split."""

    trial: Count  # that it is, or is a twin of
    variant: str  # the name of the `Variant`
    params: Count
    flops: Count
    test_accuracy: tuple[Share, ...]  # one for each seed that did not diverge
    diverged: Count = 0  # number of seeds that did
    convergence: tuple[Convergence, ...] = ()  # in training; empty in files of older versions
    digest: str = ""  # of the network and its recipe; empty where an older file cannot tell any more
    epochs: Count = 0
    seeds: tuple[int, ...] = ()  # also those that diverged

    @property
    def mean(self) -> float:
        """NaN where every seed diverged."""
        return statistics.fmean(self.test_accuracy) if self.test_accuracy else float("nan")

    @property
    def std(self) -> float:
        """0 for a single seed."""
        return statistics.stdev(self.test_accuracy) if len(self.test_accuracy) > 1 else 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        return accuracy_interval(self.test_accuracy)

    def document(self) -> dict[str, Any]:
        mean = self.mean if self.test_accuracy else None  # JSON has no NaN
        return {**asdict(self), "mean": mean, "std": self.std}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the seeds say about one trial against a twin."""

    trial: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """Everything that was retrained in a run, with test accuracies."""

    rows: tuple[Row, ...] = ()  # one per network, number of epochs and trial that it is, or is a twin of
    verdicts: tuple[Verdict, ...] = ()  # each trial against its twins: `trial` and `text`

    def __repr__(self) -> str:
        return f"Retraining({len(self.rows)} networks of trials {', '.join(map(str, self.trials)) or 'none'})"

    @property
    def trials(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(row.trial for row in self.rows))

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Number and epochs of each retrained trial, in order."""
        return tuple(dict.fromkeys((row.trial, row.epochs) for row in self.rows))

    @property
    def one_seed(self) -> bool:
        return all(len(row.test_accuracy) + row.diverged < 2 for row in self.rows)

    @property
    def epochs_differ(self) -> bool:
        return len({row.epochs for row in self.rows}) > 1

    def row_of(self, candidate: Candidate, seed: int | None = None) -> Row | None:
        """How this network did with its recipe, whichever trial it was retrained as.

        Of several retrainings, one with this seed if there is one, else that with the most epochs; one of which every
        seed diverged only if there is no other.
        """

        def preference(row: Row) -> tuple[bool, bool, int, int, bool]:
            return seed in row.seeds, bool(row.test_accuracy), row.epochs, len(row.seeds), row.variant == "trial"

        found = [row for row in self.rows if row.digest and row.digest == _with_epochs(candidate, row.epochs).digest]
        return max(found, key=preference, default=None)

    def document(self) -> dict[str, Any]:
        """The contents of retrain.json, with a digest that reveals later changes."""
        content = {
            "schema": 2,
            "rows": [row.document() for row in self.rows],
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }
        return {**content, "digest": digest_of_document(content)}


@dataclass(frozen=True, kw_only=True)
class _Schema2(Retraining):
    schema: Literal[2]
    rows: tuple[Row, ...] = field()


@dataclass(frozen=True, kw_only=True)
class _Schema1(Retraining):
    """Of one retrain command: all rows have these seeds and epochs."""

    schema: Literal[1]
    rows: tuple[Row, ...] = field()
    seeds: Annotated[int, Field(ge=1, le=100_000)]
    epochs: int | None = None


def load_retraining(run: RunDirectory) -> Retraining:
    """Read retrain.json; nothing where nothing has been retrained."""
    path = run.path / RETRAIN_FILE
    if not path.exists():
        return Retraining()
    hint = "Move it away and run the pure-nas retrain commands again: what was trained is not trained twice."
    content = read_json(path, dict[str, Any], hint=hint)
    found = check(_Schema1 if content.get("schema") == 1 else _Schema2, content, path, hint=hint)
    # Older versions wrote no digest.
    if "digest" in content and content.pop("digest") != digest_of_document(content):
        raise RunError(f"{path} was changed after it had been written.", hint=hint)
    for row, stated in zip(found.rows, content["rows"], strict=True):
        mean = stated.get("mean")
        if row.test_accuracy and (not isinstance(mean, int | float) or not abs(mean - row.mean) < 1e-9):
            raise RunError(
                f"{path} is damaged: trial {row.trial}, {row.variant}, has the mean {mean}, but its seeds have "
                f"{row.mean}.",
                hint=hint,
            )
    return Retraining(
        rows=_upgraded(found, run) if isinstance(found, _Schema1) else found.rows, verdicts=found.verdicts
    )


def _upgraded(file: _Schema1, run: RunDirectory) -> tuple[Row, ...]:
    """The rows with what each of them says itself since."""
    digests: dict[tuple[int, str], str] = {}
    epochs: dict[int, int] = {}
    for number in {row.trial for row in file.rows}:
        if run.trial(number).has_candidate:
            variants = variants_of(number, run.trial(number).candidate(), file.epochs)
            digests |= {(number, variant.name): variant.candidate.digest for variant in variants}
            epochs[number] = variants[0].candidate.recipe.epochs
    return tuple(
        replace(
            row,
            digest=digests.get((row.trial, row.variant), ""),
            epochs=epochs.get(row.trial, file.epochs or 0),
            seeds=tuple(range(1, file.seeds + 1)),
        )
        for row in file.rows
    )
