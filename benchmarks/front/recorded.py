"""Recorded trainings: tables of candidates with their error after every epoch, for several seeds.

    >>> from benchmarks.front.recorded import load
    >>> table = load("digits")
    >>> table.errors.shape  # seeds, candidates, epochs, once all are recorded
    (2, 2544, 10)

A table is `tables/NAME.jsonl.xz`: a header (space, images, epochs, how it was made), then a line for each training.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FixedTrial

from pure_nas.errors import PureNasError
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace

TABLES = Path(__file__).with_name("tables")
SCHEMA = 1

ALIKE = 0.10
"""Networks whose flops differ by at most this share are of about equal flops."""

Params = Mapping[str, Any]
Floats = NDArray[np.float64]


def key_of(params: Params) -> str:
    """Equal for equal parameters, whatever their order."""
    return json.dumps(params, sort_keys=True)


@dataclass(frozen=True)
class Table:
    """Candidates and how they trained.

    Attributes:
        header: as in the file; "space" is its TOML.
        params: of each candidate, as Optuna has them.
        flops: (N,), of an image.
        weights: (N,), number of parameters.
        seconds: (N,), of the training with the first seed, on one thread.
        errors: (S, N, E), validation error after each epoch; 1 from where the loss was NaN, NaN where nothing is
            recorded for a seed.
    """

    header: Mapping[str, Any]
    params: tuple[Params, ...]
    flops: Floats
    weights: Floats
    seconds: Floats
    errors: Floats

    def __len__(self) -> int:
        return len(self.params)

    @property
    def epochs(self) -> int:
        return int(self.errors.shape[2])

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each candidate by `key_of` its parameters."""
        return {key_of(params): place for place, params in enumerate(self.params)}

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace.from_toml(self.header["space"]).with_images(**self.header["images"])

    def candidate(self, place: int) -> Candidate:
        return self.space.suggest(FixedTrial(dict(self.params[place])))

    @property
    def worst(self) -> float:
        """Error of guessing."""
        return 1 - 1 / int(self.header["images"]["num_classes"])


@lru_cache(maxsize=4)
def load(name_or_path: str | Path) -> Table:
    """A table by its name, or from a file, which may be one that is still being recorded."""
    path = Path(name_or_path) if Path(name_or_path).suffix else TABLES / f"{name_or_path}.jsonl.xz"
    header, rows = read(path)
    return _table(header, rows)


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and trainings of a file; a last line that a kill cut short is left out."""
    lines = list(_lines(path))
    if not lines or lines[0].get("schema") != SCHEMA:
        raise PureNasError(f"{path} is not a table of recorded trainings.")
    return lines[0], lines[1:]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    content = path.read_bytes()
    text = (lzma.decompress(content) if path.suffix == ".xz" else content).decode()
    yield from (json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))


def _table(header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> Table:
    epochs, seeds = int(header["epochs"]), int(header["seeds"])
    found: dict[str, list[Mapping[str, Any] | None]] = {}
    for row in rows:
        found.setdefault(key_of(row["params"]), [None] * seeds)[row["seed"]] = row
    whole = {key: each for key, each in sorted(found.items()) if each[0] is not None}
    errors = np.full((seeds, len(whole), epochs), np.nan)
    for place, trainings in enumerate(whole.values()):
        for seed, training in enumerate(trainings):
            if training is not None:
                curve = training["errors"]
                errors[seed, place] = [*curve, *[1.0] * (epochs - len(curve))]
    first = [each[0] for each in whole.values() if each[0] is not None]
    return Table(
        header=header,
        params=tuple(row["params"] for row in first),
        flops=np.array([row["flops"] for row in first], dtype=np.float64),
        weights=np.array([row["weights"] for row in first], dtype=np.float64),
        seconds=np.array([row["seconds"] for row in first], dtype=np.float64),
        errors=errors,
    )


def tau(found: Floats, final: Floats, flops: Floats, alike: float = np.inf) -> float:
    """Kendall's tau-b over the pairs whose flops differ by at most a share `alike` of the smaller."""
    first, second = np.triu_indices(len(final), 1)
    ratio = np.maximum(flops[first], flops[second]) / np.minimum(flops[first], flops[second])
    first, second = first[ratio <= 1 + alike], second[ratio <= 1 + alike]
    signs = [np.sign(values[first] - values[second]) for values in (found, final)]
    return float((signs[0] * signs[1]).sum() / np.sqrt(np.prod([np.abs(sign).sum() for sign in signs])))
