"""A front that seeds confirm is shown with means, intervals, and how sure each place on it is."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from made_up_runs import add_complete_trial, candidate_of, start_run

from pure_nas.report import write_report
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.pages import search_page
from pure_nas.report.search_charts import page_charts
from pure_nas.report.search_tables import front_document, front_table, pairs_table, trials_table
from pure_nas.run.directory import RunDirectory
from pure_nas.run.hits import Hits, write_hits
from pure_nas.run.seeds import seed_folder

IMAGES = 287
WRONG = {0: 60, 1: 30, 2: 28, 3: 29}
"""Validation images that each trial gets wrong; every next one costs more."""


def keep_hits(run: RunDirectory, number: int, wrong: int) -> None:
    write_hits(run.trial(number), Hits("validation", "5f0c", np.arange(IMAGES) >= wrong))


def add_seed(run: RunDirectory, number: int, seed: int, wrong: int) -> None:
    trial = run.trial(number)
    folder = seed_folder(trial, seed)
    folder.write_candidate(trial.candidate())
    error, flops = wrong / IMAGES, float(1000 * (number + 1))
    write_hits(folder, Hits("validation", "5f0c", np.arange(IMAGES) >= wrong))
    folder.finish(
        {
            "schema": 1,
            "number": number,
            "seed": seed,
            "state": "complete",
            "metrics": {"error": error, "accuracy": 1 - error},
            "objectives": {"error": error, "flops": flops},
            "cost": {"flops": flops},
            "seconds": 100.0,
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """Four trials, the third of which has the lowest error by a single image."""
    run = start_run(tmp_path / "digits", trials=4)
    for number, wrong in WRONG.items():
        values = {"error": wrong / IMAGES, "flops": float(1000 * (number + 1))}
        candidate = candidate_of((("conv",),), base_width=4 + number)
        add_complete_trial(run, number, candidate, ("error", "flops"), random.Random(0), values=values)
        keep_hits(run, number, wrong)
    return run


@pytest.fixture
def confirmed(run: RunDirectory) -> ReportData:
    """The third was lucky, and the fourth is not."""
    for seed in (1, 2):
        add_seed(run, 2, seed, 40)
        add_seed(run, 3, seed, 20)
    return report_data(run)


def test_without_seeds_nothing_is_said_of_them(run: RunDirectory) -> None:
    table = front_table(report_data(run))
    assert {column.key for column in table.columns}.isdisjoint({"seeds", "front_share"})
    assert "drawn again" not in " ".join(table.notes)


def test_the_front_goes_by_means(run: RunDirectory, confirmed: ReportData) -> None:
    assert [row.number for row in confirmed.front] == [3, 1, 0]
    assert confirmed.results.best.number == 3
    means = {record["trial"]: record["error"] for record in front_table(confirmed).records()}
    assert means[3] == pytest.approx((29 + 20 + 20) / 3 / IMAGES)
    assert confirmed.results.trials[2].error == pytest.approx((28 + 40 + 40) / 3 / IMAGES)
    assert confirmed.seconds == pytest.approx(400 + sum(trial.seconds for trial in confirmed.trials))
    assert confirmed.trials_text.startswith("4 trials, 4 further seeds")


def test_every_place_has_its_seeds_an_interval_and_a_share_of_draws(confirmed: ReportData) -> None:
    first, *_, last = front_table(confirmed).records()
    assert (first["trial"], first["seeds"], last["seeds"]) == (3, 3, 1)
    assert first["error_low"] < first["error"] < first["error_high"]
    assert 0.7 < first["front_share"] <= 1 == last["front_share"]
    assert not any(record["twins"] for record in front_table(confirmed).records())
    (entry, *_) = front_document(confirmed)["front"]
    assert len(entry["errors"]) == 3
    assert entry["standing"]["on_front"] == first["front_share"]
    lines = trials_table(confirmed).records()
    assert [line["seeds"] for line in lines] == [1, 1, 3, 3]


def test_the_page_and_the_figure_show_intervals(run: RunDirectory, confirmed: ReportData) -> None:
    page = search_page(confirmed)
    assert "if the errors of all are drawn again" in page
    assert "networks that were trained with several seeds" in page
    assert "Errors are of few seeds" in page
    bars = [series.bars for series in page_charts(confirmed)["front-flops"].series if series.bars]
    assert [len(each) for each in bars] == [2]
    assert {path.name for path in write_report(run)} >= {"report.html", "front.md", "front-flops.png"}
    assert "on front" in (run.path / "front.md").read_text(encoding="utf-8")


def test_neighbours_are_compared_image_by_image(run: RunDirectory) -> None:
    table = pairs_table(report_data(run))
    assert table is not None
    records = table.records()
    pairs = [(each["network"], each["compared_with"]) for each in records]
    assert pairs == [("trial 1", "trial 2"), ("trial 0", "trial 1"), ("trial 0", "trial 2")]
    for each in records:
        number, other = (int(each[name].split()[1]) for name in ("network", "compared_with"))
        assert each["only_first"] == max(WRONG[other] - WRONG[number], 0)
        assert each["only_second"] == max(WRONG[number] - WRONG[other], 0)
        assert each["difference"] == pytest.approx((WRONG[number] - WRONG[other]) / IMAGES)
    assert "McNemar" in " ".join(table.notes)


def test_other_images_are_not_compared(run: RunDirectory) -> None:
    for number in WRONG:
        write_hits(run.trial(number), Hits("validation", f"split {number}", np.ones(IMAGES, dtype=bool)))
    assert pairs_table(report_data(run)) is None
