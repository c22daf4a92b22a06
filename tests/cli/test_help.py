"""Help is instant and shows by example."""

from __future__ import annotations

import subprocess
import sys

import pytest
from studies import Command

COMMANDS = (
    "search",
    "report",
    "export",
    "retrain",
    "evaluate",
    "experiment",
    "train",
    "describe",
    "spaces",
    "datasets",
)

HEAVY = """
import sys
from typer.testing import CliRunner
from pure_nas_cli.root import app

for arguments in ([], *([name] for name in sys.argv[1:])):
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0
print(*sorted({"torch", "optuna", "matplotlib", "sklearn", "scipy", "numpy"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_shows_an_example(pure_nas: Command, name: str, option: str) -> None:
    answer = pure_nas(name, option)
    assert answer.code == 0
    assert f"Example: pure-nas {name} " in answer.stdout


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY, *COMMANDS], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


def test_all_commands_are_listed(pure_nas: Command) -> None:
    answer = pure_nas("-h")
    assert all(f"│ {name} " in answer.stdout for name in COMMANDS)


def test_version_is_printed(pure_nas: Command) -> None:
    answer = pure_nas("--version")
    assert answer.code == 0
    assert answer.stdout.startswith("pure-nas 0.")


@pytest.mark.parametrize("arguments", [("nope",), ("search",), ("search", "--datset", "digits"), ("export",)])
def test_wrong_usage_exits_with_2(pure_nas: Command, arguments: tuple[str, ...]) -> None:
    answer = pure_nas(*arguments)
    assert answer.code == 2
    assert "Error" in answer.stderr
    assert answer.stdout == ""
