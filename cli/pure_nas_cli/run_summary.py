"""What a run has found: printed, then written as its report, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pure_nas.findings.experiment_results import load_experiment_results
from pure_nas.findings.findings import Findings, document, findings_of
from pure_nas.report import write_experiment_report, write_report
from pure_nas.report.data import ReportData
from pure_nas.report.experiment.tables import experiment_tables
from pure_nas.report.search_tables import front_document, front_table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.search_results import TrialRecord
from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.terminal_table import print_table, print_tables


@contextmanager
def report_after(run: RunDirectory, found: ReportData | Findings, *, every_path: bool = False) -> Iterator[None]:
    """Write the report once what is printed meanwhile is out, also where its reader leaves early (| head -1)."""
    try:
        yield
    finally:
        written = write_report(run, found) if isinstance(found, ReportData) else write_experiment_report(run, found)
    for path in written:
        if every_path:
            stderr.print(str(path), soft_wrap=True)
        elif path.suffix == ".html":
            stderr.print(f"report: {path}", soft_wrap=True)


def show_findings(run: RunDirectory, *, as_json: bool, every_path: bool = False) -> None:
    findings = findings_of(load_experiment_results(run))
    with report_after(run, findings, every_path=every_path):
        if as_json:
            print_json(document(findings))
        else:
            print_tables(stdout, experiment_tables(findings).values())


def print_front(data: ReportData, *, as_json: bool) -> None:
    """Print the front; as a table only where there is one."""
    if as_json:
        print_json(front_document(data))
    elif data.front:
        print_table(stdout, front_table(data))


def print_next_steps(data: ReportData) -> None:
    for index, (_, command) in enumerate(data.next_steps):
        stderr.print(f"{'      ' if index else 'next: '}{command}", soft_wrap=True)


def weights_of(trials: Sequence[TrialRecord]) -> str:
    """Whose weights, for messages: "The weights of trials 3, 7"."""
    numbers = ", ".join(str(each.number) for each in trials)
    return f"The weights of {'trial' if len(trials) == 1 else 'trials'} {numbers}"
