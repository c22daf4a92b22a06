"""What follows from measurements: means, intervals, comparisons, convergence, and experiment.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from pure_nas.analysis.statistics import ONE_SEED, holm
from pure_nas.cost.layers import cost_of
from pure_nas.errors import RunError
from pure_nas.findings.experiment_results import ExperimentResults, Measurement
from pure_nas.findings.findings import Comparison, Findings, document, findings_of
from pure_nas.findings.rows import Measure, evaluation_over_seeds
from pure_nas.plans.experiment.file import ExperimentFile
from pure_nas.plans.experiment.grid import Grid
from pure_nas.report.notes import notes

FILE = """
schema = 1
question = "?"
dataset = "digits"
validation_curve = true
targets = [0.9, 0.5, 0.7]
[networks.resnet]
base = { each = ["resnet8", "resnet14"] }
[networks.pure]
base = { each = ["pure8", "pure14", ] }
against = "resnet"
[networks.other]
base = "pure8"
relu_in_block = true
against = "resnet8"
[scales.s]
cost = "none"
epochs = 3
seeds = 3
"""


def measured(seed: int, accuracy: float, *errors: float) -> Measurement:
    curve = tuple(
        {"epoch": epoch, "train_accuracy": 0.1, "validation_error": error, "seconds": 2.0}
        for epoch, error in enumerate(errors, start=1)
    )
    return Measurement(seed=seed, state="complete", accuracy=accuracy, seconds=2.0 * len(errors), curve=curve)


def diverged(seed: int) -> Measurement:
    return Measurement(seed=seed, state="diverged", reason="training loss became nan in epoch 2 of 3", seconds=1.0)


def missing(seed: int) -> Measurement:
    return Measurement(seed=seed, state="missing")


def results_of(found: Mapping[str, list[Measurement]], text: str = FILE) -> ExperimentResults:
    """Results of which the cells that are not named have not been trained."""
    file = ExperimentFile.from_toml(text)
    grid = Grid.of(file, file.scale(None)[1], {"in_chans": 1, "num_classes": 10, "image_size": 8})
    measurements = {
        cell.label: tuple(found.get(cell.label, [missing(seed) for seed in range(1, grid.seeds + 1)]))
        for cell in grid.cells
    }
    settings = {"experiment": "e", "scale": "s", "dataset": "digits", "data": {"train": 9}, "seeds": 3, "epochs": 3}
    return ExperimentResults(Path("run"), settings, file, grid, measurements)


def three(*accuracies: float) -> list[Measurement]:
    return [measured(seed, accuracy) for seed, accuracy in enumerate(accuracies, start=1)]


def comparison(findings: Findings, label: str) -> Comparison:
    return next(each for each in findings.comparisons if each.label == label)


def test_a_row_has_mean_deviation_and_interval_of_the_seeds_that_came_through() -> None:
    results = results_of({"pure8": [*three(0.915, 0.925)[:2], diverged(3)]})
    row = next(row for row in findings_of(results).rows if row.label == "pure8")
    assert row.mean == pytest.approx(0.92)
    assert row.std == pytest.approx(math.sqrt(0.00005))
    reach = stats.t.ppf(0.975, 1) * 0.005
    assert row.interval == pytest.approx((0.92 - reach, 0.92 + reach))
    assert (row.diverged, row.missing) == (1, 0)
    assert row.reasons == ("training loss became nan in epoch 2 of 3",)
    architecture = results.grid.cells[2].candidate.architecture
    assert (row.params, row.flops) == (cost_of(architecture).params, cost_of(architecture).flops)
    assert (row.kind, row.depth, row.series, row.axis, row.place) == ("product", 8, "pure", "depth", 8.0)
    untrained = findings_of(results).rows[0]
    assert (untrained.mean, untrained.std, untrained.interval, untrained.missing) == (None, None, None, 3)
    assert untrained.seconds is None


def test_verdicts_go_by_p_values_that_are_corrected_for_their_number() -> None:
    """0.02 below 0.05 for one test is not for two."""
    close = {"resnet8": three(0.90, 0.91, 0.92), "pure8": three(0.925, 0.935, 0.945)}
    alone = comparison(findings_of(results_of(close)), "pure8")
    assert alone.p is not None
    assert 0.025 < alone.p < 0.05
    assert alone.p_adjusted == alone.p
    assert alone.verdict == "better"
    both = {**close, "resnet14": three(0.90, 0.91, 0.92), "pure14": three(0.90, 0.915, 0.92)}
    findings = findings_of(results_of(both))
    assert findings.tests == 2
    first, second = (comparison(findings, label) for label in ("pure8", "pure14"))
    assert (first.p, second.p) == (alone.p, second.p)
    assert second.p is not None
    assert [first.p_adjusted, second.p_adjusted] == pytest.approx(holm([alone.p, second.p]))
    assert (first.verdict, second.verdict) == ("no difference shown", "no difference shown")
    worse = findings_of(results_of({"resnet8": three(0.9, 0.91, 0.92), "pure8": three(0.5, 0.51, 0.52)}))
    assert comparison(worse, "pure8").verdict == "worse"


@pytest.mark.parametrize(
    ("reference", "own", "verdict"),
    [
        ([measured(1, 0.9)], three(0.8, 0.9, 0.95), "too few seeds"),
        ([diverged(1), diverged(2)], three(0.8, 0.9, 0.95), "2 of 2 seeds of the reference diverged"),
        (three(0.8, 0.9, 0.95), [diverged(1), missing(2)], "1 of 1 seed diverged"),
        (three(0.8, 0.9, 0.95), [measured(1, 0.9), missing(2)], "too few seeds"),
        (three(0.8, 0.9, 0.95), [missing(1)], "not trained yet"),
        ([missing(1)], [diverged(1)], "1 of 1 seed diverged"),
        (three(0.5, 0.5, 0.5), three(0.6, 0.6, 0.6), "no spread to judge by"),
        (three(0.6, 0.6), three(0.6, 0.6, 0.6), "no difference shown"),
        (three(0.1, 0.2, 0.3), [*three(0.8, 0.81), diverged(3)], "1 of 3 seeds diverged"),
        (
            [*three(0.8, 0.81), diverged(3)],
            [measured(1, 0.9), diverged(2), diverged(3)],
            "2 of 3 seeds, and 1 of 3 seeds of the reference, diverged",
        ),
    ],
)
def test_what_cannot_be_compared_is_said(reference: list[Measurement], own: list[Measurement], verdict: str) -> None:
    findings = findings_of(results_of({"resnet8": reference, "pure8": own}))
    found = comparison(findings, "pure8")
    assert (found.verdict_text, found.p_adjusted, findings.tests) == (verdict, None, 0)
    assert (found.low, found.high) == (None, None)


def test_pairs_with_a_single_seed_on_a_side_are_said_in_a_sentence_and_left_out_of_tables() -> None:
    one = {"resnet8": [measured(1, 0.9)], "pure8": [measured(1, 0.8)]}
    findings = findings_of(results_of({**one, "resnet14": three(0.9, 0.91, 0.92), "pure14": three(0.5, 0.51, 0.52)}))
    assert "pure8" not in [each.label for each in findings.compared_by("accuracy")]
    assert "pure14" in [each.label for each in findings.compared_by("accuracy")]
    assert "Not compared, because a network has only one seed: pure8 with resnet8." in notes("caveats", findings)
    alone = replace(findings, rows=tuple(row for row in findings.rows if row.seeds == 1))
    assert (notes("caveats", alone), alone.testable) == ((ONE_SEED,), ())


def test_seeds_that_diverged_keep_a_difference_and_are_no_test() -> None:
    """The survivors alone would be "better" by far."""
    lucky = [*three(0.9, 0.901), diverged(3)]
    found = {"resnet8": three(0.5, 0.51, 0.52), "pure8": lucky, "resnet14": three(0.5, 0.51, 0.52)}
    results = results_of({**found, "pure14": three(0.6, 0.61, 0.62)})
    findings = findings_of(results)
    sick, healthy = (comparison(findings, label) for label in ("pure8", "pure14"))
    assert sick.difference == pytest.approx(0.9005 - 0.51)
    assert (sick.of_survivors, sick.shown, sick.p) == (True, False, None)
    assert findings.tests == 1
    assert (healthy.p_adjusted, healthy.verdict) == (healthy.p, "better")
    written = document(findings)["comparisons"][0]
    assert (written["said"], written["diverged"], written["seeds"]) == ("1 of 3 seeds diverged", 1, 2)
    assert any("favours the network that lost seeds" in each for each in notes("caveats", findings))


def test_an_interval_of_a_difference_ends_where_differences_do() -> None:
    findings = findings_of(results_of({"resnet8": three(0.1, 0.6)[:2], "pure8": three(0.3, 0.99)[:2]}))
    found = comparison(findings, "pure8")
    assert (found.low, found.high) == (-1.0, 1.0)
    assert findings.rows[0].interval == (0.0, 1.0)  # nor do accuracies
    assert any("fewer than 3 seeds" in each for each in notes("caveats", findings))


def test_equal_networks_under_several_labels_are_one_test() -> None:
    """other is pure8 again: what its comparison says is said, and counted once."""
    text = FILE.replace("relu_in_block = true", "relu_in_block = false")
    found = {"resnet8": three(0.90, 0.91, 0.92)}
    for label in ("pure8", "other"):
        found[label] = three(0.925, 0.935, 0.945)
    findings = findings_of(results_of(found, text))
    first, again = (comparison(findings, label) for label in ("pure8", "other"))
    assert (first.repeats, again.repeats) == (None, ("pure8", "resnet8"))
    assert {row.label: row.repeats for row in findings.rows if row.repeats} == {"other": "pure8"}
    assert findings.tests == 1
    assert first.p_adjusted == again.p_adjusted == first.p
    assert first.verdict == again.verdict == "better"
    assert any("count as one test" in each for each in notes("caveats", findings))


def test_seeds_without_a_spread_have_no_interval_to_show() -> None:
    findings = findings_of(results_of({"pure8": three(0.5, 0.5, 0.5), "pure14": three(0.5, 0.6, 0.5)}))
    rows = {row.label: row for row in findings.rows}
    assert (rows["pure8"].interval, rows["pure8"].spread_interval) == ((0.5, 0.5), None)
    assert rows["pure14"].spread_interval == rows["pure14"].interval is not None
    assert any("no spread, so no interval" in each for each in notes("caveats", findings))


def test_everything_that_networks_were_evaluated_by_is_tested_in_one_family() -> None:
    def evaluated(accuracies: tuple[float, ...], noisy: tuple[float, ...]) -> list[Measurement]:
        return [
            replace(measured(seed, clean), evaluation=evaluation(clean, under))
            for seed, (clean, under) in enumerate(zip(accuracies, noisy, strict=True), start=1)
        ]

    same, low, high = (0.9, 0.91, 0.92), (0.30, 0.31, 0.32), (0.60, 0.61, 0.62)
    findings = findings_of(results_of({"resnet8": evaluated(same, low), "pure8": evaluated(same, high)}))
    found = {each.measure: each for each in findings.comparisons if each.label == "pure8"}
    noise, intensity = found[Measure("noise", "gaussian")], found[Measure("intensity")]
    assert list(found) == [Measure("accuracy"), Measure("views", "flip"), noise.measure, intensity.measure]
    assert noise.difference == intensity.difference == pytest.approx(0.3)
    assert noise.p == pytest.approx(float(stats.ttest_ind(high, low, equal_var=False).pvalue))
    assert findings.tests == 4
    adjusted = holm([p for each in found.values() if (p := each.p) is not None])
    assert [each.p_adjusted for each in found.values()] == pytest.approx(adjusted)
    assert [each.verdict for each in found.values()] == ["no difference shown"] * 2 + ["better"] * 2
    assert not noise.speeds


@pytest.mark.parametrize(("changed", "cost"), [({}, "none"), ({"dataset": "/data/other"}, None), ({"seeds": 2}, None)])
def test_a_stated_cost_is_of_the_scales_own_dataset_and_seeds(changed: dict[str, Any], cost: str | None) -> None:
    results = results_of({})
    grid = replace(results.grid, seeds=changed.get("seeds", 3))
    assert replace(results, settings={**results.settings, **changed}, grid=grid).stated_cost == cost


def test_convergence_is_read_off_the_curve_and_compared() -> None:
    slow = [measured(seed, 0.7, 0.8, 0.5, 0.4, 0.3) for seed in (1, 2)]
    fast = [measured(1, 0.9, 0.5, 0.3, 0.1), measured(2, 0.9, 0.2, 0.3, 0.15)]
    findings = findings_of(results_of({"resnet8": slow, "pure8": fast}))
    row = next(row for row in findings.rows if row.label == "pure8")
    assert findings.results.curve_kind == "validation"
    assert [each.target for each in row.convergence] == [0.5, 0.7, 0.9]
    assert [each.epochs for each in row.convergence] == [(1, 1), (2, 1), (3,)]
    assert [each.missed for each in row.convergence] == [0, 0, 1]
    assert row.convergence[1].mean_seconds == 3.0
    # 0.9 was not reached by every seed.
    half, more = comparison(findings, "pure8").speeds
    assert (half.target, half.epochs.mean, more.target, more.epochs.mean) == (0.5, 2.0, 0.7, pytest.approx(4 / 1.5))
    assert (more.epochs.low, more.epochs.high, more.against) == (2.0, 4.0, "1 to 2 against 4")
    written = document(findings)["comparisons"][0]["speeds"][1]
    assert written["seconds"] == {"mean": pytest.approx(4 / 1.5), "low": 2.0, "high": 4.0}
    assert written["own_epochs"] == [2, 1]


def test_accuracies_that_nobody_reached_are_said() -> None:
    def unreached(found: Mapping[str, list[Measurement]]) -> list[str]:
        return [each for each in notes("convergence", findings_of(results_of(found))) if each.startswith("No network")]

    nobody = [measured(seed, 0.7, 0.8, 0.6) for seed in (1, 2, 3)]
    assert unreached({"pure8": nobody}) == ["No network reached 50, 70 or 90 % so far."]
    one = [*nobody[:2], measured(3, 0.7, 0.4)]
    everything = dict.fromkeys(("resnet8", "resnet14", "pure8", "pure14", "other"), one)
    assert unreached(everything) == ["No network reached 70 or 90 %."]
    good = [measured(seed, 0.95, 0.05) for seed in (1, 2, 3)]
    assert unreached({"pure8": good, "resnet8": nobody}) == unreached({}) == []


def test_it_is_said_that_networks_were_evaluated_on_all_images() -> None:
    evaluated = [replace(each, evaluation=evaluation(0.9, 0.5)) for each in three(0.9, 0.91, 0.92)]
    results = results_of({"pure8": evaluated, "resnet8": evaluated})
    results = replace(results, settings={**results.settings, "data": {"scored": 359}})
    assert notes("quality", findings_of(results)) == ("Evaluated, like the accuracy, on all 359 test images.",)
    plain = results_of({"pure8": three(0.9, 0.91, 0.92)})
    assert notes("quality", findings_of(plain)) == ()


def test_curves_are_means_with_the_lowest_and_the_highest_seed() -> None:
    results = results_of({"pure8": [measured(1, 0.9, 0.5, 0.25), measured(2, 0.9, 0.25), missing(3)]})
    curve = next(row.curve for row in findings_of(results).rows if row.label == "pure8")
    assert [(epoch, found.mean, found.low, found.high) for epoch, found in curve.items()] == [
        (1, 0.625, 0.5, 0.75),
        (2, 0.75, 0.75, 0.75),
    ]


def test_the_document_is_strict_json_and_whole() -> None:
    results = results_of({"resnet8": three(0.9, 0.91, 0.92), "pure8": [diverged(1), missing(2), missing(3)]})
    found = document(findings_of(results))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert (again["schema"], again["trainings"], again["complete"], again["diverged"]) == (2, 15, 3, 1)
    assert [network["label"] for network in again["networks"]] == ["resnet8", "resnet14", "pure8", "pure14", "other"]
    assert again["networks"][0]["mean"] == pytest.approx(0.91)
    assert again["networks"][2]["mean"] is None
    assert {each["label"]: each["reference"] for each in again["comparisons"]} == {
        "pure8": "resnet8",
        "pure14": "resnet14",
        "other": "resnet8",
    }


def evaluation(accuracy: float, noisy: float, cosine: float | None = 0.5) -> dict[str, Any]:
    return {
        "images": 359,
        "accuracy": accuracy,
        "top5": 0.99,
        "calibration_error": None,
        "views": {"name": "flip", "accuracy": accuracy, "top5": None},
        "noise": {"gaussian": [{"level": 0.0, "accuracy": accuracy}, {"level": 0.1, "accuracy": noisy}]},
        "intensity": [{"factor": 2.0, "accuracy": noisy, "agreement": 0.75, "cosine": cosine}],
    }


def test_evaluations_of_several_seeds_are_one_with_a_spread() -> None:
    found = evaluation_over_seeds([evaluation(0.9, 0.5), evaluation(0.8, 0.6, None)])
    assert found is not None
    assert found.views is not None
    assert (found.views.name, found.views.top5, found.images) == ("flip", None, 359)
    assert (found.views.accuracy.mean, found.views.accuracy.low) == (pytest.approx(0.85), 0.8)
    assert found.calibration_error is None
    clean, noisy = found.noise["gaussian"]
    assert (clean.level, clean.accuracy.mean) == (0.0, pytest.approx(0.85))
    assert (noisy.accuracy.mean, noisy.accuracy.low, noisy.accuracy.high) == (pytest.approx(0.55), 0.5, 0.6)
    assert found.noise_accuracy["gaussian"].mean == pytest.approx(0.55)
    unchanged, doubled = found.intensity
    assert (unchanged.factor, unchanged.accuracy.mean, unchanged.agreement.mean) == (1.0, pytest.approx(0.85), 1.0)
    assert doubled.cosine is not None
    assert doubled.cosine.mean == 0.5
    assert evaluation_over_seeds([]) is None
    with pytest.raises(RunError, match=r"evaluation\.json of the run is damaged: it has no valid 'intensity'"):
        evaluation_over_seeds([{key: value for key, value in evaluation(0.9, 0.5).items() if key != "intensity"}])
