"""Describing an architecture, and finding it by name, file or trial."""

from __future__ import annotations

import json
from pathlib import Path

from studies import Study, invoke


def test_layers_sum_up_to_the_totals() -> None:
    found = invoke("describe", "pure20", "--json").json
    assert sum(layer["params"] for layer in found["layers"]) == found["params"]
    assert sum(layer["flops"] for layer in found["layers"]) == found["flops"]["total"]
    assert found["depth"] == 20


def test_table_shows_unit_shape_and_totals() -> None:
    answer = invoke("describe", "pure20").done()
    assert "residual_scale" not in answer.stdout
    assert answer.stdout.startswith("pure20: depth 20, 10 classes, images 3 x 32 x 32\n")
    lines = [" ".join(line.split()) for line in answer.stdout.splitlines()]
    assert "stages.0.0.unit product 16 x 32 x 32 2,305 2,424,832" in lines
    assert "total 272,483 41,648,768" in lines
    assert "of which elementwise 430,080" in lines


STABILISED = {
    "schema": 1,
    "units": [["product-complex", "log-conv"], ["plain-conv"]],
    "threshold_per_channel": True,
    "exponent_cap": None,
    "residual_scale": 0.1,
    "zero_gamma": True,
    "image_size": 8,
}


def test_settings_that_differ_from_the_usual_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "stabilised.json"
    path.write_text(json.dumps(STABILISED))
    found = " ".join(invoke("describe", path).stdout.split())
    assert "threshold_per_channel = true, exponent_cap" in found
    assert "residual_scale = 0.1, zero_gamma = true" in found
    for operation in ("product-complex", "log-conv", "plain-conv", "times 0.1"):
        assert f" {operation} " in found
    assert invoke("describe", path, "--json").json["architecture"]["residual_scale"] == 0.1


def test_a_network_is_named_by_its_unit() -> None:
    assert invoke("describe", "product-complex-20").stdout.startswith("product-complex-20: depth 20, ")


def test_trials_and_files_are_found(finished: Study) -> None:
    file = finished.run / "trials" / "0001" / "architecture.json"
    by_number, by_file = (invoke("describe", named, "--json").done().json for named in (f"{finished.run}:1", file))
    assert by_number == by_file
    invoke("describe", f"{finished.run}:knee").done()
    assert "There is no run at missing" in invoke("describe", "missing:best").refusal(1)


def test_thresholds_are_told_stage_by_stage_where_they_differ(tmp_path: Path) -> None:
    path = tmp_path / "thresholds.json"
    path.write_text(json.dumps({"schema": 1, "units": [["product"], ["conv"]], "threshold_init": [-0.5, -0.5]}))
    usual = invoke("describe", "pure20", "--json").json["architecture"]["threshold_init"][0]
    assert f"threshold_init = [-0.5, {usual}]" in invoke("describe", path).stdout
