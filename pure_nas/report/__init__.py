"""The report of a run: one HTML page, figures for papers, and the front as JSON and CSV."""

from __future__ import annotations

from pathlib import Path

from pure_nas.run_directory import RunDirectory


def write_report(run: RunDirectory) -> list[Path]:
    """Write the tables, the figures and the page into the run's folder.

    Returns:
        The files written.

    Raises:
        RunError: the run is damaged, or a file cannot be written.
        ConfigError: a trial's architecture or recipe is damaged.
    """
    from pure_nas.report.data import report_data
    from pure_nas.report.figures import write_figures
    from pure_nas.report.html import write_html
    from pure_nas.report.tables import write_tables

    data = report_data(run)
    return [*write_tables(run, data), *write_figures(run, data), write_html(run, data)]
