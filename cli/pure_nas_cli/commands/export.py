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
    kind: Annotated[
        Literal["python", "onnx", "pt2", "timm", "hf", "safetensors", "json"], option("export.kind", "--format")
    ] = "python",
    quantize: Annotated[Literal["int8"] | None, option("export.quantize")] = None,
    fold_norms: Annotated[bool, option("export.fold_norms", "--fold-norms")] = False,
    output: Annotated[Path | None, option("export.output", "--output", "-o")] = None,
    overwrite: Overwrite = False,
) -> None:
    with loading():
        from pure_nas.export import export_trained
        from pure_nas.run.selection import choose_trained

    chosen = choose_trained(run, trial, origin=origin, seed=seed)
    found = export_trained(chosen, output, format=kind, quantize=quantize, fold_norms=fold_norms, overwrite=overwrite)
    if kind != "json":
        stderr.print(f"{chosen.title}. {' '.join(chosen.notes)}", soft_wrap=True)
    for line in found.receipt.lines if found.receipt else ():
        stderr.print(line, soft_wrap=True)
    for path in found.files:
        stdout.print(str(path), soft_wrap=True)
