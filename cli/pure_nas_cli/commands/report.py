"""pure-nas report"""

from __future__ import annotations

from pure_nas.quantities import counted
from pure_nas_cli.console import warn
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Json, Run


def report(run: Run, as_json: Json = False) -> None:
    with loading():
        from pure_nas.plans.search.lost_weights import have_lost_weights
        from pure_nas.report.data import report_data
        from pure_nas.run.directory import RunDirectory
        from pure_nas.run.search_results import load_results
        from pure_nas_cli.run_summary import print_front, report_after, show_findings, weights_of

    opened = RunDirectory.open(run)
    if user := opened.user():
        folders = [path for path in run.glob("trials/*") if path.is_dir()]
        ended = sum((path / "result.json").is_file() for path in folders)
        count = f"{counted(ended, 'trial')} finished, {len(folders) - ended} unfinished"
        warn(f"The run is in use {user}: {count}. The report covers the finished ones.", soft_wrap=True)
    if opened.is_experiment:
        show_findings(opened, as_json=as_json, every_path=True)
        return
    results = load_results(opened)
    results.require_complete()
    lost, _ = have_lost_weights(opened, results, everything=False)
    if lost:
        warn(f"{weights_of(lost)} are missing or damaged: the search command trains them again.", soft_wrap=True)
    data = report_data(opened, results)
    with report_after(opened, data, every_path=True):
        print_front(data, as_json=as_json)
