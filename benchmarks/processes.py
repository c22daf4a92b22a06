"""Running commands with the code of a checkout, and what they cost."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pure_nas.errors import PureNasError

ROOT = Path(__file__).resolve().parent.parent
"""This checkout."""


def environment_of(checkout: Path, threads: int | None = None) -> dict[str, str]:
    """Environment variables under which Python imports pure-nas from `checkout`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "cli")])}
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment


def run_timed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a command to its end; returns wall-clock and CPU seconds. Its output goes to `folder / "output.txt"`.

    Raises:
        PureNasError: it failed; the message ends with its last lines.
    """
    log = folder / "output.txt"
    with log.open("w", encoding="utf-8") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise PureNasError(f"{shlex.join(command)} failed with {process.returncode}:\n{last}")
    return seconds, usage.ru_utime + usage.ru_stime
