"""What earlier searches leave to one that begins: the trials that lie in its space, kept in a file of its own run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pure_nas.errors import RunError, UsageError
from pure_nas.files import digest_of_document, read_json, write_whole
from pure_nas.forecast.forecast import Known
from pure_nas.forecast.variation import Point, point_with
from pure_nas.quantities import counted
from pure_nas.run.directory import RunDirectory
from pure_nas.run.schema import SCHEMA, WarmStartFile
from pure_nas.run.search_results import TrialRecord, load_results
from pure_nas.space.search_space import SearchSpace

_MAY_DIFFER = frozenset({"image_size", "epochs", "batch_size"})
"""What an earlier trial may have had otherwise: the search learns a shift, and how far the order can be trusted."""
_HINT = "Restore a good copy, or start a new search with another --study."
_LISTED = 3


@dataclass(frozen=True)
class EarlierSearch:
    """A search that ended before, as far as it lies in the space of one that begins."""

    run: str  # its folder then
    epochs: int
    worst: float  # the error of guessing
    image_size: int  # pixels
    images: int  # to validate on
    ended: int  # trials in all, whatever lies in this space
    trials: Mapping[int, Known]  # by number

    @property
    def name(self) -> str:
        return Path(self.run).name


@dataclass(frozen=True)
class WarmStart:
    """What a search took over from others when it began; the other runs may change or go.

    Args:
        document: as in warm_start.json.
    """

    document: Mapping[str, Any]
    space: SearchSpace

    @classmethod
    def of(cls, folders: Sequence[str], space: SearchSpace, images: Mapping[str, Any]) -> WarmStart:
        """What the searches in these folders know.

        Args:
            images: of the search that begins, as its run.toml will have them.
        """
        searches = [_taken_over(RunDirectory.open(Path(folder)), space, images) for folder in dict.fromkeys(folders)]
        document = {"schema": SCHEMA, "searches": searches}
        return cls({**document, "digest": digest_of_document(document)}, space)

    @classmethod
    def read(cls, run: RunDirectory, space: SearchSpace) -> WarmStart:
        """What a run took over when it began."""
        document = read_json(run.warm_start_path, WarmStartFile, hint=_HINT)
        rest = {key: value for key, value in document.items() if key != "digest"}
        if digest_of_document(rest) != document["digest"]:
            raise RunError(f"{run.warm_start_path} was changed after the search had begun.", hint=_HINT)
        return cls(document, space)

    def write(self, run: RunDirectory) -> None:
        write_whole(run.warm_start_path, json.dumps(self.document) + "\n")

    @cached_property
    def searches(self) -> tuple[EarlierSearch, ...]:
        return tuple(
            EarlierSearch(
                **{name: found[name] for name in ("run", "epochs", "image_size", "worst", "images", "ended")},
                trials={
                    each["number"]: Known.ended(point_with(self.space, each["params"]), each["errors"], each["state"])
                    for each in found["trials"]
                },
            )
            for found in self.document["searches"]
        )

    def source_of(self, point: Point) -> str:
        """The earlier trial that trained the same, as "RUN:7"; empty where none did."""
        return self._sources.get(frozenset(point.params.items()), "")

    @cached_property
    def _sources(self) -> dict[frozenset[Any], str]:
        return {
            frozenset(trial.point.params.items()): f"{search.name}:{number}"
            for search in reversed(self.searches)
            for number, trial in reversed([*search.trials.items()])
        }

    @property
    def text(self) -> str:
        """What was taken over, in words."""
        return "; ".join(
            f"{len(each.trials)} of {counted(each.ended, 'trial')} in {each.run}, of {counted(each.epochs, 'epoch')} "
            f"at {each.image_size} pixels"
            for each in self.searches
        )


def _taken_over(run: RunDirectory, space: SearchSpace, images: Mapping[str, Any]) -> dict[str, Any]:
    results, settings = load_results(run), run.settings()
    _require_same_images(run, settings.get("data") or {}, images)
    ended = [each for each in results.trials if each.state in ("complete", "stopped", "diverged")]
    ended = [each for each in ended if each.replay_of is None]
    trials, outside = list[dict[str, Any]](), Counter[str]()
    for each in ended:
        located = space.parameters_of(each.candidate)
        if others := [path for path in located.outside if path not in _MAY_DIFFER]:
            outside.update(others)
        else:
            trials.append(
                {"number": each.number, "state": each.state, "params": located.params, "errors": _errors(each)}
            )
    if not trials:
        why = ", ".join(f"{path} of {count}" for path, count in outside.most_common(_LISTED))
        raise UsageError(
            f"No trial of {run.path} lies in this space"
            + (f": outside are {why} of its {counted(len(ended), 'trial')}." if why else ", as none has ended."),
            hint="Leave it out of --warm-start, or search in its space.",
        )
    return {
        "run": str(run.path.resolve()),
        "epochs": settings.get("epochs") or ended[0].candidate.recipe.epochs,
        "image_size": ended[0].candidate.architecture.image_size,
        "worst": results.reference[0],
        "images": (settings.get("data") or {}).get("validation") or images["validation"],
        "ended": len(ended),
        "trials": trials,
    }


def _errors(trial: TrialRecord) -> list[float | None]:
    errors = [epoch.get("validation_error") for epoch in trial.curve]
    return [*errors[:-1], trial.error] if trial.state == "complete" else errors


def _require_same_images(run: RunDirectory, theirs: Mapping[str, Any], images: Mapping[str, Any]) -> None:
    """Equal images are known by their fingerprint, and those of another size, seed or number by their name."""
    if theirs.get("fingerprint") == images["fingerprint"]:
        return
    alike = ("name", "classes", "in_chans")
    if any(theirs.get(key) != images[key] for key in alike):
        then, now = (
            f'"{each.get("name", "unknown")}" ({len(each.get("classes") or ())} classes, '
            f"fingerprint {each.get('fingerprint', 'unknown')})"
            for each in (theirs, images)
        )
        raise UsageError(
            f"The search in {run.path} was on other images: {then}, not {now}.",
            hint="Leave it out of --warm-start.",
        )
