"""Retraining compares a trial with its twins on the test split, and resumes where it stopped."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from heard import Heard
from interleaved import train_interleaved

from benchmarks.images import load_dataset
from pure_nas.analysis.convergence import USUAL_TARGETS
from pure_nas.analysis.statistics import difference, holm
from pure_nas.cost.layers import cost_of
from pure_nas.data.dataset import Dataset
from pure_nas.errors import RunError, UsageError
from pure_nas.files import read_json, write_whole
from pure_nas.nn.network import build
from pure_nas.plans.retrain import Retrain, _verdicts, select_trials
from pure_nas.quantities import show_points
from pure_nas.run.directory import RunDirectory
from pure_nas.run.images import RunImages
from pure_nas.run.retrained import Retraining, Row, Variant, load_retraining, retrained_folder, variants_of
from pure_nas.run.search_results import Results, TrialRecord
from pure_nas.run.weights import read_weights
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe
from pure_nas.space.unit import CONV, PRODUCT
from pure_nas.training.scoring import evaluate
from pure_nas.training.step import Step

MIXED = Architecture(
    units=(("product", "conv"),), base_width=2, threshold_init=(0.5,), in_chans=1, num_classes=3, image_size=8
)
OWN_RECIPE = Recipe.usual(
    PRODUCT, epochs=1, batch_size=16, crop_padding=1, learning_rate=PerKind.same(0.05), gradient_clip_norm=1.0
)


def trial(architecture: Architecture = MIXED, recipe: Recipe = OWN_RECIPE, number: int = 3) -> TrialRecord:
    return TrialRecord(
        number=number, state="complete", candidate=Candidate(architecture, recipe), objectives=(0.1 * number, 100.0)
    )


def run_on(folder: Path, path: Path) -> RunDirectory:
    """A run that searched on the images of `folder`."""
    run = RunDirectory(path)
    fingerprint = load_dataset(folder).fingerprint
    run.write_settings(
        {"dataset": str(folder), "seed": 0, "skip_corrupt": False, "epochs": 1, "data": {"fingerprint": fingerprint}}
    )
    return run


@pytest.fixture
def run(image_folder: Path, tmp_path: Path) -> RunDirectory:
    return run_on(image_folder, tmp_path / "run")


def retrained(run: RunDirectory, trials: list[TrialRecord], heard: Heard | None = None, **fields: Any) -> Retraining:
    chosen = {"seeds": 1, "epochs": None, "device": "cpu", "data_dir": None, **fields}
    retraining = Retrain(run, trials, **chosen)
    return retraining.go(heard or Heard())


def variants(record: TrialRecord, epochs: int | None = None) -> list[Variant]:
    return variants_of(record.number, record.candidate, epochs)


def test_twins_are_trained_by_their_usual_recipe_and_by_the_trials() -> None:
    found = variants(trial(), epochs=None)
    assert [variant.name for variant in found] == [
        "trial",
        "conv twin, usual recipe",
        "conv twin, same recipe",
        "product twin, usual recipe",
        "product twin, same recipe",
    ]
    assert {variant.trial for variant in found} == {3}
    assert found[0].candidate == trial().candidate
    for variant, unit in zip(found[1:], (CONV, CONV, PRODUCT, PRODUCT), strict=True):
        architecture, recipe = variant.candidate.architecture, variant.candidate.recipe
        assert architecture == MIXED.with_unit(unit.name)
        usual = variant.name.endswith("usual recipe")
        expected = Recipe.usual(unit) if usual else OWN_RECIPE
        assert (recipe.learning_rate, recipe.weight_decay) == (expected.learning_rate, expected.weight_decay)
        # All but the rates and decays is the trial's, so that the comparison is of the network.
        rest = {"learning_rate", "weight_decay"}
        assert recipe.model_dump(exclude=rest) == OWN_RECIPE.model_dump(exclude=rest)


@pytest.mark.parametrize("unit", [CONV, PRODUCT])
def test_no_twin_is_the_trial_itself(unit: Any) -> None:
    architecture = MIXED.with_unit(unit.name)
    names = [variant.name for variant in variants(trial(architecture), epochs=None)]
    assert f"{unit.name} twin, same recipe" not in names
    assert f"{unit.name} twin, usual recipe" in names
    usual = Recipe.usual(unit, epochs=1)
    names = [variant.name for variant in variants(trial(architecture, usual), epochs=None)]
    assert not [name for name in names if name.startswith(unit.name)]
    # A setting that nothing in the network reads makes no twin.
    if unit is CONV:
        other = architecture.model_copy(update={"threshold_init": (1.5,), "exponent_cap": None})
        assert not [each for each in variants(trial(other, usual), epochs=None) if each.name.startswith("conv")]


def test_trials_are_selected_by_name_and_number_once() -> None:
    trials = (trial(number=1), trial(number=2), trial(number=4))
    results = Results(("error", "flops"), (1.0, 1000.0), trials)
    assert [each.number for each in select_trials(results, "front")] == [1]
    assert [each.number for each in select_trials(results, "4, best,1,2")] == [4, 1, 2]
    with pytest.raises(UsageError, match="no trial 7"):
        select_trials(results, "1,7")
    with pytest.raises(RunError, match="No trial of this run is complete"):
        select_trials(Results(("error", "flops"), (1.0, 1000.0), ()), "front")


def test_networks_are_trained_on_all_but_the_test_images_and_scored_on_those(
    run: RunDirectory, image_folder: Path
) -> None:
    heard = Heard()
    found = retrained(run, [trial()], heard, seeds=2, epochs=2)
    trained = [(each.training.label, each.training.seed) for each in heard.trained]
    assert trained == [(f"trial 3, {variant.name}", seed) for variant in variants(trial(), 2) for seed in (1, 2)]
    assert [each.outcome.metrics["accuracy"] for each in heard.trained] == [
        accuracy for each in found.rows for accuracy in each.test_accuracy
    ]
    dataset = load_dataset(image_folder)
    row = found.rows[0]
    for seed, accuracy in enumerate(row.test_accuracy, start=1):
        candidate = variants(trial(), 2)[0].candidate
        folder = run.path / "retrain" / f"{candidate.digest}-seed{seed}"
        network = build(candidate.architecture)
        network.load_state_dict(read_weights(folder / "weights.safetensors")[0])
        assert evaluate(network, dataset.test(), torch.device("cpu")).accuracy == accuracy
        assert len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 2
        assert read_json(folder / "result.json")["seed"] == seed
    assert [each.target for each in row.convergence] == list(USUAL_TARGETS)
    assert all(len(each.epochs) + each.missed == 2 for each in row.convergence)
    cost = cost_of(MIXED)
    assert (row.trial, row.variant, row.params, row.flops) == (3, "trial", cost.params, cost.flops)
    assert [len(each.test_accuracy) for each in found.rows] == [2] * 5
    assert len(found.verdicts) == 2

    written = read_json(run.path / "retrain.json")
    assert written == json.loads(json.dumps(found.document()))
    assert written["schema"] == 2
    assert {(row["epochs"], *row["seeds"]) for row in written["rows"]} == {(2, 1, 2)}
    assert written["rows"][0]["mean"] == pytest.approx(sum(row.test_accuracy) / 2)
    assert [each["trial"] for each in written["verdicts"]] == [3, 3]


def test_what_was_retrained_is_not_trained_again(run: RunDirectory, trained: list[str]) -> None:
    before = retrained(run, [trial()])
    (run.path / "retrain.json").unlink()
    assert retrained(run, [trial()]) == before
    assert (run.path / "retrain.json").exists()
    assert len(trained) == 5
    heard = Heard()
    more = retrained(run, [trial()], heard, seeds=2)
    assert len(trained) == 10
    assert len(heard.trained) == 5
    assert [row.test_accuracy[0] for row in more.rows] == [row.test_accuracy[0] for row in before.rows]


def test_two_trials_share_their_twins(run: RunDirectory) -> None:
    heard = Heard()
    other = MIXED.model_copy(update={"units": (("conv", "product"),)})
    found = retrained(run, [trial(), trial(other, number=5)], heard)
    assert len(found.rows) == 10
    assert len(heard.trained) == 6
    twins = {(row.trial, row.variant): row.test_accuracy for row in found.rows if row.variant != "trial"}
    assert all(twins[3, name] == twins[5, name] for number, name in twins if number == 3)


def test_a_diverged_seed_is_counted_and_has_no_accuracy(run: RunDirectory, diverging: Callable[..., None]) -> None:
    diverging(lambda training: training.seed == 1 and "conv" not in training.network.architecture.unit_set)
    found = retrained(run, [trial()], seeds=2)
    assert [row.diverged for row in found.rows] == [0, 0, 0, 1, 1]
    assert [len(row.test_accuracy) for row in found.rows] == [2, 2, 2, 1, 1]
    assert any("Seeds diverged, so nothing is tested" in each.text for each in found.verdicts)


def test_running_out_of_memory_is_said_and_tried_again(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", out_of_memory)
        with pytest.raises(RunError, match="out of memory on cpu") as raised:
            retrained(run, [trial()])
    assert "--device" in raised.value.hint
    assert not list(run.path.rglob("result.json"))
    assert all(row.test_accuracy for row in retrained(run, [trial()]).rows)


def test_changed_images_are_refused(image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(image_folder, folder)
    run = run_on(folder, tmp_path / "run")
    assert isinstance(RunImages.of_run(run).loader()(), Dataset)
    (folder / "train" / "crosses" / "003.png").unlink()
    with pytest.raises(RunError, match=r"The images of .+ have changed since .+ was written"):
        retrained(run, [trial()])
    assert not (run.path / "retrain").exists()


UNTESTED = "Seeds diverged, so nothing is tested: trial 3"


def row(variant: str, *accuracies: float, diverged: int = 0) -> Row:
    return Row(trial=3, variant=variant, params=10, flops=100, test_accuracy=accuracies, diverged=diverged)


def verdicts(*rows: Row) -> list[str]:
    found = list(_verdicts(rows))
    assert {each.trial for each in found} <= {3}
    return [each.text for each in found]


def test_a_trial_is_compared_with_the_better_recipe_of_each_twin() -> None:
    texts = verdicts(
        row("trial", 0.90, 0.91, 0.92),
        row("conv twin, usual recipe", 0.70, 0.71, 0.72),
        row("conv twin, same recipe", 0.80, 0.81, 0.82),
        row("product twin, usual recipe", 0.93, 0.94, 0.95),
        row("product twin, same recipe", 0.60, 0.61, 0.62),
    )
    first, second = (difference([0.90, 0.91, 0.92], other) for other in ([0.80, 0.81, 0.82], [0.93, 0.94, 0.95]))
    corrected = holm([first.p, second.p])
    assert texts == [
        f"{verdict} than its twin: trial 3 91.00 %, {twin} (difference {show_points(found.value)} points, "
        f"95 % interval {show_points(found.low)} to {show_points(found.high)}, p {p:.3f} corrected for 2 comparisons)."
        for verdict, twin, found, p in (
            ("Better", "conv twin, same recipe 81.00 %", first, corrected[0]),
            ("Worse", "product twin, usual recipe 94.00 %", second, corrected[1]),
        )
    ]


def test_verdicts_count_how_many_comparisons_there_were() -> None:
    """A difference that one comparison would show is none among ten of which nine show nothing."""
    alone = [row("trial", 0.90, 0.91, 0.92), row("conv twin, same recipe", 0.875, 0.885, 0.895)]
    others = [
        replace(each, trial=number)
        for number in range(10, 19)
        for each in (row("trial", 0.90, 0.91, 0.92), row("conv twin, same recipe", 0.90, 0.905, 0.92))
    ]
    (text,) = verdicts(*alone)
    assert text.startswith("Better than its twin")
    assert "corrected" not in text
    among = {each.trial: each.text for each in _verdicts([*alone, *others])}
    assert among[3].startswith("No difference shown")
    assert "corrected for 10 comparisons" in among[3]


CONV_TWIN, PRODUCT_TWIN = "conv twin, same recipe", "product twin, same recipe"


@pytest.mark.parametrize(
    ("rows", "beginnings"),
    [
        ([row("trial", 0.9, 0.9)], []),
        ([row("trial", 0.9), row(CONV_TWIN, 0.8), row(PRODUCT_TWIN, 0.7)], []),
        ([row("trial", 0.9), row(CONV_TWIN, 0.9, 0.91, 0.92)], ["Not enough seeds to compare: trial 3 9"]),
        ([row("trial", 0.9, 0.91, 0.92), row(CONV_TWIN, 0.9)], ["Not enough seeds to compare: trial 3 9"]),
        (
            [row("trial", 0.80, 0.90, 0.91), row(CONV_TWIN, 0.79, 0.89, 0.88)],
            [f"No difference shown: trial 3 87.00 %, {CONV_TWIN} 85.33 % (difference +1.67"],
        ),
        (
            [row("trial", 0.9, 0.9), row(CONV_TWIN, diverged=2), row(PRODUCT_TWIN, 0.5, 0.6)],
            ["Every conv twin of trial 3 diverged.", "No difference shown: trial 3 90.00 %"],
        ),
        (
            [row("trial", diverged=2), row(CONV_TWIN, 0.5, 0.5), row(PRODUCT_TWIN, 0.5, 0.6)],
            ["Trial 3 diverged with every seed."],
        ),
        # Those that came through were chosen by coming through.
        (
            [row("trial", 0.90, 0.91, diverged=1), row(CONV_TWIN, 0.60, 0.61, 0.62)],
            [f"{UNTESTED} 90.50 % (1 of 3 seeds diverged), {CONV_TWIN} 61.00 %."],
        ),
        (
            [row("trial", 0.90, 0.91, 0.92), row(CONV_TWIN, 0.60, 0.61, diverged=1)],
            [f"{UNTESTED} 91.00 %, {CONV_TWIN} 60.50 % (1 of 3 seeds diverged)."],
        ),
        # A better twin that lost seeds is not passed over for a worse one.
        (
            [
                row("trial", 0.90, 0.91, 0.92),
                row("conv twin, usual recipe", 0.98, 0.99, diverged=1),
                row(CONV_TWIN, 0.80, 0.81, 0.82),
            ],
            [f"{UNTESTED} 91.00 %, conv twin, usual recipe 98.50 %"],
        ),
    ],
)
def test_what_shows_no_difference_is_said(rows: list[Row], beginnings: list[str]) -> None:
    texts = verdicts(*rows)
    assert [text[: len(start)] for text, start in zip(texts, beginnings, strict=True)] == beginnings


def test_rows_have_means_and_deviations_where_they_can() -> None:
    assert (row("trial", 0.5, 0.7).mean, row("trial", 0.5).std) == (pytest.approx(0.6), 0.0)
    assert row("trial", 0.5, 0.7).std == pytest.approx(math.sqrt(0.02))
    document = Retraining(rows=(row("trial", diverged=2),)).document()
    assert document["rows"][0]["mean"] is None
    assert json.loads(json.dumps(document, allow_nan=False))["schema"] == 2


def test_other_retrainings_are_kept(run: RunDirectory) -> None:
    other = trial(MIXED.model_copy(update={"units": (("conv", "product"),)}), number=5)
    first = retrained(run, [other], seeds=2)
    both = retrained(run, [trial()], seeds=2)
    assert both.trials == (3, 5)
    assert [each for each in both.rows if each.trial == 5] == list(first.rows)
    assert load_retraining(run) == both
    # Verdicts count everything that was compared, not what was compared last.
    assert both.verdicts == tuple(_verdicts(both.rows))
    assert {each.trial for each in both.verdicts} == {3, 5}


def test_fewer_seeds_do_not_take_seeds_away(run: RunDirectory) -> None:
    before = retrained(run, [trial()], seeds=3)
    assert retrained(run, [trial()], seeds=1) == before
    shutil.rmtree(retrained_folder(run, before.rows[0].digest, 3).path)
    after = retrained(run, [trial()], seeds=1)
    assert [each.seeds for each in after.rows] == [(1, 2), *[(1, 2, 3)] * 4]


def test_other_epochs_are_another_retraining(run: RunDirectory) -> None:
    long = retrained(run, [trial()], seeds=2, epochs=2)
    found = retrained(run, [trial()], seeds=2)
    assert found.groups == ((3, 1), (3, 2))
    assert [each for each in found.rows if each.epochs == 2] == list(long.rows)
    assert {each.text.split(":")[0] for each in found.verdicts} == {"With --epochs 1", "With --epochs 2"}
    own = found.row_of(trial().candidate)
    assert own is not None
    assert (own.variant, own.epochs) == ("trial", 2)


def test_a_network_is_known_again_whichever_trial_it_was_retrained_as(run: RunDirectory) -> None:
    found = retrained(run, [trial()], epochs=2)
    replay = trial(number=8).candidate
    assert found.row_of(replay) == found.rows[0]
    twin = Candidate(MIXED.with_unit("conv"), OWN_RECIPE)
    row = found.row_of(twin)
    assert row is not None
    assert row.variant == "conv twin, same recipe"
    assert found.row_of(Candidate(MIXED.with_unit("log-conv"), OWN_RECIPE)) is None


def test_a_retraining_that_is_killed_leaves_the_earlier_ones(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = retrained(run, [trial()])
    train_interleaved(monkeypatch, 1, stop_after=3)
    with pytest.raises(KeyboardInterrupt):
        retrained(run, [trial(number=5)], epochs=2)
    assert load_retraining(run) == before


def test_edited_accuracies_of_retrained_networks_are_not_believed(run: RunDirectory) -> None:
    retrained(run, [trial()], seeds=1)
    document = read_json(run.path / "retrain.json")
    document["rows"][0] |= {"test_accuracy": [0.99], "mean": 0.99}
    write_whole(run.path / "retrain.json", json.dumps(document))
    with pytest.raises(RunError, match=r"retrain\.json was changed after it had been written"):
        load_retraining(run)


def test_retrained_networks_under_the_name_of_others_are_named(run: RunDirectory, tmp_path: Path) -> None:
    retrained(run, [trial()], seeds=2)
    first, second = sorted((run.path / "retrain").glob("*-seed1"))[:2]
    for folder, other in ((first, first.with_name(first.name[:-1] + "2")), (first, second)):
        kept = folder.rename(tmp_path / "kept")
        shutil.copytree(other, folder)
        with pytest.raises(RunError, match="holds the training of another network or seed"):
            retrained(run, [trial()], seeds=2)
        shutil.rmtree(folder)
        kept.rename(folder)
    retrained(run, [trial()], seeds=2)


def as_schema_1(run: RunDirectory, **fields: Any) -> None:
    """Write retrain.json as older versions did."""
    document = read_json(run.path / "retrain.json")
    rows = document["rows"]
    del document["digest"]
    older = {"schema": 1, "seeds": len(rows[0]["seeds"]), "epochs": rows[0]["epochs"], **fields}
    for each in rows:
        for name in ("digest", "epochs", "seeds"):
            del each[name]
    write_whole(run.path / "retrain.json", json.dumps({**document, **older}))


def test_what_older_versions_wrote_is_read_and_kept(run: RunDirectory) -> None:
    for record in (trial(), trial(number=5)):
        run.trial(record.number).write_candidate(record.candidate)
    before = retrained(run, [trial()], seeds=2, epochs=2)
    as_schema_1(run)
    assert load_retraining(run) == before
    (run.path / "retrain.json").unlink()
    before = retrained(run, [trial()], seeds=2)
    as_schema_1(run, epochs=None)  # as the first versions
    assert load_retraining(run) == before
    assert retrained(run, [trial(number=5)], seeds=2).trials == (3, 5)


@pytest.mark.parametrize(
    "change", [{"schema": 3}, {"rows": 3}, {"rows": [{"trial": 3}]}, {"seeds": "x"}, {"verdicts": [3]}]
)
def test_a_damaged_file_is_refused_before_anything_is_trained(run: RunDirectory, change: dict[str, Any]) -> None:
    write_whole(run.path / "retrain.json", json.dumps({"schema": 1, "seeds": 1, "rows": [], **change}))
    with pytest.raises(RunError, match=r"retrain.json is damaged") as raised:
        retrained(run, [trial()])
    assert "Move it away" in raised.value.hint
    assert not (run.path / "retrain").exists()
