"""pure-nas report"""

from __future__ import annotations

from pathlib import Path

from pure_nas_cli.console import stdout
from pure_nas_cli.options import Json, Run


def report(run: Run, as_json: Json = False) -> None:
    """Show the front of a run and write report.html, figures, front.csv and front.json.

    Example: [bold]pure-nas report runs/digits[/bold]
    """
    from pure_nas.report import write_report
    from pure_nas.results import load_results
    from pure_nas.run_directory import RunDirectory
    from pure_nas_cli.front import front_document, front_table

    opened = RunDirectory.open(Path(run))
    results = load_results(opened)
    written = write_report(opened)
    if as_json:
        print(front_document(results, opened))
        return
    stdout.print(front_table(results))
    for path in written:
        stdout.print(str(path), soft_wrap=True)
