"""pure-nas retrain"""

from __future__ import annotations

from typing import Annotated

from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import (
    CpusPerTrial,
    DataDir,
    Device,
    ExecutorName,
    Gpus,
    GpusPerTrial,
    Json,
    RayAddress,
    Run,
    Workers,
    option,
)


def retrain(
    run: Run,
    trials: Annotated[str, option("retrain.trials")] = "front",
    seeds: Annotated[int, option("retrain.seeds", min=1)] = 3,
    epochs: Annotated[int | None, option("retrain.epochs", min=1)] = None,
    device: Device = "auto",
    workers: Workers = "1",
    executor: ExecutorName = "auto",
    gpus: Gpus = None,
    ray_address: RayAddress = "auto",
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    dataset: Annotated[str | None, option("retrain.dataset")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    with loading():
        from pure_nas.analysis.statistics import ONE_SEED
        from pure_nas.plans.estimate import expected_of
        from pure_nas.plans.retrain import Retrain, select_trials
        from pure_nas.report.data import report_data
        from pure_nas.report.retraining_tables import retrained_table
        from pure_nas.run.directory import RunDirectory
        from pure_nas.run.search_results import load_results
        from pure_nas.workers.executor import Execution
        from pure_nas_cli.progress import ListProgress, show_estimate
        from pure_nas_cli.run_summary import print_next_steps, report_after
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
            execution=Execution(
                kind=executor,
                gpus=gpus or (),
                ray_address=ray_address,
                cpus_per_trial=cpus_per_trial,
                gpus_per_trial=gpus_per_trial,
            ),
            dataset=dataset,
        )
        if retraining.plan.missing:
            trains, started = retraining.driver.workers(retraining.plan.left)
            images = retraining.resources.dataset.test_size or 0
            expected = expected_of(retraining.plan, trains, retraining.resources, images)
            show_estimate(retraining.resources, started, [each.seconds for each in expected.values()])
        with ListProgress(stderr, len(retraining.plan.trainings), retraining.plan.done) as progress:
            found = retraining.go(progress)
        data = report_data(opened, results)
        with report_after(opened, data):
            if as_json:
                print_json(found.document())
            else:
                print_table(stdout, retrained_table(found, data.kinds))
                for verdict in found.verdicts:
                    stdout.print(verdict.text)
                if found.one_seed:
                    stdout.print(ONE_SEED)
    print_next_steps(data)
