"""pure-nas describe"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from pure_nas.quantities import cost_label
from pure_nas.report.table import Cell, Column, Row, Table
from pure_nas_cli.console import print_json, stdout
from pure_nas_cli.options import Arch, Json
from pure_nas_cli.terminal_table import print_table

if TYPE_CHECKING:
    from pure_nas.cost.layers import LayerCost

_PEOPLE = (
    Column("name", "layer", "left"),
    Column("operation", "operation", "left"),
    Column("out_shape", "output"),
    Column("params", "params"),
    Column("flops", cost_label("flops")),
)
_FILES = tuple(map(Column, ("macs", "norm", "elementwise", "pooling")))


def describe(architecture: Arch, as_json: Json = False) -> None:
    from pure_nas.cost.layers import cost_of, layer_costs
    from pure_nas.report.data import plain_settings
    from pure_nas.run.search_results import find_architecture

    found = find_architecture(architecture)
    layers, cost = _layers(layer_costs(found)), cost_of(found)
    if as_json:
        document = {
            "schema": 1,
            "architecture": json.loads(found.to_json()),
            "digest": found.digest,
            "depth": found.depth,
            "params": cost.params,
            "flops": {**asdict(cost), "total": cost.flops},
            "layers": layers.records(),
        }
        print_json(document)
        return
    image = f"{found.in_chans} x {found.image_size} x {found.image_size}"
    title = f"{architecture}: depth {found.depth}, {found.num_classes} classes, images {image}"
    values = {name: getattr(found.canonical(), name) for name in plain_settings(found)}
    settings = {name: "none" if value is None else value for name, value in values.items()}
    if listed := ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items()):
        title += f"\n{listed}"
    parts = {"conv + linear": cost.macs, "norm": cost.norm, "elementwise": cost.elementwise, "pooling": cost.pooling}
    sums = [Row.of(_PEOPLE, ["total", "", "", cost.params, cost.flops], tone="strong", section="total")]
    sums += (Row.of(_PEOPLE, [f"of which {name}", "", "", "", part], section="total") for name, part in parts.items())
    note = (
        "FLOPs of one image in fvcore's convention: a multiply-accumulate is one FLOP, a norm two per element, ReLU "
        "none; skip additions and the elementwise work of units are counted too, one per element and operation."
    )
    print_table(stdout, replace(layers, rows=(*layers.rows, *sums), title=title, notes=(note,)))


def _layers(layers: Iterable[LayerCost]) -> Table:
    rows = []
    for layer in layers:
        block, _, part = layer.name.rpartition(".")
        shape = Cell(layer.out_shape, " x ".join(map(str, layer.out_shape)))
        values = {**asdict(layer), "out_shape": shape, "flops": layer.flops}
        rows.append(Row(values, tone="strong" if part == "unit" else "", section=block.removesuffix(".shortcut")))
    return Table("layers", (*_PEOPLE, *_FILES), tuple(rows))
