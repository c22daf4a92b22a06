"""pure-nas search"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pure_nas.errors import UsageError, nearest
from pure_nas.quantities import (
    counted,
    milliseconds_of,
    seconds_of,
    share_of,
    show_bytes,
    show_number,
    show_seconds,
    size_of,
)
from pure_nas.run.schema import LARGEST
from pure_nas_cli.console import is_live, print_json, say_loading, stderr, tell, warn
from pure_nas_cli.interrupts import interrupted, loading
from pure_nas_cli.options import (
    CpusPerTrial,
    DataDir,
    DatasetName,
    Device,
    DryRun,
    ExecutorName,
    Gpus,
    GpusPerTrial,
    ImageSize,
    Json,
    RayAddress,
    SkipCorrupt,
    Workers,
    option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pure_nas.plans.budget import Budget
    from pure_nas.plans.search.samplers import ChosenSampler
    from pure_nas.plans.search.session import Prepared
    from pure_nas.run.warm_start import WarmStart
    from pure_nas.tracking import Tracker
    from pure_nas.workers import Executor
    from pure_nas.workers.resources import WorkerPlan

_LONG_SECONDS = 3600.0


_TRACKERS = ("tensorboard", "mlflow", "wandb", "trackio")


def _trackers_of(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in _TRACKERS:
            raise ValueError(f'"{name}" keeps no log of trainings; {nearest(name, _TRACKERS)}')
    return names


def search(
    dataset: DatasetName,
    space: Annotated[str | None, option("search.space")] = None,
    trials: Annotated[int | None, option("search.trials", min=1)] = None,
    time: Annotated[float | None, option("search.time", parser=seconds_of)] = None,
    until_flat: Annotated[bool, option("search.until_flat", "--until-flat")] = False,
    trial_timeout: Annotated[float | None, option("search.trial_timeout", parser=seconds_of)] = None,
    retries: Annotated[int, option("search.retries", min=0)] = 1,
    keep_weights: Annotated[Literal["all", "front"], option("search.keep_weights")] = "all",
    confirm: Annotated[float | None, option("search.confirm", parser=share_of)] = None,
    epochs: Annotated[int | None, option("search.epochs", min=1)] = None,
    objectives: Annotated[str, option("search.objectives")] = "error,flops",
    max_params: Annotated[int | None, option("search.max_params", parser=size_of)] = None,
    max_flops: Annotated[int | None, option("search.max_flops", parser=size_of)] = None,
    max_latency: Annotated[float | None, option("search.max_latency", parser=milliseconds_of)] = None,
    device: Device = "auto",
    workers: Workers = "auto",
    executor: ExecutorName = "auto",
    gpus: Gpus = None,
    ray_address: RayAddress = "auto",
    cpus_per_trial: CpusPerTrial = 1.0,
    gpus_per_trial: GpusPerTrial = 0.0,
    data_dir: DataDir = None,
    study: Annotated[str | None, option("search.study")] = None,
    out: Annotated[Path, option("shared.out")] = Path("runs"),
    storage: Annotated[str | None, option("search.storage")] = None,
    sampler: Annotated[Literal["auto", "forecast", "tpe", "nsga2", "gp", "random"], option("search.sampler")] = "auto",
    baselines: Annotated[bool, option("search.baselines", "--baselines/--no-baselines")] = True,
    early_stopping: Annotated[bool, option("search.early_stopping", "--early-stopping/--no-early-stopping")] = True,
    lag: Annotated[int, option("search.lag", min=0)] = 4,
    warm_start: Annotated[str | None, option("search.warm_start")] = None,
    seed: Annotated[int, option("search.seed", min=0, max=LARGEST)] = 0,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    restore_weights: Annotated[bool, option("search.restore_weights", "--restore-weights")] = False,
    log: Annotated[Any, option("search.log", parser=_trackers_of)] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    with loading():
        from pure_nas.space.catalogue import default_space_for, load_space

        load_space(space or default_space_for(dataset))  # what is wrong with it is said at once
        say_loading()
        import pure_nas_cli.progress  # noqa: F401 - what shows the plan
        from pure_nas.plans.search.session import prepare
        from pure_nas.plans.search.settings import settings_for
        from pure_nas.tracking import require_trackers
        from pure_nas.workers.executor import Execution

    settings = settings_for(
        dataset,
        space,
        study=study,
        trials=trials,
        epochs=epochs,
        time_seconds=time,
        confirm=confirm,
        objectives=objectives,
        limits={"params": max_params, "flops": max_flops, "latency": max_latency},
        sampler=sampler,
        seed=seed,
        device=device,
        workers=workers,
        execution=Execution(
            kind=executor,
            gpus=gpus or (),
            ray_address=ray_address,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
        ),
        baselines=baselines,
        early_stopping=early_stopping,
        until_flat=until_flat,
        keep_weights=keep_weights,
        trial_timeout=trial_timeout,
        retries=retries,
        lag=lag,
        warm_start=[] if warm_start is None else warm_start.split(","),
        storage=storage,
        data_dir=data_dir,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
    )
    trackers = log or ()
    require_trackers(trackers)
    prepared = prepare(settings)
    if dry_run:
        _plan_only(prepared, as_json=as_json)
    else:
        raise typer.Exit(_search(prepared, out, trackers, as_json=as_json, restore_weights=restore_weights))


def _plan_only(prepared: Prepared, *, as_json: bool) -> None:
    if not as_json:
        _show_plan(prepared, prepared.sampler, prepared.warm_start)
    trials, found = prepared.settings.trials, prepared.dataset
    executor, workers = prepared.start_workers(trials)
    with closing(executor):
        if not as_json:
            _show_estimate(prepared, executor, workers, trials)
            return
        seconds = prepared.seconds_per_trial(executor)
    document = {
        "schema": 1,
        "dataset": {
            "name": found.name,
            "classes": list(found.classes),
            "train": len(found.train),
            "validation": len(found.validation),
            "test": found.test_size,
            "skipped": found.skipped,
            "passed_over": list(found.passed_over),
        },
        "trials": trials,
        "confirmations": prepared.settings.confirmations,
        "epochs": prepared.space.run.epochs,
        "baselines": [baseline.label for baseline in prepared.baselines],
        "architectures": prepared.space.count(),
        "device": str(prepared.device),
        "sampler": {"name": prepared.sampler.name, "reason": prepared.sampler.reason},
        "workers": {"count": workers.count, "reason": workers.reason},
        "seconds_per_trial": seconds,
        "seconds": seconds * trials / (workers.count or 1),
    }
    print_json(document)


def _search(prepared: Prepared, out: Path, trackers: Sequence[Tracker], *, as_json: bool, restore_weights: bool) -> int:
    with loading():
        import optuna

        from pure_nas.plans.search.session import opened
        from pure_nas.report.data import report_data
        from pure_nas.report.notes import notes
        from pure_nas.tracking import tracked
        from pure_nas_cli.progress import Progress, TrialTable
        from pure_nas_cli.run_summary import print_front, print_next_steps, report_after, weights_of

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = prepared.settings
    with opened(prepared, out, restore_weights=restore_weights) as search:
        if search.plan.lost:
            warn(f"{weights_of(search.plan.lost)} are missing or damaged and are trained again first.")
        if search.plan.without_weights:
            warn(f"{weights_of(search.plan.without_weights)} are missing: --restore-weights trains them again.")
        if search.left:
            _show_plan(prepared, search.sampler, search.warm_start, done=search.plan.counted)
            _show_estimate(prepared, *search.driver.workers(search.left), search.left, search.driver.budget)
        code, stopped = 0, "interrupted; the same command resumes it"
        try:
            plan = search.plan
            trials, confirmed = plan.total, plan.confirmations.done
            title = f"{settings.study}: {prepared.dataset.name} on {prepared.place}"
            table = TrialTable(stderr, title, trials, plan.results.trials, settings.objectives, confirmed)
            with (
                table if is_live(stderr) else Progress(stderr, trials, plan.done) as progress,
                tracked(progress, trackers, search.driver.run) as listener,
            ):
                stopped = search.driver.go(plan, listener)
            if settings.time_seconds is not None and not search.left and not plan.results.trials:
                raise UsageError(
                    f"Nothing fits into --time {show_seconds(settings.time_seconds)}: it was used up before a trial "
                    f"could begin, after {show_seconds(search.driver.budget.seconds)}.",
                    hint="Use a longer --time.",
                )
        except KeyboardInterrupt:
            code = interrupted()
        stderr.print(f"Stopped: {stopped}.")
        if search.driver.images_per_second:
            stderr.print(f"{search.driver.images_per_second:,.0f} training images/s")
        data = report_data(search.driver.run)
        with report_after(search.driver.run, data):
            print_front(data, as_json=as_json)
            seconds, weights = show_seconds(data.seconds), show_bytes(data.weights_bytes)
            stderr.print(f"{data.trials_text}, training time {seconds}, weights {weights}")
            if data.earlier is not None:
                stderr.print(" ".join(notes("warm_start", data.earlier)))
            if data.early_stopping is not None:
                stderr.print(" ".join(notes("early_stopping", data.early_stopping)))
            if data.outlook is not None:
                stderr.print(" ".join(notes("outlook", data.outlook)))
        if data.front:
            print_next_steps(data)
    return code


def _show_plan(prepared: Prepared, sampler: ChosenSampler, warm_start: WarmStart | None, done: int = 0) -> None:
    from pure_nas.plans.search.baselines import FIRST_BASELINES
    from pure_nas_cli.progress import show_images

    settings, space, baselines = prepared.settings, prepared.space, prepared.baselines
    show_images(prepared.dataset)
    sizes = f"{' to '.join(map(show_number, prepared.params_range))} parameters"
    tell(f"space {settings.space_name}", f"{show_number(space.count())} architectures of {sizes}")
    tell(f"sampler {sampler.name}", sampler.reason)
    if warm_start is not None:
        tell("warm start", warm_start.text)
    planned = ", baselines among them" if baselines else ""
    if settings.confirm is not None:
        planned += f", {settings.confirmations} of them further seeds of networks whose place on the front is in doubt"
    ended = f"; {counted(done, 'trial')} done" if done else ""
    stderr.print(f"{counted(settings.trials, 'trial')} of {counted(space.run.epochs, 'epoch')}{planned}{ended}")
    if baselines and settings.trials <= FIRST_BASELINES and not settings.limits.given:
        more = f"--trials {FIRST_BASELINES + 1} or more"
        warn(f"Nothing is searched: every trial is a baseline. Use {more}, or --no-baselines.")
    longest_warmup = space.recipe["warmup_epochs"].sized("large")
    if longest_warmup >= space.run.epochs:
        warn(
            f"With {counted(space.run.epochs, 'epoch')} the learning rate may never reach its peak: warmup_epochs of "
            f"this space go up to {longest_warmup:g}. Use more --epochs."
        )


def _show_estimate(
    prepared: Prepared, executor: Executor, workers: WorkerPlan, left: int, budget: Budget | None = None
) -> None:
    from pure_nas_cli.progress import show_estimate

    settings, count = prepared.settings, workers.count or 1
    if count > 1:
        stderr.print(f"Starting {count} workers ...", style="dim")
    each = prepared.seconds_per_trial(executor)
    expected = show_estimate(prepared, workers, [each] * left, "trial")
    unused = budget.left if budget else settings.time_seconds  # without the time that measuring took
    if unused is not None:
        if unused < expected:
            enough = int(unused / each * count)
            longer = "" if enough else ": a trial takes longer"
            stderr.print(f"--time leaves {show_seconds(unused)}, enough for about {counted(enough, 'trial')}{longer}")
    elif expected > _LONG_SECONDS:
        warn(
            "That is long: limit it with --time 1h, or use fewer --epochs, fewer --trials or a smaller --space such "
            "as cifar10-small (see pure-nas spaces)."
        )
