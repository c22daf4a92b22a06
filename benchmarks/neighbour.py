"""What one busy neighbour costs a training step of two threads, by how threads wait for each other.

    uv run python -m benchmarks.neighbour

Threads of OpenMP spin while they wait. Where another process takes one of the cores, they spin for a thread that does
not run. The command line lets them spin less (`pure_nas_cli.main`), unless OMP_WAIT_POLICY or GOMP_SPINCOUNT is set.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.command import run_command
from benchmarks.document import Column, Document
from benchmarks.processes import ROOT, environment_of

POLICIES: dict[str, dict[str, str]] = {
    "as it comes": {},
    "GOMP_SPINCOUNT=100000": {"GOMP_SPINCOUNT": "100000"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
_BATCH = 64


def measure(threads: int, seconds: float) -> None:
    """Print the median time of a step of PURe20, milliseconds."""
    from benchmarks.images import load_dataset
    from pure_nas.nn.network import build
    from pure_nas.space.architecture import Architecture
    from pure_nas.space.recipe import Recipe
    from pure_nas.space.unit import get_unit
    from pure_nas.training.training import Training

    torch.set_num_threads(threads)
    images = load_dataset("digits", image_size=32)
    architecture = Architecture.named("pure20", in_chans=1)
    training = Training(
        build(architecture),
        Recipe.usual(get_unit("product"), epochs=1, batch_size=_BATCH),
        train=images.train,
        validation=None,
        flip=False,
        turns=False,
        device=torch.device("cpu"),
        seed=0,
    )
    batches = list(training.batches(0))[:4]
    training.rehearse(batches[:1])
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 3:
        start = time.perf_counter()
        training.rehearse([batches[len(times) % len(batches)]])
        times.append(time.perf_counter() - start)
    print(1000 * statistics.median(times))


def step_milliseconds(policy: str, threads: int, seconds: float, *, busy: bool) -> float:
    """In a process of its own, beside one that keeps a core busy or alone."""
    environment = {**environment_of(ROOT), **POLICIES[policy]}
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, "-m", "benchmarks.neighbour", "--threads", str(threads), "--seconds", str(seconds)]
        found = subprocess.run([*command, "--measure"], env=environment, capture_output=True, text=True, check=True)
    finally:
        if neighbour is not None:
            neighbour.kill()
            neighbour.wait()
    return float(found.stdout.split()[-1])


def main(
    rounds: int = 3,
    seconds: Annotated[float, typer.Option(help="Of measuring, each time.")] = 4.0,
    threads: int = 2,
    only_measure: Annotated[bool, typer.Option("--measure", hidden=True)] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """A step idle and beside a busy neighbour."""
    if only_measure:
        measure(threads, seconds)
        return
    document = Document("neighbour", torch.device("cpu"), {"rounds": rounds, "cpus": os.cpu_count()})
    names = [*((policy, threads) for policy in POLICIES), ("as it comes", 1)]
    found: dict[tuple[str, int], dict[bool, list[float]]] = {name: {False: [], True: []} for name in names}
    for _ in range(rounds):
        for busy in (False, True):
            for name in names:
                found[name][busy].append(step_milliseconds(*name, seconds, busy=busy))
    rows = [
        {
            "policy": policy,
            "threads": count,
            "idle": statistics.median(times[False]),
            "busy": statistics.median(times[True]),
        }
        for (policy, count), times in found.items()
    ]
    columns = [
        Column("policy", "waiting"),
        Column("threads", "threads", "d"),
        Column("idle", "idle, ms", ".0f"),
        Column("busy", "one busy neighbour, ms", ".0f"),
    ]
    document.table(f"A step of PURe20, batch {_BATCH}", columns, rows)
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
