"""Internal: the report of an experiment: one HTML page, figures for papers, its numbers as JSON and CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pure_nas.files import write_whole
from pure_nas.report import explained_drawing
from pure_nas.run.directory import RunDirectory

if TYPE_CHECKING:
    from pure_nas.findings.findings import Findings


def write_experiment_report(run: RunDirectory, findings: Findings | None = None) -> list[Path]:
    """Write the tables, the page and the figures into the run's folder, from `findings` where the caller has them.

    Returns:
        The files written.

    Raises:
        RunError: the run is damaged, a file cannot be written, or something cannot be drawn.
    """
    with explained_drawing(run):
        from pure_nas.findings.findings import document, findings_of
        from pure_nas.findings.results import load_experiment_results
        from pure_nas.report.data import read_environment
        from pure_nas.report.experiment.charts import paper_figures
        from pure_nas.report.experiment.page import page
        from pure_nas.report.experiment.tables import comparisons_table, curves_table, networks_table
        from pure_nas.report.matplotlib_chart import write_figures

        found = findings or findings_of(load_experiment_results(run))
        contents = {
            "experiment.json": json.dumps(document(found), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
            "experiment.csv": networks_table(found).csv(),
            "comparisons.csv": comparisons_table(found.comparisons).csv(),
            "curves.csv": curves_table(found).csv(),
            run.report_path.name: page(found, read_environment(run)),
        }
        for name, content in contents.items():
            write_whole(run.path / name, content)
        return [*(run.path / name for name in contents), *write_figures(run, paper_figures(found))]
