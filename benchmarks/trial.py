"""What a trial costs besides its epochs: starting, building, counting, checkpoints, sampler, storage, memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from typing import Annotated

import optuna
import torch
import typer

from benchmarks.command import run_command
from benchmarks.contestants import suggestions
from benchmarks.document import Column, Document, Row, Target
from benchmarks.images import load_dataset
from benchmarks.measure import resident_bytes, slope
from benchmarks.processes import ROOT, environment_of
from benchmarks.study_overhead import sampler_rows, storage_rows
from pure_nas.cost.fvcore_count import count_architecture
from pure_nas.data.dataset import Dataset
from pure_nas.devices import resolve_device
from pure_nas.errors import PureNasError
from pure_nas.files import read_json_lines
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PRODUCT
from pure_nas.training.training import Training
from pure_nas.workers import Ended, EpochDone, Executor, Job, Started
from pure_nas.workers.inline import InlineExecutor
from pure_nas.workers.processes import ProcessExecutor

_COLUMNS = (
    Column("what", "what"),
    Column("median_ms", "median ms", ",.1f"),
    Column("worst_ms", "worst ms", ",.1f"),
    Column("samples", "samples", "d"),
)
_MEMORY_COLUMNS = (
    Column("trials", "trials", "d"),
    Column("first_mib", "MiB after the first", ".1f"),
    Column("last_mib", "after the last", ".1f"),
    Column("largest_mib", "largest", ".1f"),
    Column("slope_kib", "slope, KiB a trial", ".1f"),
    Column("late_slope_kib", "second half", ".1f"),
)
_STORAGE_COLUMNS = (
    Column("space", "space"),
    Column("trials", "trials", "d"),
    Column("stored", "SQLite ms", ".1f"),
    Column("in_memory", "in memory ms", ".1f"),
    Column("adds", "adds ms", ".1f"),
)
_PATIENCE_SECONDS = 120.0


def _row(what: str, seconds: Sequence[float]) -> Row:
    return {
        "what": what,
        "median_ms": 1e3 * statistics.median(seconds),
        "worst_ms": 1e3 * max(seconds),
        "samples": len(seconds),
    }


def _seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Time of each of some calls."""
    found: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return found


def command_rows(folder: Path, repeats: int) -> list[Row]:
    """Time of `pure-nas --help`, and until a search has prepared its first training step; caches are warm."""
    program = [sys.executable, "-m", "pure_nas_cli.main"]
    environment = environment_of(ROOT)
    quiet = partial(subprocess.run, check=True, capture_output=True, env=environment)
    show_help = partial(quiet, [*program, "--help"])
    import_torch = partial(quiet, [sys.executable, "-c", "import torch"])
    starts = iter(range(repeats + 1))

    def first_step() -> None:
        _until_first_step(program, folder / f"search-{next(starts)}", environment)

    for warm_up in (show_help, first_step):
        warm_up()
    return [
        _row("pure-nas --help", _seconds(show_help, repeats)),
        _row("python -c 'import torch', for comparison", _seconds(import_torch, repeats)),
        _row("pure-nas search --dataset digits, to its first training step", _seconds(first_step, repeats)),
    ]


def _until_first_step(program: Sequence[str], out: Path, environment: dict[str, str]) -> None:
    """Start a search and stop it as soon as its log says that a trial has started.

    Raises:
        PureNasError: it ends before, or takes minutes.
    """
    command = [*program, "search", "--dataset", "digits", "--study", "run", "--out", str(out)]
    log, end = out / "run" / "log.jsonl", time.monotonic() + _PATIENCE_SECONDS
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not any(record["event"] == "trial started" for record in read_json_lines(log)):
                if process.poll() is not None or time.monotonic() > end:
                    raise PureNasError("The search did not come to its first training step.")
                time.sleep(0.01)
        finally:
            process.kill()


@dataclass(frozen=True)
class JobTimes:
    """Seconds of one job.

    Attributes:
        start: from its submission until it is about to take its first training step.
        around: from submission to end, less the epochs.
    """

    start: float
    around: float


def time_job(executor: Executor, number: int, candidate: Candidate, folder: Path) -> JobTimes:
    """Have a candidate trained and note when what happens."""
    submitted = time.perf_counter()
    executor.submit(Job(number=number, candidate=candidate, directory=folder / f"{number:04d}", seed=0))
    started, epochs = submitted, 0.0
    while True:
        event = executor.next_event()
        match event:
            case Started():
                started = time.perf_counter()
            case EpochDone():
                epochs += event.metrics.seconds
            case Ended():
                return JobTimes(started - submitted, time.perf_counter() - submitted - epochs)
            case _:
                raise PureNasError(f"A job of the benchmark came to {event}.")


def worker_rows(
    folder: Path, device: torch.device, jobs: int, memory_jobs: int, *, inline: bool
) -> tuple[list[Row], Row]:
    """A worker process: its first job and later ones, and its memory over many.

    Args:
        inline: let this process do the jobs.
    """
    load = partial(load_dataset, "digits", limit=400)
    dataset = load()
    candidates = _candidates(dataset, jobs + 1)
    executor: InlineExecutor | ProcessExecutor
    if inline:
        executor, name = InlineExecutor(dataset, device), "this process"
    else:
        executor, name = ProcessExecutor(load=load, fingerprint=dataset.fingerprint, devices=[device], size=1), "worker"
    try:
        times = [time_job(executor, number, each, folder) for number, each in enumerate(candidates)]
        memory: list[int] = []
        for number, each in enumerate(islice(cycle(candidates), memory_jobs), start=len(candidates)):
            time_job(executor, number, each, folder)
            memory.append(resident_bytes(executor.process_ids[0] if isinstance(executor, ProcessExecutor) else None))
    finally:
        executor.close()
    cold, *warm = times
    rows = [
        _row(f"first job of a {name}: start, import, load images, build", [cold.start]),
        _row(f"warm {name}: submitted to first training step", [each.start for each in warm]),
        _row(f"warm {name}: everything around a job's epochs", [each.around for each in warm]),
    ]
    return rows, _memory_row(memory)


def _candidates(dataset: Dataset, count: int) -> list[Candidate]:
    space = load_space("digits").with_run(epochs=1).with_images(**dataset.shape)
    return suggestions(space, count, seed=0)[1]


def _memory_row(memory: Sequence[int]) -> Row:
    half = memory[len(memory) // 2 :]
    return {
        "trials": len(memory),
        "first_mib": memory[0] / 2**20,
        "last_mib": memory[-1] / 2**20,
        "largest_mib": max(memory) / 2**20,
        "slope_kib": slope(memory) / 2**10,
        "late_slope_kib": slope(half) / 2**10 if len(half) > 1 else 0.0,
        "bytes": list(memory),
    }


def network_rows(depth: int, widths: Iterator[int], device: torch.device, folder: Path, repeats: int) -> list[Row]:
    """Building, counting and saving PURe networks of a depth.

    Args:
        widths: that no network had before, so that nothing of a count is known.
    """
    blocks = ((depth - 2) // 6,) * 3
    architectures = [Architecture.uniform("product", blocks, base_width=next(widths)) for _ in range(repeats)]
    built: list[tuple[Architecture, Network]] = []
    unbuilt, first, again = iter(architectures), iter(built), iter(built)
    training = _training(Architecture.uniform("product", blocks, in_chans=1, image_size=8), device)

    def build_next() -> None:
        architecture = next(unbuilt)
        built.append((architecture, build(architecture)))

    name = f"PURe{depth}"
    return [
        _row(f"{name}: build and initialise", _seconds(build_next, repeats)),
        _row(f"{name}: flops by fvcore, first time", _seconds(lambda: count_architecture(*next(first)), repeats)),
        _row(f"{name}: flops by fvcore, again", _seconds(lambda: count_architecture(*next(again)), repeats)),
        _row(f"{name}: checkpoint", _seconds(lambda: training.save_checkpoint(folder / "c.pt", "x"), repeats)),
    ]


def _training(architecture: Architecture, device: torch.device) -> Training:
    """A run whose optimizer has its momentum, on a few digits."""
    training = Training(
        build(architecture),
        Recipe.usual(PRODUCT, epochs=1, batch_size=64),
        train=load_dataset("digits", limit=100).train,
        validation=None,
        flip=False,
        device=device,
        seed=0,
    )
    training.run_epoch()
    return training


def main(
    device: str = "auto",
    threads: int = 1,
    repeats: int = 5,
    trials: Annotated[int, typer.Option(help="Over which the memory of a worker is watched.")] = 100,
    quick: Annotated[bool, typer.Option(help="Once each, small studies: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Time and memory of a trial apart from its epochs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(threads)
    where = resolve_device(device)
    levels, depths, spaces, jobs = [0, 100, 500], [20, 56, 110], ["digits", "cifar10"], 12
    if quick:
        repeats, trials, levels, depths, spaces, jobs = 1, 2, [0, 3], [8], ["digits"], 1
    document = Document("trial", where, {"repeats": repeats, "trials": trials, "quick": quick})
    with tempfile.TemporaryDirectory(prefix="pure-nas-benchmark-") as name:
        folder = Path(name)
        commands = [] if quick else command_rows(folder, repeats)
        workers, memory = worker_rows(folder, where, jobs, trials, inline=quick)
        widths = count(16)
        networks = [row for depth in depths for row in network_rows(depth, widths, where, folder, repeats)]
        storage = storage_rows(spaces[0], folder, levels[:2], trials=3 if quick else 20)
    samplers = [row for space in spaces for row in sampler_rows(space, levels)]
    document.table("Around the epochs", _COLUMNS, [*commands, *workers, *networks])
    asks = [Column("space", "space"), Column("sampler", "sampler")]
    asks += [Column(str(level), f"ms at {level} trials", ",.1f") for level in levels]
    document.table("A suggestion", asks, samplers)
    document.table("Storage of a trial, ask and tell", _STORAGE_COLUMNS, storage)
    document.table("Memory of a worker process", _MEMORY_COLUMNS, [memory])
    if quick:
        document.note("--quick: so few samples that no number means anything; no commands and no worker processes.")
    _targets(document, where, [*commands, *workers], samplers, storage)
    document.write(json_file)


def _targets(
    document: Document, device: torch.device, timed: Sequence[Row], samplers: Sequence[Row], storage: Sequence[Row]
) -> None:
    bounds = {
        "pure-nas --help": 700.0,
        "pure-nas search --dataset digits, to its first training step": 10_000.0,
        "warm worker: submitted to first training step": 500.0 if device.type == "cuda" else 300.0,
    }
    for row in timed:
        if row["what"] in bounds:
            document.target(Target(row["what"], row["median_ms"], "at most", bounds[row["what"]], "ms"))
    for row in samplers:
        if "500" in row:
            what = f"{row['sampler']} at 500 trials, {row['space']}: share of a trial of 10 s"
            document.target(Target(what, row["500"] / 100, "at most", 1.0, "%"))
    for row in storage:
        document.target(Target(f"storage of a trial at {row['trials']} trials", row["adds"], "at most", 80.0, "ms"))


if __name__ == "__main__":
    run_command(main)
