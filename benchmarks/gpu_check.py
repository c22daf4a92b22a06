"""What to run first wherever a GPU is at hand: whether all of it works there, and how fast, in at most eight minutes.

    uv run python -m benchmarks.gpu_check --data path/to/cifar10 --out gpu-check

It runs the tests that need a GPU, the benchmarks of the unit and of a step, one training of PURe20, and a search with
as many networks at once as pay; writes gpu_check.json and gpu_check.html; and ends with 1 if anything is unexpected. It
needs the checkout and the packages that pure-nas needs, no network.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.command import run_command
from benchmarks.processes import ROOT, environment_of
from pure_nas.devices import resolve_device
from pure_nas.errors import PureNasError
from pure_nas.files import write_whole
from pure_nas.run.directory import RunDirectory
from pure_nas.run.environment import describe_environment
from pure_nas.run.search_results import load_results

_TRIAL_SECONDS, _TRIALS_AN_HOUR = 5.0, 700.0  # goals on an H200: PURe20, 30 epochs, 50,000 images
_ESTIMATE_OFF_BY = 2.0
_LINES_KEPT = 12
_MOST_SECONDS = 480.0  # of all parts together, on a GPU


@dataclass
class Part:
    """One thing that is looked into.

    Attributes:
        seconds: that it may take.
        found: numbers, by what they are of.
        unexpected: what should not be so.
    """

    name: str
    command: Sequence[str]
    seconds: float
    found: dict[str, Any] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    taken: float = 0.0
    output: str = ""

    def run(self) -> None:
        began = time.monotonic()
        try:
            done = subprocess.run(
                self.command,
                cwd=ROOT,
                env=environment_of(ROOT),
                capture_output=True,
                text=True,
                check=False,
                timeout=self.seconds,
            )
        except subprocess.TimeoutExpired as error:
            self.unexpected.append(f"it took longer than {self.seconds:.0f} s")
            self.output = _text(error.stdout) + _text(error.stderr)
        else:
            self.output = done.stdout + done.stderr
            if done.returncode:
                last = " ".join(self.output.split()[-30:])
                self.unexpected.append(f"it ended with {done.returncode}: {last}")
        self.taken = time.monotonic() - began


def _text(captured: bytes | str | None) -> str:
    return captured.decode(errors="replace") if isinstance(captured, bytes) else captured or ""


def main(
    data: Annotated[str, typer.Option(help="A folder of CIFAR-10 images, or a dataset.")] = "digits",
    device: Annotated[str, typer.Option(help="As pure-nas takes it.")] = "auto",
    minutes: Annotated[float, typer.Option(help="Of the search.")] = 4.0,
    out: Annotated[Path, typer.Option(help="Folder for JSON, page and runs.")] = Path("gpu-check"),
    quick: Annotated[bool, typer.Option(help="Tiny: does it work?")] = False,
) -> None:
    """A check of a GPU."""
    on = resolve_device(device)
    out.mkdir(parents=True, exist_ok=True)
    parts: list[Part] = []
    for part, read in _parts(data, on, minutes, out.resolve(), quick=quick):
        print(f"{part.name} ...", flush=True)
        if on.type != "cpu":
            part.seconds = max(1.0, min(part.seconds, _MOST_SECONDS - sum(each.taken for each in parts)))
        part.run()
        try:
            read(part)
        except (OSError, ValueError, KeyError, PureNasError) as error:
            part.unexpected.append(f"what it found cannot be read: {error!r}")
        parts.append(part)
        for name, value in part.found.items():
            print(f"  {name}: {_shown(value)}")
        for text in part.unexpected:
            print(f"  unexpected: {text}")
        _write(out, on, parts)
    print(f"{sum(part.taken for part in parts):.0f} s; written: {out / 'gpu_check.html'}")
    if any(part.unexpected for part in parts):
        raise SystemExit(1)


def _parts(
    data: str, device: torch.device, minutes: float, out: Path, *, quick: bool
) -> Iterator[tuple[Part, Callable[[Part], None]]]:
    python, small = [sys.executable, "-m"], ["--quick"] if quick else []
    gpu = device.type != "cpu"
    tests = ["pytest", "-o", "addopts=", "-q", "-m", "cuda", *([] if gpu else ["--collect-only"]), "tests"]
    yield Part("tests that need a GPU", [*python, *tests], 100), _read_tests
    for name, options, seconds in (
        ("product_unit", [], 60.0),
        ("step", ["--depths", "20,56,110"] if gpu else [], 90.0),
    ):
        file = out / f"{name}.json"
        command = [*python, f"benchmarks.{name}", *options, *small, "--json", str(file)]
        if not gpu:
            command += ["--device", "cpu"]
        yield Part(f"benchmarks.{name}", command, seconds if gpu else 300.0), _reads_document(file)
    images = ["--dataset", data, "--device", str(device)]
    cli = [sys.executable, "-c", "from pure_nas_cli.main import app; app()"]
    epochs = "1" if quick else "30"
    train = [*cli, "train", "resnet8" if quick else "pure20", *images, "--epochs", epochs, "-o", str(out / "trained")]
    yield Part("a training of PURe20", train, 90.0), _reads_training(out / "trained", int(epochs), quick)
    space = ["--space", "digits" if data == "digits" else "cifar10"]
    search = [*cli, "search", *images, *space, "--study", "searched", "--out", str(out)]
    search += ["--trials", "3", "--epochs", "1"] if quick else ["--trials", "100000", "--time", f"{60 * minutes:.0f}s"]
    search += ["--lag", "64", "--workers", "auto"]
    yield Part("a search", search, 60 * minutes + 90), _reads_search(out / "searched", quick)


def _read_tests(part: Part) -> None:
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", part.output)}
    part.found.update(counts or {"collected": len(re.findall(r"^tests/.*::", part.output, re.MULTILINE))})
    if counts.get("skipped"):
        part.unexpected.append(f"{counts['skipped']} tests were skipped")


def _reads_document(file: Path) -> Callable[[Part], None]:
    def read(part: Part) -> None:
        document = json.loads(file.read_text(encoding="utf-8"))
        for target in document["targets"]:
            part.found[target["what"]] = target["value"]
            if not target["met"]:
                part.unexpected.append(
                    f"{target['what']}: {_shown(target['value'])}, {target['kind']} {_shown(target['bound'])}"
                )
        part.found["rows"] = document["rows"]

    return read


def _reads_training(folder: Path, epochs: int, quick: bool) -> Callable[[Part], None]:
    def read(part: Part) -> None:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        curve = [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        part.found.update(seconds=result["seconds"], state=result["state"], execution=result["execution"])
        part.found["seconds of an epoch, first and last"] = [curve[0], curve[-1]]
        if result["state"] != "complete" or len(curve) != epochs:
            part.unexpected.append(f"it is {result['state']} after {len(curve)} epochs")
        if not quick and result["seconds"] > _TRIAL_SECONDS:
            part.unexpected.append(f"{result['seconds']:.1f} s for {epochs} epochs; the goal is {_TRIAL_SECONDS:g} s")

    return read


def _reads_search(folder: Path, quick: bool) -> Callable[[Part], None]:
    def read(part: Part) -> None:
        run = RunDirectory.open(folder)
        results = load_results(run)
        log = [json.loads(line) for line in run.log_path.read_text(encoding="utf-8").splitlines()]
        workers = next(each for each in log if each["event"] == "workers started")
        last = next(each for each in reversed(log) if each["event"] == "search stopped")
        trained = [each for each in results.trials if each.replay_of is None and each.seconds]
        complete = [each.seconds for each in trained if each.state == "complete"]
        states = {
            state: sum(each.state == state for each in results.trials) for state in {t.state for t in results.trials}
        }
        hours = last["seconds"] / 3600
        part.found.update(
            workers=workers["count"],
            images_per_second_by_workers=workers["measured"],
            images_per_second=last["images_per_second"],
            trials=states,
            trials_an_hour=len(results.trials) / hours,
            front=[dict(zip(results.objective_names, each.objectives, strict=True)) for each in results.front],
            execution=sorted({json.loads(run.trial(t.number).ended.read_text())["execution"] for t in trained}),
        )
        if bad := {state for state in states if state in ("failed",)}:
            part.unexpected.append(f"trials are {', '.join(bad)}")
        estimated = re.search(r"about ([\d.]+) (ms|s|min) per trial", part.output)
        if estimated and complete and not quick:
            each = float(estimated[1]) * {"ms": 1e-3, "s": 1.0, "min": 60.0}[estimated[2]]
            mean = sum(complete) / len(complete)
            part.found.update(estimated_seconds_of_a_trial=each, seconds_of_a_complete_trial=mean)
            if not 1 / _ESTIMATE_OFF_BY < each / mean < _ESTIMATE_OFF_BY:
                part.unexpected.append(f"a trial was to take {each:.1f} s and took {mean:.1f} s")
        if not quick and part.found["trials_an_hour"] < _TRIALS_AN_HOUR:
            part.unexpected.append(
                f"{part.found['trials_an_hour']:.0f} trials an hour; the goal is {_TRIALS_AN_HOUR:g}"
            )

    return read


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, list) and len(value) > 4:
        return f"{len(value)}"
    return str(value)


def _write(out: Path, device: torch.device, parts: Sequence[Part]) -> None:
    machine = describe_environment(device)
    document = {
        "schema": 1,
        "machine": machine,
        "parts": [{**asdict(part), "command": shlex.join(part.command)} for part in parts],
        "unexpected": {part.name: part.unexpected for part in parts if part.unexpected},
    }
    write_whole(out / "gpu_check.json", json.dumps(document, indent=2, default=str) + "\n")
    write_whole(out / "gpu_check.html", _page(machine, parts))


def _page(machine: Mapping[str, Any], parts: Sequence[Part]) -> str:
    def escaped(value: object) -> str:
        return html.escape(str(value))

    sections = []
    for part in parts:
        facts = "".join(
            f"<tr><th>{escaped(name)}</th><td>{escaped(_shown(value))}</td></tr>"
            for name, value in part.found.items()
            if name != "rows"
        )
        rows = part.found.get("rows", [])
        for title in dict.fromkeys(row["table"] for row in rows):
            of_title = [
                {key: value for key, value in row.items() if key != "table"} for row in rows if row["table"] == title
            ]
            keys = list(dict.fromkeys(key for row in of_title for key in row))
            head = "".join(f"<th>{escaped(key)}</th>" for key in keys)
            lines = ("".join(f"<td>{escaped(_shown(row.get(key, '')))}</td>" for key in keys) for row in of_title)
            body = "".join(f"<tr>{line}</tr>" for line in lines)
            facts += f"</table><h3>{escaped(title)}</h3><table><tr>{head}</tr>{body}"
        warnings = "".join(f"<p class=unexpected>{escaped(text)}</p>" for text in part.unexpected)
        tail = escaped("\n".join(part.output.splitlines()[-_LINES_KEPT:]))
        sections.append(
            f"<section><h2>{escaped(part.name)} <small>{part.taken:.0f} s</small></h2>{warnings}"
            f"<table>{facts}</table><details><summary>{escaped(shlex.join(part.command))}</summary>"
            f"<pre>{tail}</pre></details></section>"
        )
    count = sum(len(part.unexpected) for part in parts)
    verdict = "All as expected." if not count else f"{count} things are unexpected."
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    return _TEMPLATE.format(
        device=escaped(machine["device_name"]), verdict=verdict, packages=escaped(packages), sections="".join(sections)
    )


_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>GPU check: {device}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top }}
.unexpected {{ border-left: 4px solid #d33; padding-left: .6rem }}
small, summary {{ opacity: .7 }} section {{ overflow-x: auto }}
</style>
<h1>{device}</h1><p><strong>{verdict}</strong> {packages}</p>{sections}</html>
"""


if __name__ == "__main__":
    run_command(main)
