"""pure-nas describe"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pure_nas_cli.console import stdout
from pure_nas_cli.options import ARCHITECTURE_HELP

if TYPE_CHECKING:
    from pure_nas.cost.layers import LayerCost
    from pure_nas.space.architecture import Architecture


def describe(
    architecture: Annotated[str, typer.Argument(metavar="ARCH", help=ARCHITECTURE_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show every layer of a network: its unit, shape, parameters and flops.

    Example: [bold]pure-nas describe pure20[/bold]
    """
    from pure_nas.cost.layers import layer_costs
    from pure_nas.run.results import find_architecture

    found = find_architecture(architecture)
    layers = tuple(layer_costs(found))
    if as_json:
        print(json.dumps(_document(found, layers), indent=2))
        return
    stdout.print(_title(architecture, found), style="italic")
    settings = _settings(found)
    if settings:
        stdout.print(settings, style="dim")
    stdout.print(_table(layers))
    stdout.print(_totals(found))
    stdout.print(
        "Flops of one image in fvcore's convention: a multiply-accumulate is one flop, a norm two per element, ReLU "
        "none; skip additions and the elementwise work of units are counted too, one per element and operation.",
        style="dim",
    )


def _title(name: str, architecture: Architecture) -> str:
    image = f"{architecture.in_chans} x {architecture.image_size} x {architecture.image_size}"
    return f"{name}: depth {architecture.depth}, {architecture.num_classes} classes, images {image}"


def _settings(architecture: Architecture) -> str:
    """What is not at its default and does not show in the layers."""
    from pure_nas.space.field import default_of, descriptions

    canonical = architecture.canonical()
    found: list[str] = []
    for name, described in descriptions(type(architecture)).items():
        value, usual = getattr(canonical, name), default_of(type(architecture), name)
        if described.per == "stage":
            usual = (usual,) * len(canonical.units)
        if not described.in_place and value != usual:
            found.append(f"{name} = {json.dumps(value)}" if value is not None else f'{name} = "none"')
    return ", ".join(found)


def _table(layers: Sequence[LayerCost]) -> Table:
    table = Table()
    table.add_column("layer", overflow="fold")
    table.add_column("operation")
    table.add_column("output", justify="right")
    table.add_column("params", justify="right")
    table.add_column("flops", justify="right")
    stage = ""
    for layer in layers:
        part = ".".join(layer.name.split(".")[:3]) if layer.name.startswith("stages") else layer.name.split(".")[0]
        if stage and part != stage:
            table.add_section()
        stage = part
        shape = " x ".join(str(size) for size in layer.out_shape)
        params = f"{layer.params:,}" if layer.params else ""
        style = "bold" if layer.name.endswith(".unit") else None
        table.add_row(layer.name, layer.operation, shape, params, f"{layer.flops:,}", style=style)
    return table


def _totals(architecture: Architecture) -> Table:
    from pure_nas.cost.layers import cost_of

    cost = cost_of(architecture)
    table = Table(show_header=False, title="Totals", title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("parameters", f"{cost.params:,}", style="bold")
    table.add_section()
    table.add_row("flops, conv + linear", f"{cost.macs:,}")
    table.add_row("flops, norm", f"{cost.norm:,}")
    table.add_row("flops, elementwise", f"{cost.elementwise:,}")
    table.add_row("flops, pooling", f"{cost.pooling:,}")
    table.add_row("flops", f"{cost.flops:,}", style="bold")
    return table


def _document(architecture: Architecture, layers: Sequence[LayerCost]) -> dict[str, object]:
    from pure_nas.cost.layers import cost_of

    cost = cost_of(architecture)
    return {
        "schema": 1,
        "architecture": json.loads(architecture.to_json()),
        "digest": architecture.digest,
        "depth": architecture.depth,
        "params": cost.params,
        "flops": {**asdict(cost), "total": cost.flops},
        "layers": [{"name": layer.name, **asdict(layer), "flops": layer.flops} for layer in layers],
    }
