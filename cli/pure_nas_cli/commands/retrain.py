"""pure-nas retrain"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import DataDir, Device, Json, Run, Workers, place_option


def retrain(
    run: Run,
    trials: Annotated[
        str, typer.Option(metavar="front|N,M", help="Which networks: the front, or trials by number or name.")
    ] = "front",
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Number of training runs per network.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Epochs (default: as in the search).")] = None,
    device: Device = "auto",
    workers: Workers = "1",
    dataset: Annotated[
        str | None,
        place_option(
            metavar="NAME|DIR", help="Where the run's images are now (default: where they were); others are refused."
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train networks from scratch on train + validation and evaluate them once on the test split.

    Their all-conv and all-product twins are trained too. No search reads the test split.

    Example: [bold]pure-nas retrain runs/digits --seeds 3[/bold]
    """
    with loading():
        from pure_nas.analysis.statistics import ONE_SEED
        from pure_nas.plans.retrain import Retrain, select_trials
        from pure_nas.report.data import report_data
        from pure_nas.report.retraining import retrained_table
        from pure_nas.run.directory import RunDirectory
        from pure_nas.run.results import load_results
        from pure_nas_cli.front import print_next_steps, report_written_after
        from pure_nas_cli.progress import ListProgress
        from pure_nas_cli.terminal_table import print_table

    opened = RunDirectory.open(run)
    results = load_results(opened)
    chosen = select_trials(results, trials)
    with opened.locked():
        retraining = Retrain(
            opened,
            chosen,
            seeds=seeds,
            epochs=epochs,
            device=device,
            data_dir=data_dir,
            workers=workers,
            dataset=dataset,
        )
        with ListProgress(stderr, len(retraining.plan.trainings), retraining.plan.done) as progress:
            found = retraining.go(progress)
        data = report_data(opened, results)
        with report_written_after(opened, data):
            if as_json:
                print(json.dumps(found.document(), indent=2), flush=True)
            else:
                print_table(stdout, retrained_table(found, data.kinds))
                for verdict in found.verdicts:
                    stdout.print(verdict.text)
                if found.one_seed:
                    stdout.print(ONE_SEED)
    print_next_steps(data)
