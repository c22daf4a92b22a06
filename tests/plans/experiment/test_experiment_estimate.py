"""How long an experiment is expected to take, and what measures it."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from experiment_files import go, results_of, settings_of

from pure_nas.files import read_json_lines
from pure_nas.plans.estimate import expected_of
from pure_nas.plans.experiment.session import opened, prepare
from pure_nas.space.candidate import Candidate
from pure_nas.workers import InlineExecutor


def test_the_estimate_grows_with_the_work(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        InlineExecutor, "seconds_per_image", lambda self, candidate, seconds: candidate.architecture.depth * 1e-3
    )

    def seconds(changed: str) -> dict[str, float]:
        prepared = prepare(settings_of(changed))
        with opened(prepared, tmp_path / sha256(changed.encode()).hexdigest()) as experiment:
            found = expected_of(experiment.plan, experiment.driver.workers(1)[0], prepared, prepared.scored)
            return {name: each.seconds for name, each in found.items()}

    once = seconds(text)
    # 72 images for 2 epochs and 24 scored at about a third of their price, 8 ms each.
    assert once["adds-seed1"] == pytest.approx(8e-3 * (2 * 72 + 0.35 * 24))
    assert len(once) == 6
    longer = seconds(text.replace("epochs = 2", "epochs = 20"))
    assert longer["adds-seed1"] == pytest.approx(8e-3 * (20 * 72 + 0.35 * 24))
    judged = seconds(text.replace("schema = 1", 'schema = 1\nevaluations = ["invariance"]'))
    assert judged["adds-seed1"] == pytest.approx(8e-3 * (2 * 72 + 0.35 * 24 * 8))
    deeper = seconds(
        text.replace('base = "resnet8"', 'base = { each = ["resnet8", "resnet14", "resnet20"] }').replace(
            'reference = "adds"', ""
        )
    )
    shares = [deeper[f"resnet{depth}-seed1"] / once["adds-seed1"] for depth in (8, 14, 20)]
    assert shares[0] == pytest.approx(1.0)
    assert shares[2] == pytest.approx(20 / 8)
    assert shares[0] < shares[1] < shares[2]


def test_an_epoch_of_the_estimate_is_what_a_short_session_must_do(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlineExecutor, "seconds_per_image", lambda self, candidate, seconds: 1e-3)
    found = {}
    for split in ("test", "validation"):
        prepared = prepare(settings_of(text.replace("schema = 1", f'schema = 1\nsplit = "{split}"')))
        with opened(prepared, tmp_path / split) as experiment:
            executor = experiment.driver.workers(1)[0]
            found[split] = expected_of(experiment.plan, executor, prepared, prepared.scored)["adds-seed1"]
    # Test images are scored once at the end, validation images (beside as many that set the norms) in every epoch.
    train, held_out = (len(images) for images in (prepared.dataset.train, prepared.dataset.validation))
    assert (found["test"].epoch, found["test"].after) == (pytest.approx(0.072), pytest.approx(0.35 * 0.024))
    assert found["validation"].epoch == pytest.approx(1e-3 * (train + 0.35 * (held_out + train)))
    assert found["validation"].after == 0
    for each in found.values():
        assert each.seconds == pytest.approx(2 * each.epoch + each.after)


def test_what_was_trained_before_is_not_measured_anew(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, timed = tmp_path / "run", list[str]()

    def seconds_per_image(self: InlineExecutor, candidate: Candidate, seconds: float) -> float:
        timed.append(candidate.digest)
        return 1e-3

    monkeypatch.setattr(InlineExecutor, "seconds_per_image", seconds_per_image)
    go(settings_of(text, time_seconds=0.0), folder)  # an epoch of the first network
    record = folder / "trials" / "adds-seed1" / "metrics.jsonl"
    record.write_text(json.dumps({**read_json_lines(record)[0], "seconds": 72.0}) + "\n", encoding="utf-8")

    def expected(**fields: Any) -> dict[str, float]:
        timed.clear()
        prepared = prepare(settings_of(text, **fields))
        with opened(prepared, folder) as experiment:
            executor = experiment.driver.workers(1)[0]
            found = expected_of(experiment.plan, executor, prepared, prepared.scored, experiment.epoch_seconds)
            return {name: each.epoch for name, each in found.items()}

    found = expected()
    assert (found["adds-seed1"], found["adds-seed2"]) == (pytest.approx(72.0), pytest.approx(72.0))
    assert found["multiplies-0-seed1"] == pytest.approx(0.072)
    products = {cell.candidate.digest for cell in results_of(folder).grid.cells[1:]}
    assert set(timed) <= products
    # On another machine an epoch takes another time.
    monkeypatch.setattr("pure_nas.run.environment.device_name", lambda device: "a faster CPU")
    assert expected()["adds-seed1"] == pytest.approx(0.072)
    assert set(timed) - products


def test_workers_end_where_the_estimate_fails(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[InlineExecutor] = []

    def close(self: InlineExecutor) -> None:
        closed.append(self)

    monkeypatch.setattr(InlineExecutor, "close", close)
    with suppress(KeyboardInterrupt), opened(prepare(settings_of(text)), tmp_path / "run") as experiment:
        experiment.driver.workers(1)
        raise KeyboardInterrupt
    assert len(closed) == 1


def test_a_scale_that_asks_for_more_images_than_there_are_is_told_how_many(text: str) -> None:
    more = text.replace("schema = 1", 'schema = 1\nevaluations = ["quality"]')
    more = more.replace('cost = "seconds"', 'cost = "seconds"\nlimit = 5000\nevaluated = 25')
    assert prepare(settings_of(more)).notes == {
        "limit": "5,000 images were requested, but there are only 72",
        "evaluated": "25 images were requested, but there are only 24",
    }
    fitting = more.replace("limit = 5000", "limit = 72").replace("evaluated = 25", "evaluated = 24")
    assert prepare(settings_of(fitting)).notes == {}
