"""An older revision of pure-nas beside this one, and whether both take the same first step."""

from __future__ import annotations

import math
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.processes import ROOT, environment_of, run_timed
from pure_nas.errors import PureNasError, UsageError
from pure_nas.run.directory import TrialDirectory
from pure_nas.space.candidate import Candidate


def unpack(revision: str, folder: Path) -> Path:
    """The source tree of `revision`, taken out of this repository into `folder`.

    Raises:
        UsageError: the repository does not have it.
    """
    done = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise UsageError(
            f'The revision "{revision}" cannot be had: {done.stderr.decode().strip()}.', hint="git log lists them."
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@dataclass(frozen=True)
class Agreement:
    """How far the first steps of two revisions lie apart, relative to the older one's.

    A gradient is the norm of the difference of all gradients as one vector. Where the last bit of an image decides on
    which side of a threshold or a ReLU an element falls, gradients jump, so they are also compared on shared images.

    Attributes:
        images: largest difference of the batches that both begin with.
        loss: in float32; so is `gradient`.
        gradient_shared: in float32, both on the older revision's images.
        gradient_float64: in float64, on the same.
        rounding: of the older revision's gradient in float32, against its own in float64.
    """

    images: float
    loss: float
    gradient: float
    gradient_shared: float
    gradient_float64: float
    rounding: float


def compare_first_step(old: Path, candidate: Candidate, dataset: str, seed: int, folder: Path) -> Agreement:
    """Take the first training step of `candidate` in the checkout `old` and in this one, each in its own process.

    Raises:
        PureNasError: a process failed, or imported the wrong code, or the parameters differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    TrialDirectory(folder / "candidate", 0).write_candidate(candidate)
    arguments = [str(folder / "candidate"), dataset, str(seed)]
    before = _steps(old, folder, [*arguments, str(folder / "old.pt")])
    now = _steps(ROOT, folder, [*arguments, str(folder / "new.pt"), str(folder / "old.pt")])
    one, other = before["steps"], now["steps"]
    return Agreement(
        images=float((now["images"] - before["images"]).abs().max()),
        loss=_apart(one["own"], other["own"], ["loss"]),
        gradient=_apart(one["own"], other["own"]),
        gradient_shared=_apart(one["own"], other["shared"]),
        gradient_float64=_apart(one["float64"], other["float64"]),
        rounding=_apart(one["float64"], one["own"]),
    )


def _apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor], names: Sequence[str] = ()) -> float:
    """Relative difference of the tensors of these names, or of all gradients, as one vector."""
    if one.keys() != other.keys():
        raise PureNasError(f"The parameters differ: {sorted(one.keys() ^ other.keys())}.")
    chosen = names or [name for name in one if name != "loss"]
    differences = [float((other[name].double() - one[name].double()).norm()) for name in chosen]
    return math.hypot(*differences) / math.hypot(*(float(one[name].double().norm()) for name in chosen))


def _steps(checkout: Path, folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """What `first_step` finds with the code in `checkout`; its fourth argument names the file that it writes."""
    script = Path(__file__).with_name("first_step.py")
    run_timed([sys.executable, str(script), *arguments], folder, environment_of(checkout))
    found: dict[str, Any] = torch.load(arguments[3], weights_only=True)
    if not Path(found["package"]).is_relative_to(checkout):
        raise PureNasError(f"{found['package']} was imported instead of the code in {checkout}.")
    return found
