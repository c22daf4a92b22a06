"""Internal: the report of a run: one HTML page, figures for papers, and the front as JSON and CSV."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pure_nas.errors import PureNasError, RunError, reason
from pure_nas.files import write_whole
from pure_nas.run.directory import RunDirectory

if TYPE_CHECKING:
    from pure_nas.report.data import ReportData


@contextmanager
def explained_drawing(run: RunDirectory) -> Iterator[None]:
    """Turn whatever fails while a report is drawn into a RunError that says how to draw it again."""
    again = f"The run itself is complete. Draw its report again with: pure-nas report {shlex.quote(str(run.path))}"
    try:
        yield
    except PureNasError:
        raise
    except Exception as error:
        raise RunError(
            f"The report of {run.path} cannot be drawn: {type(error).__name__}: {reason(error)}.", hint=again
        ) from error


def write_report(run: RunDirectory, data: ReportData | None = None) -> list[Path]:
    """Write the tables, the page and the figures into the run's folder, from `data` where the caller has it already.

    Returns:
        The files written.

    Raises:
        RunError: the run is damaged, a file cannot be written, or something cannot be drawn.
        ConfigError: a trial's architecture or recipe is damaged.
    """
    with explained_drawing(run):
        from pure_nas.report.data import report_data
        from pure_nas.report.matplotlib_chart import write_figures
        from pure_nas.report.search_charts import paper_figures
        from pure_nas.report.search_page import page
        from pure_nas.report.search_tables import curves_csv, front_document, front_table, trials_csv

        data = data or report_data(run)
        contents = {
            "front.json": json.dumps(front_document(data), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
            "front.csv": front_table(data).csv(),
            "trials.csv": trials_csv(data),
            "curves.csv": curves_csv(data),
            run.report_path.name: page(data),
        }
        return [*write_contents(run, contents), *write_figures(run, paper_figures(data))]


def write_contents(run: RunDirectory, contents: Mapping[str, str]) -> list[Path]:
    """Write files of a run, by name; returns their paths."""
    for name, content in contents.items():
        write_whole(run.path / name, content)
    return [run.path / name for name in contents]
