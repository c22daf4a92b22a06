"""pure-nas experiment"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pure_nas.quantities import seconds_of
from pure_nas_cli.console import say_loading
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import (
    CpusPerTrial,
    DataDir,
    Device,
    DryRun,
    ExecutorName,
    Gpus,
    GpusPerTrial,
    Json,
    RayAddress,
    SkipCorrupt,
    Workers,
    argument,
    option,
)


def experiment(
    name: Annotated[str | None, argument("experiment.name")] = None,
    scale: Annotated[str | None, option("experiment.scale")] = None,
    dataset: Annotated[str | None, option("experiment.dataset")] = None,
    seeds: Annotated[int | None, option("experiment.seeds", min=1)] = None,
    time: Annotated[float | None, option("experiment.time", parser=seconds_of)] = None,
    device: Device = "auto",
    workers: Workers = "1",
    executor: ExecutorName = "auto",
    gpus: Gpus = None,
    ray_address: RayAddress = "auto",
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    data_dir: DataDir = None,
    study: Annotated[str | None, option("experiment.study")] = None,
    out: Annotated[Path, option("shared.out")] = Path("runs"),
    skip_corrupt: SkipCorrupt = False,
    list_all: Annotated[bool, option("experiment.list_all", "--list")] = False,
    show: Annotated[bool, option("experiment.show", "--show")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    if name is None or list_all:
        from pure_nas_cli.experiment_list import list_experiments

        list_experiments(None if name is None else [name], as_json=as_json)
        return
    with loading():
        from pure_nas.plans.experiment.file import find_experiment

        source = find_experiment(name)
        chosen, _ = source.file.scale(scale)
        if show:
            print(source.text, end="", flush=True)
            return
        say_loading()
        from pure_nas.plans.experiment.session import ExperimentSettings
        from pure_nas.workers.executor import Execution
        from pure_nas_cli.experiment_run import plan_only, run_experiment

    settings = ExperimentSettings(
        source=source,
        scale_name=chosen,
        dataset=dataset,
        seeds=seeds,
        time_seconds=time,
        study=study,
        device=device,
        workers=workers,
        execution=Execution(
            kind=executor,
            gpus=gpus or (),
            ray_address=ray_address,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
        ),
        data_dir=data_dir,
        skip_corrupt=skip_corrupt,
    )
    if dry_run:
        plan_only(settings, as_json=as_json)
        return
    raise typer.Exit(run_experiment(settings, settings.folder_in(out), as_json=as_json))
