"""Whether another revision gives the same candidates, metrics and weights: a search, an experiment and a retraining.

Run it as `uv run python -m benchmarks.same_results REVISION`; every difference is printed, and exit code 1 says that
there is one. Both revisions train in processes of one thread, with the same packages.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.command import run_command
from benchmarks.processes import ROOT, environment_of, run_timed
from benchmarks.revisions import unpack

COMMANDS = (
    ("search", "--dataset", "digits", "--trials", "24", "--seed", "3", "--device", "cpu"),
    ("retrain", "runs/digits", "--trials", "knee", "--seeds", "2", "--epochs", "3", "--device", "cpu"),
    ("experiment", "threshold-init", "--scale", "smoke", "--dataset", "digits", "--device", "cpu"),
)
_WHOLE = ("architecture.json", "recipe.json", "weights.safetensors", "evaluation.json")
_NOT_COMPARED = frozenset({"seconds", "digests", "reason"})


def found_by(checkout: Path, folder: Path) -> dict[str, Any]:
    """What the commands leave in `folder` with the code of a checkout, by file; times are left out."""
    folder.mkdir(parents=True)
    for command in COMMANDS:
        run_timed([sys.executable, "-m", "pure_nas", *command], folder, environment_of(checkout, threads=1))
    return dict(_contents(folder / "runs"))


def _contents(runs: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(runs.rglob("*")):
        name = path.relative_to(runs).as_posix()
        if path.name in _WHOLE:
            yield name, hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == "result.json":
            yield name, _without_times(json.loads(path.read_bytes()))
        elif path.name == "metrics.jsonl":
            yield name, [_without_times(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in _NOT_COMPARED}


def main(revision: Annotated[str, typer.Argument(help="The other revision, such as HEAD~1 or a tag.")]) -> None:
    """Compare this checkout with another revision."""
    with TemporaryDirectory() as scratch:
        old = unpack(revision, Path(scratch) / "code")
        before, now = found_by(old, Path(scratch) / "before"), found_by(ROOT, Path(scratch) / "now")
    names = sorted(before.keys() | now.keys())
    differing = [name for name in names if before.get(name) != now.get(name)]
    for name in differing:
        print(f"{name} differs")
    print(f"{len(names) - len(differing)} of {len(names)} files of trials are the same as at {revision}")
    if differing:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
