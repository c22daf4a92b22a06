"""pure-nas export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pure_nas_cli.console import stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Overwrite, argument, option


def export(
    run: Annotated[Path, argument("export.run")],
    trial: Annotated[str | None, option("export.trial")] = None,
    origin: Annotated[Literal["auto", "search", "retrain"], option("export.origin", "--from")] = "auto",
    seed: Annotated[int | None, option("export.seed")] = None,
    kind: Annotated[Literal["python", "json", "safetensors"], option("export.kind", "--format")] = "python",
    output: Annotated[Path | None, option("export.output", "--output", "-o")] = None,
    overwrite: Overwrite = False,
) -> None:
    with loading():
        from pure_nas.export import export_trained
        from pure_nas.run.selection import choose_trained

    chosen = choose_trained(run, trial, origin=origin, seed=seed)
    written = export_trained(chosen, output, format=kind, overwrite=overwrite)
    if kind != "json":
        stderr.print(f"{chosen.title}. {' '.join(chosen.notes)}", soft_wrap=True)
    for path in written:
        stdout.print(str(path), soft_wrap=True)
