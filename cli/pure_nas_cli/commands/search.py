"""pure-nas search"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pure_nas_cli.console import stderr
from pure_nas_cli.options import DataDir, Device, ImageSize, Json, Seed, SkipCorrupt
from pure_nas_cli.quantities import parse_milliseconds, parse_seconds, parse_size

if TYPE_CHECKING:
    pass


class Sampler(StrEnum):
    """What proposes candidates."""

    auto = "auto"
    tpe = "tpe"
    nsga2 = "nsga2"
    gp = "gp"
    random = "random"


def search(
    dataset: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="A dataset (see pure-nas datasets) or a folder of images.")
    ],
    data_dir: DataDir = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="A search space (see pure-nas spaces) or a .toml file.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trials in total, over every session; the space's if left out."),
    ] = None,
    time: Annotated[
        float | None, typer.Option(parser=parse_seconds, metavar="TIME", help="Training time in total: 90s, 30m, 2h.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each trial; the space's if left out.")] = None,
    objectives: Annotated[
        str, typer.Option(metavar="LIST", help="error and one or more of flops, params, latency, memory.")
    ] = "error,flops",
    max_params: Annotated[
        int | None, typer.Option(parser=parse_size, metavar="SIZE", help="Most parameters: 300k, 1.5M, 2G.")
    ] = None,
    max_flops: Annotated[
        int | None, typer.Option(parser=parse_size, metavar="SIZE", help="Most flops of one image: 80M.")
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(parser=parse_milliseconds, metavar="TIME", help="Longest time of one image on the device: 2ms."),
    ] = None,
    sampler: Annotated[Sampler, typer.Option(help="What proposes candidates; auto chooses and says why.")] = (
        Sampler.auto
    ),
    device: Device = "auto",
    seed: Seed = 0,
    study: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the study and its folder; the dataset's if left out.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder that holds runs.")] = Path("runs"),
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Optuna storage; SQLite in the run's folder if left out.")
    ] = None,
    image_size: ImageSize = None,
    skip_corrupt: SkipCorrupt = False,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Train all-conv and all-product networks first.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the search would cost, and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Search for the networks with the best accuracy for their cost.

    The same command again goes on where it stopped; --trials and --time are totals of the study.

    Example: [bold]pure-nas search --dataset cifar10 --max-params 300k --time 2h[/bold]
    """
    stderr.print("Loading PyTorch and the images ...", style="dim")
    from pure_nas.search.limits import Limits
    from pure_nas.search.settings import SearchSettings, objective_names
    from pure_nas_cli.search_run import choose_space, plan_only, run_search, study_name

    name, chosen = choose_space(space, dataset)
    chosen = chosen.with_run(trials=trials, epochs=epochs)
    settings = SearchSettings(
        study=study or study_name(dataset),
        dataset=dataset,
        space_name=name,
        space=chosen,
        trials=chosen.run.trials,
        time_seconds=time,
        objectives=objective_names(objectives),
        limits=Limits(params=max_params, flops=max_flops, latency_ms=max_latency),
        sampler=sampler.value,
        seed=seed,
        device=device,
        baselines=baselines,
        storage=storage,
        data_dir=data_dir,
        image_size=image_size,
        skip_corrupt=skip_corrupt,
    )
    if dry_run:
        plan_only(settings, as_json=as_json)
    else:
        raise typer.Exit(run_search(settings, out, as_json=as_json))
