"""pure-nas report"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pure_nas.quantities import counted
from pure_nas_cli.console import stderr
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Json, Run

if TYPE_CHECKING:
    from pure_nas.run.directory import RunDirectory


def report(run: Run, as_json: Json = False) -> None:
    """Show the front of a run, or what an experiment found, and write report.html, figures and tables.

    Example: [bold]pure-nas report runs/digits[/bold]
    """
    with loading():
        from pure_nas.plans.search.lost_weights import have_lost_weights
        from pure_nas.report.data import report_data
        from pure_nas.run.directory import RunDirectory
        from pure_nas.run.results import load_results
        from pure_nas_cli.experiment_run import show_findings
        from pure_nas_cli.front import print_front, report_written_after, weights_of

    opened = RunDirectory.open(run)
    _tell_user(opened)
    if opened.is_experiment:
        for path in show_findings(opened, as_json=as_json):
            stderr.print(str(path), soft_wrap=True)
        return
    results = load_results(opened)
    results.require_complete()
    lost, _ = have_lost_weights(opened, results, everything=False)
    if lost:
        said = f"{weights_of(lost)} are missing or damaged: the search command of the run trains them again."
        stderr.print(said, style="yellow", soft_wrap=True)
    data = report_data(opened, results)
    with report_written_after(opened, data) as written:
        print_front(data, as_json=as_json)
    for path in written:
        stderr.print(str(path), soft_wrap=True)


def _tell_user(run: RunDirectory) -> None:
    """Say so where the run is not at rest, and how far it is."""
    user = run.user()
    if not user:
        return
    folders = [path for path in run.path.glob("trials/*") if path.is_dir()]
    ended = sum((path / "result.json").is_file() for path in folders)
    begun = len(folders) - ended
    stderr.print(
        f"The run is in use {user}: {counted(ended, 'trial')} ended so far, {begun} begun. This is what there is.",
        style="yellow",
        soft_wrap=True,
    )
