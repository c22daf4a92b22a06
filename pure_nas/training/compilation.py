"""Whether compiling a network's blocks repays, and doing it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pure_nas.errors import RunError
from pure_nas.files import write_whole
from pure_nas.nn import Network
from pure_nas.paths import cache_folder

logger = logging.getLogger(__name__)

_SCHEMA = 1
_SHARE_FOR_TRYING = 0.05
_SECONDS_OF_AN_UNKNOWN_BLOCK = 20.0
_LEAST_SPEEDUP = 1.03


@dataclass(frozen=True, kw_only=True)
class Experience:
    """What compiling networks of one make brought on one device.

    Attributes:
        seconds_per_block: compile time of a distinct block.
        speedup: time of a step before, divided by its time after.
    """

    seconds_per_block: float
    speedup: float


def repays(seconds_left: float, distinct_blocks: int, experience: Experience | None) -> bool:
    """Whether compiling saves more of the training time that is left than it takes.

    Without experience it is tried where that costs at most a twentieth of the time that is left.
    """
    if experience is None:
        return _SECONDS_OF_AN_UNKNOWN_BLOCK * distinct_blocks <= _SHARE_FOR_TRYING * seconds_left
    if experience.speedup < _LEAST_SPEEDUP:
        return False
    return seconds_left * (1 - 1 / experience.speedup) > experience.seconds_per_block * distinct_blocks


class ExperienceFile:
    """Experience that outlives the process: one JSON file of `Experience` by make.

    A file that is missing or damaged holds nothing; one that cannot be written is reported in the log.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, make: str) -> Experience | None:
        """What is known of networks of `make`."""
        found = self._entries().get(make)
        try:
            return Experience(**found) if found is not None else None
        except TypeError:
            return None

    def put(self, make: str, experience: Experience) -> None:
        """Remember `experience`, in place of an earlier one."""
        entries = {**self._entries(), make: asdict(experience)}
        try:
            write_whole(self._path, json.dumps({"schema": _SCHEMA, "makes": entries}, indent=2) + "\n")
        except RunError as error:
            logger.warning("What compiling brought cannot be kept: %s", error)

    def _entries(self) -> dict[str, dict[str, float]]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(stored["makes"]) if stored["schema"] == _SCHEMA else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


@contextmanager
def compiler_settings() -> Iterator[None]:
    """What compiled blocks need while they run, which is when they are compiled; the caller's is put back."""
    # Importing dynamo takes seconds, which only those pay who compile.
    from torch._dynamo import config

    name = "TORCHINDUCTOR_CACHE_DIR"
    named = name in os.environ
    # Inductor's own place is emptied with every restart of the machine.
    os.environ.setdefault(name, str(cache_folder() / "inductor"))
    # Past the limit dynamo runs a block eagerly without a word; networks have a dozen kinds of blocks. And a machine
    # without a compiler still trains.
    limit = max(config.recompile_limit, 256)
    try:
        with config.patch(recompile_limit=limit, suppress_errors=True):
            yield
    finally:
        if not named:
            os.environ.pop(name, None)


def compile_blocks(network: Network, backend: str = "inductor") -> None:
    """Compile every residual block on its own, in place: equal blocks, also of other networks, share their code."""
    for stage in network.stages:
        for block in stage.children():
            block.compile(backend=backend, dynamic=False)


def undo_compilation(network: Network) -> None:
    """Let every residual block run eagerly again."""
    for stage in network.stages:
        for block in stage.children():
            block._compiled_call_impl = None
