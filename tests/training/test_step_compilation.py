"""How steps are carried out is chosen by the device and by measurements."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forked import in_a_fork
from hypothesis import given
from hypothesis import strategies as st
from small_training import MIXED, recipe, training, weights
from torch._dynamo import lookup_backend

from pure_nas.nn.network import build
from pure_nas.training import step
from pure_nas.training.step import (
    Execution,
    Experience,
    Step,
    compile_blocks,
    compiler_settings,
    make_optimizer,
    remember,
    remembered,
    repays,
    undo_compilation,
)

FAST = Experience(seconds_per_block=5.0, speedup=1.5)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where experience is kept."""
    monkeypatch.setattr(step, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@given(st.floats(0, 1e6), st.integers(1, 20), st.floats(0, 100), st.floats(0.5, 4))
def test_compiling_repays_exactly_where_it_saves_more_than_it_costs(
    left: float, blocks: int, seconds: float, speedup: float
) -> None:
    known = Experience(seconds_per_block=seconds, speedup=speedup)
    saved = left - left / speedup - seconds * blocks
    if abs(saved) > 1e-6:
        assert repays(left, blocks, known) == (saved > 0 and speedup >= 1.03)


def test_without_experience_compiling_is_tried_where_that_costs_little() -> None:
    assert [repays(left, 3, None) for left in (60.0, 1199.0, 1201.0)] == [False, False, True]


def test_experience_outlives_the_process_and_damage(cache: Path) -> None:
    assert remembered() == {}
    remember("conv on a GPU", FAST)
    slow = Experience(seconds_per_block=1.0, speedup=0.9)
    remember("product on a GPU", slow)
    assert remembered() == {"conv on a GPU": FAST, "product on a GPU": slow}
    for damaged in ("", "[]", '{"schema": 2, "makes": {}}', '{"schema": 1, "makes": {"conv on a GPU": {"x": 1}}}'):
        (cache / "compilation.json").write_text(damaged, encoding="utf-8")
        assert remembered() == {}
    remember("conv on a GPU", FAST)
    assert remembered() == {"conv on a GPU": FAST}


def test_experience_that_cannot_be_kept_is_reported_and_no_more(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache.write_text("a file", encoding="utf-8")
    remember("conv", FAST)
    assert remembered() == {}
    assert "cannot be kept" in caplog.text


def make_step(device: str, asked: Execution = "auto") -> Step:
    """For a device on which nothing is computed here."""
    network = build(MIXED)
    return Step(network, make_optimizer(network, recipe()), recipe(), torch.device(device), asked)


class Compiler:
    """Stands in for compiling blocks, which takes seconds even for these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compiled = False
        monkeypatch.setattr(step, "compile_blocks", lambda network: setattr(self, "compiled", True))
        monkeypatch.setattr(step, "undo_compilation", lambda network: setattr(self, "compiled", False))


@pytest.mark.parametrize(
    ("device", "asked", "kind"),
    [
        ("cpu", "auto", "eager"),
        ("cpu", "recorded", "recorded"),
        ("cpu", "compiled", "compiled, eager"),
        ("cuda", "auto", "recorded"),
        ("cuda", "eager", "eager"),
        ("cuda", "compiled", "compiled, recorded"),
    ],
)
def test_steps_are_carried_out_as_asked_or_as_suits_the_device(
    device: str, asked: Execution, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = Compiler(monkeypatch)
    assert make_step(device, asked).kind == kind
    assert compiler.compiled is (asked == "compiled")


@pytest.mark.parametrize(("after", "kept"), [(60.0, True), (150.0, False)])
def test_a_gpu_compiles_where_that_repays_and_undoes_what_made_steps_slower(
    after: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "device_name", lambda device: "a GPU")
    compiler, chosen = Compiler(monkeypatch), make_step("cuda")
    chosen.epoch_done(500.0, 99)
    assert not compiler.compiled
    chosen.epoch_done(100.0, 98)
    assert compiler.compiled
    assert chosen.kind == "compiled, recorded"
    chosen.epoch_done(160.0, 97)
    chosen.epoch_done(after, 96)
    assert compiler.compiled is kept
    assert chosen.kind == ("compiled, recorded" if kept else "recorded")
    (found,) = remembered().values()
    assert found.speedup == pytest.approx(100 / after)
    assert found.seconds_per_block == pytest.approx(max(160 - after, 0) / 3)

    again, later = Compiler(monkeypatch), make_step("cuda")
    later.epoch_done(5.0, 99)
    later.epoch_done(5.0, 98)
    # What was learnt decides: 490 s are left, of which 40 % are saved, for 100 s of compiling.
    assert again.compiled is kept


@pytest.mark.parametrize(("device", "seconds", "left"), [("cpu", 1e6, 100), ("cuda", 1.0, 10)])
def test_a_cpu_and_a_gpu_with_little_left_to_do_do_not_compile(
    device: str, seconds: float, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "device_name", lambda device: "a GPU")
    compiler, chosen = Compiler(monkeypatch), make_step(device)
    for epoch in range(6):
        chosen.epoch_done(seconds, left - epoch)
    assert not compiler.compiled


def test_settings_of_the_compiler_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo import config

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    before = config.recompile_limit, config.suppress_errors
    with compiler_settings():
        assert config.recompile_limit >= 256
        assert config.suppress_errors
        assert "TORCHINDUCTOR_CACHE_DIR" in os.environ
    assert (config.recompile_limit, config.suppress_errors) == before
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


# A warning that is raised inside of dynamo would leave the blocks eager without a word.
@pytest.mark.filterwarnings("ignore::UserWarning")
@in_a_fork
def test_compiled_blocks_learn_what_eager_ones_learn() -> None:
    graphs: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        graphs.append(graph)
        return lookup_backend("aot_eager")(graph, inputs)

    plain, compiled = training(recipe(epochs=2)), training(recipe(epochs=2))
    compile_blocks(compiled.network, backend=backend)  # type: ignore[arg-type]
    for _ in range(2):
        expected, found = plain.run_epoch(), compiled.run_epoch()
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(compiled)[name], value, rtol=1e-3, atol=1e-4)
    before = len(graphs)
    assert before > 0
    undo_compilation(compiled.network)
    with torch.no_grad():
        compiled.network(torch.zeros(2, 1, 8, 8))  # a size that was not compiled
    assert len(graphs) == before


@pytest.mark.parametrize("asked", ["eager", "recorded"])
def test_training_carries_steps_out_as_asked_and_says_so(asked: Execution) -> None:
    assert training(execution=asked).execution == asked
