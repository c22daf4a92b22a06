"""Help, which is instant and shows by example, and values that options take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from pure_nas_cli.root import NAMES, app
from studies import Study, invoke

HEAVY = """
import sys
from typer.testing import CliRunner
from pure_nas_cli.root import app

for arguments in sys.argv[1:]:
    assert CliRunner().invoke(app, arguments).exit_code == 0
print(*sorted({"torch", "optuna", "matplotlib", "sklearn", "scipy", "numpy"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_shows_an_example(name: str, option: str) -> None:
    assert f"Example: pure-nas {name} " in invoke(name, option).done().stdout


def test_help_and_the_list_of_experiments_import_nothing_heavy() -> None:
    asked = ["--help", *(f"{name} --help" for name in NAMES), "experiment"]
    done = subprocess.run([sys.executable, "-c", HEAVY, *asked], check=True, capture_output=True, text=True)
    assert done.stdout == "\n"


def test_an_option_means_the_same_in_every_command() -> None:
    shown: dict[str, set[str]] = {}
    for command in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        for each in command.params:
            if each.param_type_name == "option" and not each.hidden:
                for name in each.opts:
                    shown.setdefault(name, set()).add(re.split(r":| \(default", each.help)[0])
    one = ("--out", "--study", "-o", "--output", "--overwrite", "--dry-run", "--device", "--workers", "--json")
    assert {name: len(shown[name]) for name in one} == dict.fromkeys(one, 1)
    assert shown["--out"] == {"Directory that holds the runs, each in a subdirectory named after its study."}
    assert shown["-o"] == shown["--output"] == {"Directory that this command writes"}


def test_all_commands_are_listed() -> None:
    answer = invoke("-h")
    assert all(f"│ {name} " in answer.stdout for name in NAMES)


def test_version_is_printed() -> None:
    assert invoke("--version").done().stdout.startswith("pure-nas 0.")


def test_tilde_is_the_home_directory_in_every_option(
    finished: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    study = finished.copied(tmp_path / "runs")
    (tmp_path / "space.toml").write_bytes(study.space.read_bytes())
    (tmp_path / "images").symlink_to(study.dataset)
    searched = ["--space=~/space.toml", "--dataset=~/images", "--out=~/found", "--data-dir=~/data", "--study", "one"]
    weights = "--weights=~/exported/weights.safetensors"
    for arguments in (
        ["search", *searched, "--trials", 1, "--no-baselines", "--device=cpu", "--storage=sqlite:///~/studies.db"],
        ["report", "~/runs/tiny"],
        ["export", "~/runs/tiny", "-o", "~/exported"],
        ["evaluate", "~/runs/tiny:best", "--output=~/evaluated", "--noise=none"],
        ["evaluate", "~/runs/tiny:best", "--out=~/evaluated_too", "--noise=none"],  # as it was called once
        ["evaluate", "~/exported/architecture.json", weights, "--dataset=~/images", "--noise=none"],
        ["train", "~/exported/architecture.json", "--dataset=~/images", "--epochs", 1, "-o", "~/trained"],
        ["describe", "~/runs/tiny:best"],
        ["spaces", "~/space.toml"],
    ):
        invoke(*arguments).done()
    written = "found/one/report.html studies.db evaluated/evaluation.json evaluated_too/evaluation.json"
    for name in (*written.split(), "trained/weights.safetensors"):
        assert (tmp_path / name).is_file()
    assert not (tmp_path / "~").exists()
