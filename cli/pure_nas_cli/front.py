"""What a search and its retraining have found, and how to go on from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.report import write_report
from pure_nas.report.data import ReportData
from pure_nas.report.front_table import front_table
from pure_nas.report.retraining import retrained_table
from pure_nas.report.search_files import front_document
from pure_nas.run.directory import RunDirectory
from pure_nas.run.results import TrialRecord
from pure_nas.run.retrained import Retraining
from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.terminal_table import print_table


@contextmanager
def report_written_after(run: RunDirectory, data: ReportData) -> Iterator[list[Path]]:
    """Write the report once what is printed meanwhile is out, because that takes longer and may fail.

    Whoever reads what is printed may leave early (| head -1): the report is written all the same. Its files are in the
    list that is given then.
    """
    written: list[Path] = []
    try:
        yield written
    finally:
        written += write_report(run, data)


def print_front(data: ReportData, *, as_json: bool) -> None:
    """Print the front; as a table only where there is one."""
    if as_json:
        print(json.dumps(front_document(data), indent=2), flush=True)
    elif data.front:
        print_table(stdout, front_table(data))


def print_retraining(found: Retraining, data: ReportData) -> None:
    """Print the test accuracy of each network beside its twins, and what follows."""
    print_table(stdout, retrained_table(found, data.kinds))
    for verdict in found.verdicts:
        stdout.print(verdict.text)
    if found.one_seed:
        stdout.print(ONE_SEED)


def print_next_steps(data: ReportData) -> None:
    """Print the commands that go on from the front."""
    for index, step in enumerate(data.next_steps):
        stderr.print(f"{'      ' if index else 'next: '}{step.command}", soft_wrap=True)


def weights_of(trials: Sequence[TrialRecord]) -> str:
    """Whose weights, for messages: "The weights of trials 3, 7"."""
    numbers = ", ".join(str(trial.number) for trial in trials)
    return f"The weights of {'trial' if len(trials) == 1 else 'trials'} {numbers}"
