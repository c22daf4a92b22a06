"""How steps are carried out is chosen by the device and by measurements."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_training import CPU, MIXED, recipe, same, stripes, training, weights

from pure_nas.nn import build
from pure_nas.training import Training, execution
from pure_nas.training.compilation import Experience, ExperienceFile, compile_blocks, repays, undo_compilation
from pure_nas.training.execution import StepChoice
from pure_nas.training.optimizer import make_optimizer
from pure_nas.training.seeds import generator

FAST = Experience(seconds_per_block=5.0, speedup=1.5)


@given(
    st.floats(0, 1e6),
    st.integers(1, 20),
    st.floats(0, 100),
    st.floats(0.5, 4),
)
def test_compiling_repays_exactly_where_it_saves_more_than_it_costs(
    left: float, blocks: int, seconds: float, speedup: float
) -> None:
    known = Experience(seconds_per_block=seconds, speedup=speedup)
    saved = left - left / speedup - seconds * blocks
    if abs(saved) > 1e-6:
        assert repays(left, blocks, known) == (saved > 0 and speedup >= 1.03)


def test_without_experience_compiling_is_tried_where_that_costs_little() -> None:
    assert not repays(60.0, 3, None)
    assert not repays(1199.0, 3, None)
    assert repays(1201.0, 3, None)


def test_experience_outlives_the_process_and_damage(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "compilation.json"
    file = ExperienceFile(path)
    assert file.get("conv on a GPU") is None
    file.put("conv on a GPU", FAST)
    file.put("product on a GPU", Experience(seconds_per_block=1.0, speedup=0.9))
    assert ExperienceFile(path).get("conv on a GPU") == FAST
    for damaged in ("", "[]", '{"schema": 2, "makes": {}}', '{"schema": 1, "makes": {"conv on a GPU": {"x": 1}}}'):
        path.write_text(damaged, encoding="utf-8")
        assert file.get("conv on a GPU") is None
    file.put("conv on a GPU", FAST)
    assert file.get("conv on a GPU") == FAST


def test_experience_that_cannot_be_kept_is_reported_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    file = ExperienceFile(tmp_path / "cache" / "compilation.json")
    file.put("conv", FAST)
    assert file.get("conv") is None
    assert "cannot be kept" in caplog.text


def test_a_cpu_runs_eagerly_and_never_looks_at_the_clock(tmp_path: Path) -> None:
    run = training()
    assert run.execution == "eager"
    network = build(MIXED)
    file = ExperienceFile(tmp_path / "compilation.json")
    choice = StepChoice(network, make_optimizer(network, recipe()), recipe(), CPU, "auto", file)
    for _ in range(6):
        choice.epoch_done(1e6, 100)
    assert choice.kind == "eager"


class Compiler:
    """Stands in for compiling blocks, which takes seconds even for these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compiled = False
        monkeypatch.setattr(execution, "compile_blocks", lambda network: setattr(self, "compiled", True))
        monkeypatch.setattr(execution, "undo_compilation", lambda network: setattr(self, "compiled", False))


def gpu_choice(file: ExperienceFile) -> StepChoice:
    """The choice for a GPU, on which nothing is computed here."""
    network = build(MIXED)
    choice = StepChoice(network, make_optimizer(network, recipe()), recipe(), torch.device("meta"), "auto", file)
    choice._auto = True
    return choice


@pytest.mark.parametrize(("after", "kept"), [(60.0, True), (150.0, False)])
def test_a_gpu_compiles_where_that_repays_and_undoes_what_made_steps_slower(
    after: float, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "device_name", lambda device: "a GPU")
    compiler, file = Compiler(monkeypatch), ExperienceFile(tmp_path / "compilation.json")
    choice = gpu_choice(file)
    choice.epoch_done(500.0, 99)
    assert not compiler.compiled
    choice.epoch_done(100.0, 98)
    assert compiler.compiled
    assert choice.kind == "compiled, eager"
    choice.epoch_done(160.0, 97)
    choice.epoch_done(after, 96)
    assert compiler.compiled is kept
    assert choice.kind == ("compiled, eager" if kept else "eager")
    found = file.get(choice._make)
    assert found is not None
    assert found.speedup == pytest.approx(100 / after)
    assert found.seconds_per_block == pytest.approx(max(160 - after, 0) / 3)

    again = Compiler(monkeypatch)
    later = gpu_choice(file)
    later.epoch_done(5.0, 99)
    later.epoch_done(5.0, 98)
    # What was learnt decides: 490 s are left, of which 40 % are saved, for 100 s of compiling.
    assert again.compiled is kept


def test_a_gpu_with_little_left_to_do_does_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "device_name", lambda device: "a GPU")
    compiler, file = Compiler(monkeypatch), ExperienceFile(tmp_path / "compilation.json")
    choice = gpu_choice(file)
    for epoch in range(6):
        choice.epoch_done(1.0, 10 - epoch)
    assert not compiler.compiled


def test_compiled_blocks_learn_what_eager_ones_learn() -> None:
    plain, compiled = training(recipe(epochs=2)), training(recipe(epochs=2))
    compile_blocks(compiled.network, backend="aot_eager")
    for _ in range(2):
        expected, found = plain.run_epoch(), compiled.run_epoch()
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(compiled)[name], value, rtol=1e-3, atol=1e-4)
    undo_compilation(compiled.network)
    with torch.no_grad():
        compiled.network(torch.zeros(2, 1, 8, 8))


def test_an_execution_that_is_asked_for_is_kept() -> None:
    run = Training(
        build(MIXED, generator=generator(0, "weights")),
        recipe(),
        train=stripes(48, 0),
        validation=None,
        flip=True,
        device=CPU,
        seed=0,
        execution="eager",
    )
    run.run_epoch()
    plain = training()
    plain.run_epoch()
    assert run.execution == "eager"
    weights_of = {name: value for name, value in weights(run).items() if "running" not in name and "num" not in name}
    expected = {name: value for name, value in weights(plain).items() if name in weights_of}
    assert same(weights_of, expected)
