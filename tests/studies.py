"""Commands given in this process, and searches on the tiny image folder."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pure_nas_cli.console import stderr
from pure_nas_cli.root import app
from typer.testing import CliRunner


@dataclass(frozen=True)
class Answer:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str

    def done(self) -> Self:
        """The same, of a command that has succeeded."""
        assert self.code == 0, self.stderr
        return self

    def refusal(self, code: int = 2) -> str:
        """The message of a command that has ended with that code."""
        assert self.code == code, self.stderr
        return self.message

    @property
    def message(self) -> str:
        """Standard error without panels and line breaks."""
        return " ".join(re.sub("[│╭╮╰╯─]", " ", self.stderr).split())

    @property
    def json(self) -> Any:
        """What --json prints."""
        return json.loads(self.stdout)

    @property
    def evaluation(self) -> Any:
        """Of the first network, as evaluate --json prints it."""
        return self.json["networks"][0]["evaluation"]


def invoke(*arguments: object) -> Answer:
    """Give a command; an exception that is not explained is raised."""
    stderr.width = 500  # no path in a message is wrapped
    done = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Answer(done.exit_code, done.stdout, done.stderr)


@dataclass(frozen=True)
class Study:
    """A search on the tiny image folder, as its options say it."""

    dataset: Path
    space: Path
    out: Path
    name: str
    baselines: bool = False

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return self.out / self.name

    @property
    def arguments(self) -> list[str]:
        """The command that began the search."""
        baselines = "--baselines" if self.baselines else "--no-baselines"
        found = ["search", "--dataset", self.dataset, "--space", self.space, "--out", self.out, "--study", self.name]
        # By which the second trial of the tiny space has both kinds of units.
        return [*map(str, found), baselines, "--device", "cpu", "--sampler", "tpe"]

    def go(self, *more: object) -> Answer:
        """Give the command, with options added or changed."""
        return invoke(*self.arguments, *more)

    def copied(self, out: Path) -> Study:
        """The same, in another folder."""
        shutil.copytree(self.run, out / self.name)
        return Study(self.dataset, self.space, out, self.name, self.baselines)


def trained(dataset: object, folder: Path, *more: object, network: str = "resnet8") -> Path:
    """A folder into which a small network was trained for an epoch."""
    invoke("train", network, "--dataset", dataset, "--epochs", 1, "-o", folder, "--device", "cpu", *more).done()
    return folder


def copied_images(images: Path, folder: Path, *, spoilt: str = "") -> Path:
    """A copy of an image folder, of which one image may be cut short."""
    copy = Path(shutil.copytree(images, folder / "images"))
    if spoilt:
        (copy / spoilt).write_bytes((copy / spoilt).read_bytes()[:40])
    return copy


def json_in(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but its lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.lock"
    }
