"""pure-nas retrain"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.options import DataDir, Device, Json, Run


def retrain(
    run: Run,
    trials: Annotated[
        str, typer.Option(metavar="front|N,M", help="Which networks: the front, or trials by number or name.")
    ] = "front",
    seeds: Annotated[int, typer.Option(min=1, help="How often each network is trained.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; those of the search if left out.")] = None,
    device: Device = "auto",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train networks from scratch on train + validation and score them once on the test split.

    Each is trained beside its all-conv and all-product twins. This is the only command that reads the test split.

    Example: [bold]pure-nas retrain runs/digits --seeds 3[/bold]
    """
    import json

    from pure_nas.report import write_report
    from pure_nas.results import load_results
    from pure_nas.retrain import retrain as retrain_trials
    from pure_nas.retrain import select_trials
    from pure_nas.run_directory import RunDirectory
    from pure_nas_cli.retrained import RetrainProgress, retrain_table

    opened = RunDirectory.open(Path(run))
    chosen = select_trials(load_results(opened), trials)
    with opened.locked(), RetrainProgress(stderr) as progress:
        found = retrain_trials(
            opened, chosen, seeds=seeds, epochs=epochs, device=device, data_dir=data_dir, listener=progress
        )
    written = write_report(opened)
    if as_json:
        print(json.dumps(found.document(), indent=2))
        return
    stdout.print(retrain_table(found))
    for _, text in found.verdicts:
        stdout.print(text)
    stderr.print(f"report: {next(path for path in written if path.suffix == '.html')}", soft_wrap=True)
