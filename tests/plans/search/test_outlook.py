"""What a search says of its next trials, and how it ends where they would bring little."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from interleaved import Interleaved
from made_up_runs import make_run
from searches import results_of, run_search

from pure_nas.plans.search.outlook import Outlook, outlook_of, outlook_of_run
from pure_nas.plans.search.session import Prepared
from pure_nas.plans.search.settings import SearchSettings
from pure_nas.report.notes import notes
from pure_nas.run.search_results import Results, load_results
from pure_nas.space.catalogue import load_space
from pure_nas.workers.resources import WorkerPlan

SPACE = """
schema = 1
[run]
epochs = 1
batch_size = 16
[architecture]
stages = 2
blocks_per_stage = 1
base_width = { low = 2, high = 6 }
units = { choices = ["conv", "product"], per = "layer" }
[recipe]
crop_padding = 1
learning_rate = { low = 1e-3, high = 0.3, log = true }
"""


def results(path: Path, trials: int, **options: Any) -> Results:
    return load_results(make_run(path, trials=trials, troubles=False, **options))


def test_too_few_trials_say_nothing(tmp_path: Path) -> None:
    assert outlook_of(results(tmp_path, 29)) is None
    assert outlook_of(results(tmp_path / "more", 40), 40) is None


def test_without_a_model_half_of_what_the_last_trials_brought_is_expected(tmp_path: Path) -> None:
    found = results(tmp_path, 50)
    before = replace(found, trials=found.trials[:30]).hypervolume
    outlook = outlook_of(found)
    assert outlook == Outlook(20, (found.hypervolume - before) / 2 / found.hypervolume, modelled=False)


def test_trials_that_only_repeat_others_bring_nothing_and_count_for_nothing(tmp_path: Path) -> None:
    found = results(tmp_path, 40)
    repeats = [replace(found.trials[0], number=40 + index, replay_of=0) for index in range(20)]
    assert outlook_of(replace(found, trials=(*found.trials, *repeats))) == outlook_of(found)


def test_a_run_is_asked_with_its_model_and_for_as_long_as_an_hour(tmp_path: Path) -> None:
    space = load_space("digits").model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"run"})
    run = make_run(tmp_path, trials=60, settings={"search_space": space}, troubles=False)
    (tmp_path / "state.json").write_text('{"schema": 1, "seconds": 21000.0}\n')
    outlook = outlook_of_run(run, load_results(run))
    assert outlook is not None
    assert (outlook.trials, outlook.modelled) == (10, True)
    assert outlook.seconds == pytest.approx(3500, rel=0.01)
    (tmp_path / "state.json").write_text('{"schema": 1, "seconds": 60.0}\n')
    fast = outlook_of_run(run, load_results(run))
    assert fast is not None
    assert fast.trials == 30


def test_a_run_whose_space_cannot_be_read_is_asked_without_a_model(tmp_path: Path) -> None:
    units = {"choices": ["conv", "of_another_package"], "per": "layer"}
    run = make_run(tmp_path, trials=60, settings={"search_space": {"architecture": {"units": units}}})
    outlook = outlook_of_run(run, load_results(run))
    assert outlook is not None
    assert not outlook.modelled


def test_what_is_said() -> None:
    (sentence,) = notes("outlook", Outlook(20, 0.0234, modelled=True, seconds=600))
    assert sentence == (
        "Another 20 trials (about 10 min) would likely add 2.3 % to the hypervolume, going by a model of errors and "
        "what the last ones brought."
    )
    (flat,) = notes("outlook", Outlook(20, 0.0004, modelled=False))
    assert flat == (
        "Another 20 trials would likely add less than 0.1 % to the hypervolume, going by what the last ones brought; "
        "--until-flat would end here."
    )


@pytest.fixture
def make(image_folder: Path, tmp_path: Path) -> Callable[..., SearchSettings]:
    from searches import settings_for

    path = tmp_path / "flat.toml"
    path.write_text(SPACE, encoding="utf-8")
    return lambda **changes: settings_for(
        image_folder, path, **{"sampler": "forecast", "trials": 90, "until_flat": True, **changes}
    )


def test_a_search_ends_where_little_is_left_however_many_train_and_resumes_to_the_same(
    make: Callable[..., SearchSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = random.Random(0)

    def start(prepared: Prepared, left: int) -> tuple[Interleaved, WorkerPlan]:
        count = slots.choice((1, 2, 4))
        return Interleaved(prepared.dataset, count, stop_after=interrupted.pop(0)), WorkerPlan(count, "for a test")

    monkeypatch.setattr(Prepared, "start_workers", start)
    monkeypatch.setattr("pure_nas.plans.search.outlook.FLAT", 0.005)  # which fewer trials reach
    interrupted: list[int | None] = [None, 70, None]
    stopped = run_search(make(), tmp_path / "whole")
    assert stopped == "another 20 trials would likely add less than 0.2% to the hypervolume"
    with pytest.raises(KeyboardInterrupt):
        run_search(make(), tmp_path / "halted")
    assert run_search(make(), tmp_path / "halted") == stopped
    whole, halted = (
        [(each.number, each.candidate.digest, each.objectives) for each in results_of(tmp_path / name).trials]
        for name in ("whole", "halted")
    )
    assert whole == halted
    assert 30 <= len(whole) < 90
    # Without the option the same run goes on to its trials.
    interrupted = [None]
    assert run_search(make(until_flat=False, trials=len(whole) + 2), tmp_path / "whole").startswith("all ")
