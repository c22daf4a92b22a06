"""What may stand in the files of a run, and how what may not is said."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from test_files import JSON

from pure_nas.errors import RunError
from pure_nas.files import check
from pure_nas.run.schema import Evaluation, Result, Settings

COMPLETE = {
    "schema": 1,
    "state": "complete",
    "objectives": {"error": 0.25, "flops": 100},
    "metrics": {"error": 0.25, "accuracy": 0.75, "loss": 1.5},
    "cost": {"params": 10, "flops": 100},
    "seconds": 2.5,
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"metrics": {"error": 1.25}}, "metrics.error: input should be less than or equal to 1, got 1.25"),
        ({"metrics": {"error": 0.25, "accuracy": 0.5}}, "error 0.25 and accuracy 0.5 do not add up to 1"),
        ({"metrics": {"error": 0.5}}, "the objective error is 0.25, but the metric is 0.5"),
        ({"cost": {"flops": 90}}, "the objective flops is 100.0, but the cost is 90.0"),
        (
            {"objectives": {"error": 0.25, "latency": 2}, "cost": {"latency_ms": 3}},
            "latency is 2.0, but the cost is 3.0",
        ),
        ({"objectives": {"error": 0.25, "flops": -5}, "cost": {}}, "objectives.flops: input should be greater than or"),
        ({"objectives": {"error": 1.25}, "metrics": {}}, "the objective error is 1.25, more than all images"),
        ({"seconds": "3"}, "seconds: input should be a valid number, got '3'"),
        ({"replay_of": True}, "replay_of: input should be a valid integer, got True"),
        ({"schema": 2}, "schema: must be 1, got 2"),
        ({"cost": {"flops": float("inf")}}, "cost.flops: input should be a finite number"),
    ],
)
def test_a_result_that_cannot_be_is_named_with_key_and_value(changes: dict[str, Any], fault: str) -> None:
    check(Result, COMPLETE, "result.json")
    with pytest.raises(RunError) as caught:
        check(Result, {**COMPLETE, **changes}, "result.json", hint="Put it back.")
    assert caught.value.message.startswith("result.json is damaged: ")
    assert fault in caught.value.message
    assert caught.value.hint == "Put it back."


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"data": {"classes": 3}}, "data.classes"),
        ({"data": {"in_chans": 1, "mean": [0.1, 0.2]}}, "mean has 2 values for 1 channels"),
        ({"data": {"mean": [-1.0]}}, "data.mean.0"),
        ({"data": {"std": None}}, "data.std"),
        ({"seed": "x"}, "seed"),
        ({"trials": 10**30}, "trials"),
        ({"objectives": ["error", "flop"]}, "objectives.1"),
        ({"reference": {"error": 0}}, "reference.error"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(RunError, match=key.replace(".", r"\.")):
        check(Settings, settings, "run.toml")


def test_what_a_later_version_adds_is_left_alone() -> None:
    check(Result, {**COMPLETE, "colour": "blue"}, "result.json")
    check(Settings, {"colour": "blue", "data": {"colour": 3}}, "run.toml")


@given(JSON)
def test_whatever_json_holds_is_accepted_or_explained(content: Any) -> None:
    for model in (Result, Settings, Evaluation):
        with contextlib.suppress(RunError):
            check(model, content, "file")
