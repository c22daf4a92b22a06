"""Internal: the report of an experiment: one HTML page, figures for papers, its numbers as JSON and CSV."""

from __future__ import annotations

from pathlib import Path

from pure_nas.findings.findings import Findings
from pure_nas.findings.results import ExperimentResults
from pure_nas.report import explained_drawing
from pure_nas.run.directory import RunDirectory


def write_experiment_report(
    run: RunDirectory, results: ExperimentResults | None = None, findings: Findings | None = None
) -> list[Path]:
    """Write the tables, the page and the figures into the run's folder.

    Args:
        results: read from the run where they are left out; likewise `findings`.

    Returns:
        The files written.

    Raises:
        RunError: the run is damaged, a file cannot be written, or something cannot be drawn.
    """
    with explained_drawing(run):
        from pure_nas.findings.findings import findings_of
        from pure_nas.findings.results import load_experiment_results
        from pure_nas.report.experiment.charts import paper_figures
        from pure_nas.report.experiment.page import write_page
        from pure_nas.report.experiment.tables import write_tables
        from pure_nas.report.matplotlib_chart import write_figures

        results = results or load_experiment_results(run)
        findings = findings or findings_of(results)
        return [
            *write_tables(run, results, findings),
            write_page(run, results, findings),
            *write_figures(run, paper_figures(findings, results.file.split)),
        ]
