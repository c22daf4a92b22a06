"""What a report says about a run."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import add_complete_trial, add_ended_trial, candidate_of, make_run, start_run, write_retraining

from pure_nas.errors import RunError
from pure_nas.files import append_line
from pure_nas.report.data import MAX_CURVE_POINTS, ReportData, flattened, product_share, report_data, searched_fields
from pure_nas.report.retraining_tables import came_through
from pure_nas.report.search_charts import page_charts
from pure_nas.report.table import interval_text
from pure_nas.run.directory import RunDirectory
from pure_nas.run.retrained import Retraining, Row
from pure_nas.run.search_results import load_results
from pure_nas.space.candidate import Candidate

CONV = candidate_of((("conv",), ("conv",)))
HYBRID = candidate_of((("conv",), ("product",)))


def add(run: RunDirectory, number: int, error: float, flops: float, **more: object) -> None:
    candidate = more.pop("candidate", HYBRID)
    assert isinstance(candidate, Candidate)
    baseline = str(more.pop("baseline", ""))
    values = {"error": error, "flops": flops}
    add_complete_trial(run, number, candidate, ("error", "flops"), random.Random(0), baseline=baseline, values=values)


def test_facts_points_and_curves_are_those_of_the_results(run: RunDirectory, data: ReportData) -> None:
    results = load_results(run)
    assert data.trials_text == "30 trials, 1 diverged, 1 failed"
    assert len(results.groups) == len(data.front)
    assert results.hypervolume == data.results.hypervolume_history()[-1][1]
    assert data.reference == {"error": 0.9, "flops": 2_000_000.0}
    assert data.weights_bytes == 28 * 4096
    assert data.seconds == pytest.approx(sum(trial.seconds for trial in results.trials))
    kinds, front = {point.number: point.label for point in data.complete}, {row.number for row in data.front}
    assert (len(kinds), kinds[0], kinds[1]) == (28, "conv baseline", "product baseline")
    assert {point.number for point in data.complete if point.on_front} == front
    assert {curve.number for curve in data.curves} == front | set(range(6))
    assert all(len(curve.epochs) == 12 for curve in data.curves)


def test_front_row_names_the_best_baseline_that_costs_no_more(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add(run, 0, 0.10, 100_000, baseline="conv small, usual recipe", candidate=CONV)
    add(run, 1, 0.05, 900_000, baseline="conv large, usual recipe", candidate=CONV)
    add(run, 2, 0.08, 200_000)
    row = next(row for row in report_data(run).front if row.number == 2)
    (versus,) = row.versus
    assert (versus.unit, versus.trial, versus.images) == ("conv", 0, -6)
    assert versus.difference == pytest.approx(-0.02)


def test_units_that_multiply_are_product_layers(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    for number, stages in enumerate(
        (
            (("product-complex", "product"), ("product",)),
            (("product-complex",), ("product-complex",)),
            (("product-complex",), ("conv",)),
            (("log-conv",), ("plain-conv",)),
        )
    ):
        add(run, number, 0.1 + 0.1 * number, 900_000 - 100_000 * number, candidate=candidate_of(stages))
    data = report_data(run)
    found = [(point.kind, product_share(sum(point.architecture.units, ()))) for point in data.complete]
    assert found == [("product", 1.0), ("product-complex", 1.0), ("hybrid", 0.5), ("hybrid", 0.0)]
    assert [row.architecture.kind for row in data.front] == [kind for kind, _ in found]


def with_settings(candidate: Candidate, architecture: dict[str, object], recipe: dict[str, object]) -> Candidate:
    return Candidate(candidate.architecture.model_copy(update=architecture), candidate.recipe.model_copy(update=recipe))


def test_settings_that_are_not_the_default_or_were_searched_are_shown(tmp_path: Path) -> None:
    space = {
        "architecture": {"exponent_cap": {"choices": [20.0, "none"]}, "zero_gamma": False},
        "recipe": {"gradient_clip_norm": {"choices": ["none", 2.0]}},
    }
    run = start_run(tmp_path / "run", settings={"search_space": space})
    steadied = {
        "exponent_cap": None,
        "residual_scale": 0.5,
        "threshold_init": (0.0, -2.25),
        "threshold_trainable": False,
        "relu_in_block": True,
    }
    add(run, 0, 0.1, 300_000, candidate=with_settings(HYBRID, steadied, {"warmup_epochs": 2.456}))
    add(run, 1, 0.2, 200_000, candidate=HYBRID)
    add(run, 2, 0.3, 100_000, candidate=CONV)
    data = report_data(run)
    assert [row.settings for row in data.front] == [
        {
            "threshold_init": (None, -2.25),
            "threshold_trainable": False,
            "exponent_cap": None,
            "relu_in_block": True,
            "residual_scale": 0.5,
            "warmup_epochs": 2.456,
            "gradient_clip_norm": None,
        },
        {"exponent_cap": 20.0, "gradient_clip_norm": None},
        # Nothing in it reads a cap.
        {"gradient_clip_norm": None},
    ]
    assert data.front[0].recipe_text.endswith(
        "threshold init – | -2.25, threshold trainable no, exponent cap none, ReLU in block yes, residual scale 0.5, "
        "warmup epochs 2.46, gradient clip norm none"
    )
    assert [point.recipe_text for point in data.complete] == [row.recipe_text for row in data.front]


def test_recipes_without_such_settings_are_rates_and_decays(data: ReportData) -> None:
    assert all(len(row.recipe_text.split("; ")) == 2 and not row.settings for row in data.front)


def test_an_axis_of_each_stage_is_searched() -> None:
    axes = {"threshold_init": [0.0, {"low": -4.0, "high": 0.5}], "exponent_cap": 20.0}
    recipe = {"warmup_epochs": {"low": 0.0, "high": 2.0}}
    assert searched_fields({"search_space": {"architecture": axes, "recipe": recipe}}) == {
        "threshold_init",
        "warmup_epochs",
    }
    assert searched_fields({}) == frozenset()


def test_twins_are_listed_with_the_trial_that_represents_them(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add(run, 0, 0.1, 100_000)
    add(run, 1, 0.1, 100_000)
    add(run, 2, 0.1005, 99_900, candidate=CONV)
    (row,) = report_data(run).front
    assert (row.number, row.twins, row.repeats) == (0, (1, 2), (1,))
    assert set(row.tags) == {"best", "knee", "smallest"}


def test_time_of_repeated_results_counts_once(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add(run, 0, 0.1, 100_000)
    add(run, 1, 0.1, 100_000)
    alone = report_data(run).seconds
    result = run.trial(1).result()
    assert result is not None
    run.trial(1).write_result({**result, "replay_of": 0})
    assert report_data(run).seconds == alone / 2


def test_line_of_a_cost_falls_while_the_cost_rises(tmp_path: Path) -> None:
    data = report_data(make_run(tmp_path / "run", objectives=("error", "flops", "latency")))
    charts = page_charts(data)
    for cost in ("flops", "latency"):
        costs, errors = zip(*data.lowest(cost), strict=True)
        assert list(costs) == sorted(set(costs))
        assert list(errors) == sorted(errors, reverse=True)
        assert f"front-{cost}" in charts


def test_long_curves_are_thinned_and_keep_their_end(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add(run, 0, 0.1, 100_000, candidate=candidate_of((("conv",), ("product",)), epochs=2 * MAX_CURVE_POINTS + 1))
    (curve,) = report_data(run).curves
    assert len(curve.epochs) <= MAX_CURVE_POINTS
    assert curve.epochs[-1] == 2 * MAX_CURVE_POINTS + 1


def test_an_epoch_whose_error_is_nan_leaves_a_gap(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add(run, 0, 0.1, 100_000)
    append_line(run.trial(0).metrics, {"epoch": 13, "validation_error": math.nan})
    (curve,) = report_data(run).curves
    assert curve.errors[-1] is None


def test_run_without_complete_trials_has_facts_and_no_points(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    add_ended_trial(run, 0, HYBRID, "diverged")
    run.trial(1).write_candidate(HYBRID)
    data = report_data(run)
    assert data.trials_text == "1 trial, 1 diverged, 1 unfinished (30 requested)"
    assert data.complete == data.front == data.curves == ()
    assert data.results.hypervolume_history() == []
    assert [(trial.number, trial.state) for trial in data.trials] == [(0, "diverged")]


def test_settings_are_flattened_to_dotted_names(data: ReportData) -> None:
    settings = dict(flattened(data.settings))
    assert settings["search_space.architecture.unit.choices"] == "conv, product"
    assert settings["reference.error"] == "0.9"
    assert data.environment["threads"] == 2


def test_missing_environment_is_no_fault(tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    (run.path / "environment.json").unlink()
    assert report_data(run).environment == {}


def test_retrained_networks_say_how_many_seeds_diverged() -> None:
    scores = (0.96, 0.98)
    row = Row(trial=1, variant="trial", params=1, flops=1, test_accuracy=scores, diverged=1, seeds=(1, 2, 3), epochs=4)
    assert came_through(row) == "1 of 3 seeds diverged"
    assert interval_text(row.interval) == "84.29 to 100.00 %"  # Student's, and no more than an accuracy can be
    assert interval_text(replace(row, test_accuracy=(0.97, 0.97)).interval) == ""
    assert came_through(replace(row, test_accuracy=(), diverged=3)) == "3 of 3 seeds diverged"


def test_retrained_networks_have_their_test_accuracy_on_the_front(data: ReportData) -> None:
    tested = {row.number: row.retrained for row in data.front if row.retrained}
    assert set(tested) == set(data.retraining.trials) == {data.front[0].number, data.front[-1].number}
    assert len(data.retraining.rows) == 10
    assert {point.number: point.retrained for point in data.complete if point.retrained} == tested
    first = tested[data.front[0].number]
    assert first is not None
    assert (first.variant, first.epochs, first.seeds) == ("trial", 60, (1, 2, 3))
    assert first.interval is not None
    assert first.interval[0] < first.mean < first.interval[1]


def test_a_trial_that_diverged_when_it_was_retrained_has_no_test_error(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=8, troubles=False)
    number = report_data(run).front[0].number
    write_retraining(run, [number])
    content = json.loads((run.path / "retrain.json").read_text(encoding="utf-8"))
    content["rows"] = [{**content["rows"][0], "test_accuracy": [], "mean": None, "std": 0.0, "diverged": 3}]
    (run.path / "retrain.json").write_text(json.dumps(content), encoding="utf-8")
    data = report_data(run)
    assert data.front[0].retrained is not None
    assert "retrained: test error" not in page_charts(data)["front-flops"].names


def test_an_interval_that_reaches_far_does_not_squeeze_the_plot(data: ReportData) -> None:
    retrained = next(point.retrained for point in data.complete if point.retrained)
    wide = replace(retrained, test_accuracy=(0.5, 1.0))
    points = (replace(data.complete[0], objectives={**data.complete[0].objectives, "error": 0.2}, retrained=wide),)
    chart = page_charts(replace(data, complete=points))["front-flops"]
    (crosses,) = (series for series in chart.series if series.bars)
    assert (list(crosses.y), list(crosses.bars)) == ([25.0], [(0.0, 100.0)])
    assert chart.y.range == pytest.approx((10 / 5**0.08, 50 * 5**0.08))


def test_a_test_accuracy_that_was_edited_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=8)
    write_retraining(run, [0])
    content = json.loads((run.path / "retrain.json").read_text(encoding="utf-8"))
    content["rows"][0]["test_accuracy"][1] = 0.999
    (run.path / "retrain.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match=r"trial 0, trial, has the mean 0\.975"):
        report_data(run)


def test_importing_the_data_loads_no_heavy_package() -> None:
    program = (
        "import sys, pure_nas.report.data; "
        "print(sorted({'plotly', 'matplotlib', 'torch', 'optuna'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


EXPORT = "pure-nas export runs/a --trial knee"


def retrained(trial: int, *, epochs: int = 10, seeds: int = 2) -> Row:
    accuracies, numbers = (0.5,) * seeds, tuple(range(1, seeds + 1))
    return Row(trial=trial, variant="trial", params=1, flops=1, test_accuracy=accuracies, epochs=epochs, seeds=numbers)


def commands(data: ReportData, front: list[int], *rows: Row) -> list[str]:
    """What is proposed for a front of these trials, of which some were retrained; the first is its knee."""
    first = data.front[0]
    by_trial = {row.trial: row for row in rows}
    shown = tuple(
        replace(first, trial=replace(first.trial, number=number), retrained=by_trial.get(number)) for number in front
    )
    shown = (replace(shown[0], tags=("knee",)), *(replace(row, tags=()) for row in shown[1:]))
    steps = list(replace(data, path="runs/a", front=shown, retraining=Retraining(rows=rows)).next_steps)
    assert steps[0][0].endswith("and its retrained weights" if front[0] in by_trial else "and weights")
    return [command for _, command in steps]


def test_a_front_that_was_not_retrained_is_to_be(data: ReportData) -> None:
    assert commands(data, [3, 7]) == [EXPORT, "pure-nas retrain runs/a --seeds 3"]
    # What was retrained is not on the front any more.
    assert commands(data, [3, 7], retrained(1)) == [EXPORT, "pure-nas retrain runs/a --seeds 3"]
    assert commands(data, [3, 7], retrained(3), retrained(7)) == [EXPORT]


def test_the_rest_of_a_front_is_retrained_like_the_others(data: ReportData) -> None:
    assert commands(data, [3, 5, 7], retrained(3), retrained(1)) == [
        EXPORT,
        "pure-nas retrain runs/a --trials 5,7 --seeds 2 --epochs 10",
    ]
    assert commands(data, [3, 5], retrained(3), retrained(1, epochs=40, seeds=5)) == [
        EXPORT,
        "pure-nas retrain runs/a --trials 5 --seeds 5",
    ]
