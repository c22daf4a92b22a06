"""A checkpoint is taken up whole, or left aside with a word in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from small_training import MIXED, same, training, weights


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


def saved(path: Path) -> bytes:
    run = training()
    run.run_epoch()
    run.save_checkpoint(path, "digest")
    return path.read_bytes()


def assert_left_aside(path: Path, caplog: pytest.LogCaptureFixture, words: str, digest: str = "digest") -> None:
    caplog.clear()
    run = training()
    with caplog.at_level(logging.WARNING):
        assert not run.restore_checkpoint(path, digest)
    assert run.epoch == 0
    assert same(weights(run), weights(training()))
    assert words in caplog.text
    assert "anew" in caplog.text


def test_where_there_is_none_training_begins_without_a_word(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not training().restore_checkpoint(path, "digest")
    assert not caplog.records


def test_a_checkpoint_of_something_else_is_left_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path)
    assert_left_aside(path, caplog, "belongs to something else", digest="another")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_checkpoint_that_was_cut_short_is_left_aside(
    share: float, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = saved(path)
    path.write_bytes(data[: int(share * len(data))])
    assert_left_aside(path, caplog, "damaged")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_single_wrong_bit_is_noticed(share: float, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(saved(path))
    data[int(share * len(data))] ^= 4
    path.write_bytes(data)
    assert_left_aside(path, caplog, "damaged")


@pytest.mark.parametrize("content", [b"nonsense", b"PK\x03\x04 cut", None], ids=["text", "zip", "folder"])
def test_what_is_no_checkpoint_is_left_aside(
    content: bytes | None, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert_left_aside(path, caplog, "damaged")


def test_weights_that_do_not_fit_leave_the_network_as_it_was(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wider = training(architecture=MIXED.model_copy(update={"num_classes": 5}))
    wider.run_epoch()
    wider.save_checkpoint(path, "digest")
    assert_left_aside(path, caplog, "does not fit")


def test_a_checkpoint_of_epochs_without_a_record_is_left_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved(path)
    with caplog.at_level(logging.WARNING):
        assert not training().restore_checkpoint(path, "digest", known_epochs=0)
    assert "lack a record" in caplog.text
    assert training().restore_checkpoint(path, "digest", known_epochs=1)
