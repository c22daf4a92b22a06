"""What is printed where the stream, its encoding or its reader cannot take it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from pure_nas_cli.root import app
from studies import Study, contents
from typer.testing import CliRunner

from pure_nas.space.unit import BUILT_IN


def given(encoding: str, *arguments: object, width: int = 120) -> tuple[str, str]:
    """What a command prints on streams of `encoding`."""
    done = CliRunner(charset=encoding).invoke(app, [str(each) for each in arguments], env={"COLUMNS": str(width)})
    assert done.exit_code == 0, done.stderr
    assert done.exception is None
    return done.stdout, done.stderr


def test_a_search_ends_well_on_streams_that_lack_its_marks_and_letters(new_study: Study, tmp_path: Path) -> None:
    study = replace(new_study, out=tmp_path / "日本")
    stdout, stderr = given("cp1252", *study.arguments, "--trials", "2")
    assert stdout.startswith("Front: ")
    assert "\\u65e5\\u672c" in stderr
    assert (study.run / "report.html").is_file()


def test_marks_of_units_stay_different_where_they_cannot_be_printed(finished: Study) -> None:
    plain = {unit.sign.encode("ascii", "pure-nas-replaced") for unit in BUILT_IN.values()}
    assert len(plain) == len(BUILT_IN)
    stdout, _ = given("ascii", "report", finished.run)
    assert "+ convolution, x product unit" in stdout
    assert "?" not in stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["datasets"],
        ["datasets", "digits"],
        ["spaces"],
        ["spaces", "digits"],
        ["describe", "pure20"],
        ["experiment"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("encoding", "width"), [("ascii", 80), ("utf-8", 20)])
def test_every_listing_is_printed(arguments: list[str], encoding: str, width: int) -> None:
    stdout, stderr = given(encoding, *arguments, width=width)
    assert stdout
    assert "Traceback" not in stderr


def test_no_number_is_lost_in_a_narrow_terminal(finished: Study) -> None:
    narrow, wide = (given("utf-8", "report", finished.run, width=each)[0] for each in (20, 200))
    assert set(re.findall(r"\d[\d.,]*", narrow)) == set(re.findall(r"\d[\d.,]*", wide))


def test_explained_failures_are_printed_too(tmp_path: Path) -> None:
    done = CliRunner(charset="ascii").invoke(app, ["report", str(tmp_path / "fehlt-ä-\udcff")])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    assert "fehlt-\\xe4-\\xff" in "".join(done.stderr.split("\n"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_search_goes_on_when_nothing_can_be_said_and_the_backend_is_not_there(
    program: list[str], new_study: Study
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "module://notebooks.have_it"}
    command = [*program, *new_study.arguments, "--trials", "2"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, env=environment, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith(b"Front: ")
    assert (new_study.run / "report.html").is_file()
    assert (new_study.run / "figures" / "front-flops.png").is_file()


@pytest.mark.usefixtures("figures")
def test_a_report_that_cannot_be_drawn_leaves_the_run_whole_and_says_how_to_draw_it(
    new_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no fonts here")

    monkeypatch.setattr("pure_nas.report.matplotlib_chart.draw", fail)
    answer = new_study.go("--trials", 2)
    told = answer.refusal(1).replace(" ", "")  # the path is broken over lines
    assert "cannotbedrawn:ValueError:nofontshere." in told
    assert f"pure-nasreport{new_study.run}" in told
    assert answer.stdout.startswith("Front: ")
    assert (new_study.run / "report.html").is_file()
    monkeypatch.undo()
    finished = contents(new_study.run / "trials")
    new_study.go("--trials", 2).done()
    assert contents(new_study.run / "trials") == finished
