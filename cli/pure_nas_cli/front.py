"""What a search and its retraining have found, and how to go on from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pure_nas.report import write_report
from pure_nas.report.data import ReportData
from pure_nas.report.search_tables import front_document, front_table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import TrialRecord
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.terminal_table import print_table


@contextmanager
def report_written_after(run: RunDirectory, data: ReportData, *, every_path: bool = False) -> Iterator[None]:
    """Write the report once what is printed meanwhile is out, because that takes longer and may fail.

    Whoever reads what is printed may leave early (| head -1): the report is written all the same. Where the page is,
    or with `every_path` each of its files, is then told on standard error.
    """
    try:
        yield
    finally:
        written = write_report(run, data)
    for path in written:
        if every_path:
            stderr.print(str(path), soft_wrap=True)
        elif path.suffix == ".html":
            stderr.print(f"report: {path}", soft_wrap=True)


def print_front(data: ReportData, *, as_json: bool) -> None:
    """Print the front; as a table only where there is one."""
    if as_json:
        print(json.dumps(front_document(data), indent=2), flush=True)
    elif data.front:
        print_table(stdout, front_table(data))


def print_next_steps(data: ReportData) -> None:
    """Print the commands that go on from the front."""
    for index, (_, command) in enumerate(data.next_steps):
        stderr.print(f"{'      ' if index else 'next: '}{command}", soft_wrap=True)


def weights_of(trials: Sequence[TrialRecord]) -> str:
    """Whose weights, for messages: "The weights of trials 3, 7"."""
    numbers = ", ".join(str(trial.number) for trial in trials)
    return f"The weights of {'trial' if len(trials) == 1 else 'trials'} {numbers}"
