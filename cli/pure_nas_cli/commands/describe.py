"""pure-nas describe"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Column, Table

from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.options import Arch, Json

if TYPE_CHECKING:
    from pure_nas.cost.layers import LayerCost
    from pure_nas.space.architecture import Architecture


def describe(architecture: Arch, as_json: Json = False) -> None:
    from pure_nas.cost.layers import cost_of, layer_costs
    from pure_nas.run.search_results import find_architecture

    found = find_architecture(architecture)
    layers, cost = layer_costs(found), cost_of(found)
    if as_json:
        document = {
            "schema": 1,
            "architecture": json.loads(found.to_json()),
            "digest": found.digest,
            "depth": found.depth,
            "params": cost.params,
            "flops": {**asdict(cost), "total": cost.flops},
            "layers": [{"name": layer.name, **asdict(layer), "flops": layer.flops} for layer in layers],
        }
        print_json(document)
        return
    image = f"{found.in_chans} x {found.image_size} x {found.image_size}"
    title = f"{architecture}: depth {found.depth}, {found.num_classes} classes, images {image}"
    stdout.print(title, style="italic")
    if settings := _settings(found):
        stdout.print(settings, style="dim")
    stdout.print(_layers(layers))
    totals = Table(Column(), Column(justify="right"), show_header=False, title="Totals", title_justify="left")
    totals.add_row("parameters", f"{cost.params:,}", style="bold", end_section=True)
    parts = {"conv + linear": cost.macs, "norm": cost.norm, "elementwise": cost.elementwise, "pooling": cost.pooling}
    for name, flops in parts.items():
        totals.add_row(f"flops, {name}", f"{flops:,}")
    totals.add_row("flops", f"{cost.flops:,}", style="bold")
    stdout.print(totals)
    stdout.print(
        "Flops of one image in fvcore's convention: a multiply-accumulate is one flop, a norm two per element, ReLU "
        "none; skip additions and the elementwise work of units are counted too, one per element and operation.",
        style="dim",
    )


def _settings(architecture: Architecture) -> str:
    """What is not at its default and does not show in the layers."""
    from pure_nas.report.data import plain_settings
    from pure_nas.space.candidate import Candidate
    from pure_nas.space.toml_tables import UNSEARCHED_RECIPE

    found = plain_settings(Candidate(architecture, UNSEARCHED_RECIPE), frozenset())
    return ", ".join(f"{name} = {json.dumps('none' if value is None else value)}" for name, value in found.items())


def _layers(layers: Iterable[LayerCost]) -> Table:
    numbers = (Column(name, justify="right") for name in ("output", "params", "flops"))
    table = Table(Column("layer", overflow="fold"), "operation", *numbers)
    block = ""
    for layer in layers:
        before, parts = block, layer.name.split(".")
        block = ".".join(parts[: 3 if parts[0] == "stages" else 1])
        if before and block != before:
            table.add_section()
        shape = " x ".join(str(size) for size in layer.out_shape)
        params = f"{layer.params:,}" if layer.params else ""
        style = "bold" if parts[-1] == "unit" else None
        table.add_row(layer.name, layer.operation, shape, params, f"{layer.flops:,}", style=style)
    return table
