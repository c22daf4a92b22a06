"""Compiling the residual blocks of a network, and whether that repays, from what it brought before."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, Field
from torch import nn

from pure_nas.errors import RunError
from pure_nas.files import write_whole
from pure_nas.nn import Network
from pure_nas.paths import cache_folder

logger = logging.getLogger(__name__)

_SHARE_FOR_TRYING = 0.05
_SECONDS_OF_AN_UNKNOWN_BLOCK = 20.0
_LEAST_SPEEDUP = 1.03
_FILE = "compilation.json"


class Experience(BaseModel):
    """What compiling networks of one make brought on one device: seconds per distinct block, time before / after."""

    seconds_per_block: float
    speedup: float


class _ExperienceFile(BaseModel):
    schema_version: Literal[1] = Field(default=1, alias="schema")
    makes: dict[str, Experience] = {}


def remembered() -> dict[str, Experience]:
    """What earlier runs, also of other processes, found, by make; a missing or damaged file holds nothing."""
    try:
        return _ExperienceFile.model_validate_json((cache_folder() / _FILE).read_bytes()).makes
    except (OSError, ValueError):
        return {}


def remember(make: str, experience: Experience) -> None:
    """Keep `experience` for other processes; a file that cannot be written is reported in the log."""
    file = _ExperienceFile(makes={**remembered(), make: experience})
    try:
        write_whole(cache_folder() / _FILE, file.model_dump_json(by_alias=True, indent=2) + "\n")
    except RunError as error:
        logger.warning("What compiling brought cannot be kept: %s", error)


def repays(seconds_left: float, distinct_blocks: int, experience: Experience | None) -> bool:
    """Whether compiling saves more of the training time that is left than it takes.

    Without experience it is tried where that costs at most a twentieth of the time that is left.
    """
    if experience is None:
        return _SECONDS_OF_AN_UNKNOWN_BLOCK * distinct_blocks <= _SHARE_FOR_TRYING * seconds_left
    if experience.speedup < _LEAST_SPEEDUP:
        return False
    return seconds_left * (1 - 1 / experience.speedup) > experience.seconds_per_block * distinct_blocks


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
    for block in _blocks(network):
        block.compile(backend=backend, dynamic=False)


def undo_compilation(network: Network) -> None:
    """Let every residual block run eagerly again."""
    for block in _blocks(network):
        block._compiled_call_impl = None


def _blocks(network: Network) -> Iterator[nn.Module]:
    return (block for stage in network.stages for block in stage.children())
