"""The example package, installed from its wheel, adds a unit, a dataset, a metric and a search space."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "pure_nas_example"

DRIVER = """
import json
import sys
from pathlib import Path

from typer.testing import CliRunner

from pure_nas_cli.root import app

UNIT = "geometric-mean"

answers = []
for line in sys.stdin:
    files = Path("runs").glob("*/trials/*/architecture.json")
    trained = min((int(path.parent.name) for path in files if UNIT in path.read_text()), default=-1)
    arguments = [word.replace("WITH THE UNIT", str(trained)) for word in json.loads(line)]
    done = CliRunner().invoke(app, arguments)
    answers.append({"code": done.exit_code, "stdout": done.stdout, "stderr": f"{done.stderr} {done.exception!r}"})
print(json.dumps(answers))
"""

EXPORTED = """
import sys

for name in ("pure_nas", "pure_nas_example"):
    sys.modules[name] = None

import torch

from network import load

print(tuple(load()(torch.zeros(2, 1, 12, 12)).shape))
"""

COMMANDS = {
    "spaces": ["spaces", "--json"],
    "datasets": ["datasets", "--json"],
    "describe": ["describe", "mixed.json", "--json"],
    "search": [
        *("search", "--dataset", "gratings", "--space", "gratings", "--study", "first"),
        *("--trials", "3", "--epochs", "1", "--no-baselines", "--device", "cpu", "--json"),
        *("--objectives", "error,flops,worst-class-error"),
    ],
    "report": ["report", "runs/first", "--json"],
    "export": ["export", "runs/first", "--trial", "WITH THE UNIT", "-o", "exported"],
}

MIXED = {
    "schema": 1,
    "units": [["geometric-mean", "conv"], ["geometric-mean"]],
    "base_width": 4,
    "in_chans": 1,
    "num_classes": 2,
    "image_size": 12,
}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands are given."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "mixed.json").write_text(json.dumps(MIXED), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def answers(workplace: Path, unpacked_wheel: Callable[[Path], Path]) -> dict[str, dict[str, Any]]:
    """What each command answered, given one after the other in a process that finds the example."""
    path = os.pathsep.join([str(unpacked_wheel(EXAMPLE)), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        input="".join(json.dumps(arguments) + "\n" for arguments in COMMANDS.values()),
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(zip(COMMANDS, json.loads(done.stdout), strict=True))


def test_every_command_succeeds(answers: dict[str, dict[str, Any]]) -> None:
    assert {name: answer["stderr"] for name, answer in answers.items() if answer["code"] != 0} == {}


def test_space_and_dataset_are_listed(answers: dict[str, dict[str, Any]]) -> None:
    space, dataset = (
        next(row for row in json.loads(answers[command]["stdout"]) if row["name"] == "gratings")
        for command in ("spaces", "datasets")
    )
    assert space["source"] == "pure-nas-example"
    assert space["architectures"] > 10
    assert dataset["present"] is True


def test_cost_of_the_unit_is_described(answers: dict[str, dict[str, Any]]) -> None:
    layers = {layer["name"]: layer for layer in json.loads(answers["describe"]["stdout"])["layers"]}
    unit = layers["stages.0.0.unit"]
    assert unit["operation"] == "geometric-mean"
    assert unit["params"] == 4 * 4
    assert unit["macs"] == 4 * 144 * 9 + 4 * 144 * 4
    assert unit["elementwise"] == 2 * 4 * 144 + 4 * 144


def test_search_trains_the_unit_and_minimises_the_metric(answers: dict[str, dict[str, Any]], workplace: Path) -> None:
    found = json.loads(answers["search"]["stdout"])
    assert found["trials"] == 3
    assert found == json.loads(answers["report"]["stdout"])
    for path in (workplace / "runs" / "first" / "trials").glob("*/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["objectives"]["worst-class-error"] == result["metrics"]["worst-class-error"] >= 0


def test_exported_network_needs_neither_package(answers: dict[str, dict[str, Any]], workplace: Path) -> None:
    assert answers["export"]["code"] == 0
    assert "class GeometricMean" in (workplace / "exported" / "network.py").read_text(encoding="utf-8")
    command = [sys.executable, "-c", EXPORTED]
    done = subprocess.run(command, cwd=workplace / "exported", check=False, capture_output=True, text=True)
    assert done.stdout == "(2, 2)\n", done.stderr
