"""Internal: the report of a run: one HTML page, figures for papers, and its numbers as JSON and CSV."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pure_nas.errors import PureNasError, RunError, reason

if TYPE_CHECKING:
    from pure_nas.findings.findings import Findings
    from pure_nas.findings.race import Race
    from pure_nas.report.chart import Figure
    from pure_nas.report.data import ReportData
    from pure_nas.run.directory import RunDirectory


def write_report(run: RunDirectory, data: ReportData | None = None) -> list[Path]:
    """Write the tables, the page and the figures of a search into its folder; `data` is read from there if left out."""
    with _explained(run):
        from pure_nas.report.data import report_data
        from pure_nas.report.pages import search_page
        from pure_nas.report.search_charts import paper_figures
        from pure_nas.report.search_tables import (
            curves_table,
            front_document,
            front_table,
            pairs_table,
            trials_table,
        )

        data = data or report_data(run)
        front, pairs = front_table(data), pairs_table(data)
        contents = {
            "front.json": _json(front_document(data)),
            "front.csv": front.csv(),
            "front.md": "\n".join(table.markdown() for table in (front, pairs) if table),
            "trials.csv": trials_table(data).csv(),
            "curves.csv": curves_table(data).csv(),
            run.report_path.name: search_page(data),
        }
        return _written(run, contents, paper_figures(data))


def write_experiment_report(run: RunDirectory, findings: Findings | None = None) -> list[Path]:
    """As `write_report`, of an experiment."""
    with _explained(run):
        from pure_nas.findings.experiment_results import load_experiment_results
        from pure_nas.findings.findings import document, findings_of
        from pure_nas.report.data import read_environment
        from pure_nas.report.experiment.charts import paper_figures
        from pure_nas.report.experiment.tables import comparisons_table, curves_table, experiment_tables, networks_table
        from pure_nas.report.pages import experiment_page

        found = findings or findings_of(load_experiment_results(run))
        contents = {
            "experiment.json": _json(document(found)),
            "experiment.csv": networks_table(found).csv(),
            "experiment.md": "\n".join(table.markdown() for table in experiment_tables(found).values()),
            "comparisons.csv": comparisons_table(found.comparisons).csv(),
            "curves.csv": curves_table(found).csv(),
            run.report_path.name: experiment_page(found, read_environment(run)),
        }
        return _written(run, contents, paper_figures(found))


def write_race_report(race: Race) -> list[Path]:
    """As `write_report`, of a race."""
    from pure_nas.run.directory import RunDirectory

    folder = RunDirectory(race.path)
    with _explained(folder, "the same command"):
        from pure_nas.report.pages import race_page
        from pure_nas.report.race_charts import paper_figures
        from pure_nas.report.race_tables import race_document, searches_table

        contents = {
            "race.json": _json(race_document(race)),
            "race.csv": searches_table(race).csv(),
            folder.report_path.name: race_page(race),
        }
        return _written(folder, contents, paper_figures(race))


@contextmanager
def _explained(run: RunDirectory, again: str = "") -> Iterator[None]:
    """Turn whatever fails while a report is drawn into a RunError that says how to draw it again."""
    again = again or f"pure-nas report {shlex.quote(str(run.path))}"
    try:
        yield
    except PureNasError:
        raise
    except Exception as error:
        raise RunError(
            f"The report of {run.path} cannot be drawn: {type(error).__name__}: {reason(error)}.",
            hint=f"The run itself is complete. Draw its report again with: {again}",
        ) from error


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _written(run: RunDirectory, contents: Mapping[str, str], figures: Iterable[Figure]) -> list[Path]:
    from pure_nas.files import write_whole
    from pure_nas.report.matplotlib_chart import write_figures

    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [*(run.path / name for name in contents), *write_figures(run.figures, figures)]
