"""Settings are checked when they are made, and again when a run is taken up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from searches import settings_for

from pure_nas.errors import RunError, UsageError
from pure_nas.plans import settings as settings_module
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.settings import settings_for as settings_of
from pure_nas.plans.settings import require_same
from pure_nas.run.directory import RunDirectory
from pure_nas.space.search_space import SearchSpace


@pytest.fixture
def fields(tiny_space_file: Path) -> dict[str, Any]:
    return {"dataset": "digits", "space": tiny_space_file}


def test_objectives_are_read_from_a_list() -> None:
    others: dict[str, Any] = dict.fromkeys(("epochs", "limits", "data_dir", "image_size"))
    found = settings_of("digits", None, objectives="error, params ,latency", seed=0, **others)
    assert (found.objectives, found.study) == (("error", "params", "latency"), "digits")
    with pytest.raises(UsageError, match='There is no objective "speed"'):
        settings_of("digits", None, objectives="error,speed", seed=0, **others)
    with pytest.raises(UsageError, match='There is no objective ""'):
        settings_of("digits", None, objectives="error,", seed=0, **others)
    with pytest.raises(UsageError, match="trials: input should be greater than or equal to 1, got 0"):
        settings_of("digits", None, objectives="error,flops", seed=0, trials=0, **others)


def started(path: Path, settings: dict[str, Any]) -> RunDirectory:
    run = RunDirectory(path / "run")
    run.write_settings({**settings, "chosen_sampler": {"name": "tpe"}, "reference": {"error": 0.9}})
    return run


def test_a_run_that_does_not_say_the_size_of_its_files_goes_on(tmp_path: Path, fields: dict[str, Any]) -> None:
    settings = settings_for(**fields).resolved()
    run = started(tmp_path, {**settings, "data": {"name": "digits"}})
    require_same(run, {**settings, "data": {"name": "digits", "stored_size": 9, "decoded_size": 8}})


def test_trials_time_device_and_folders_may_differ(tmp_path: Path, fields: dict[str, Any]) -> None:
    same = {**fields, "limits": Limits(params=1000, latency_ms=1.5)}
    run = started(tmp_path, settings_for(**same, time_seconds=10.0).resolved())
    changed = settings_for(**same, trials=100, time_seconds=None, device="cuda:1", data_dir=tmp_path)
    require_same(run, changed.resolved())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seed": 1}, "  seed: 0 in the run, 1 now"),
        ({"sampler": "gp"}, "  sampler: 'tpe' in the run, 'gp' now"),
        ({"baselines": True}, "  baselines: False in the run, True now"),
        ({"objectives": ("error", "params")}, "  objectives: ['error', 'flops'] in the run, ['error', 'params'] now"),
        ({"limits": Limits(params=5)}, "  limits.params: 1000 in the run, 5 now"),
        ({"limits": Limits()}, "  limits.params: 1000 in the run, nothing now"),
        ({"storage": "sqlite:///x.db"}, "  storage: nothing in the run, 'sqlite:///x.db' now"),
        ({"image_size": 16}, "  image_size: nothing in the run, 16 now"),
        ({"skip_corrupt": True}, "  skip_corrupt: False in the run, True now"),
    ],
)
def test_other_settings_are_listed(changes: dict[str, Any], line: str, tmp_path: Path, fields: dict[str, Any]) -> None:
    base = {**fields, "limits": Limits(params=1000)}
    run = started(tmp_path, settings_for(**base).resolved())
    with pytest.raises(RunError, match="was started with other settings") as raised:
        require_same(run, settings_for(**{**base, **changes}).resolved())
    assert raised.value.message.splitlines()[1:] == [line]


def test_a_changed_space_is_told_field_by_field(tmp_path: Path, fields: dict[str, Any]) -> None:
    settings = settings_for(**fields)
    run = started(tmp_path, settings.resolved())
    table = settings.space.model_dump(by_alias=True)
    table["architecture"]["base_width"] = 5
    table["run"]["epochs"] = 9
    changed = replace(settings, space=SearchSpace.model_validate(table))
    with pytest.raises(RunError) as raised:
        require_same(run, changed.resolved())
    lines = raised.value.message.splitlines()[1:]
    assert "  epochs: 1 in the run, 9 now" in lines
    assert "  search_space.architecture.base_width: nothing in the run, 5 now" in lines
    assert all(line.startswith(("  epochs", "  search_space.architecture.base_width")) for line in lines)


def test_many_differences_are_cut(tmp_path: Path) -> None:
    run = started(tmp_path, {"schema": 1, **{f"setting{number:02d}": 0 for number in range(30)}})
    with pytest.raises(RunError) as raised:
        require_same(run, {"schema": 1, **{f"setting{number:02d}": 1 for number in range(30)}})
    lines = raised.value.message.splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  and 10 more"


@pytest.mark.parametrize("text", ["schema = 0", "schema = 2", ""])
def test_a_run_of_another_version_is_refused(text: str, tmp_path: Path) -> None:
    run = started(tmp_path, {})
    run.settings_path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="this version of pure-nas reads 1"):
        require_same(run, {"schema": 1})


@pytest.mark.parametrize(
    "again", ["postgresql://me@host/db", "postgresql://me:new@host/db", "postgresql://me:former@host/db"]
)
def test_a_run_goes_on_with_its_storage_whatever_the_password(
    again: str, fields: dict[str, Any], tmp_path: Path
) -> None:
    settings = settings_for(**fields, storage="postgresql://me:former@host/db")
    assert "former" not in repr(settings)
    run = started(tmp_path, settings.resolved())
    assert "former@" not in run.settings_path.read_text(encoding="utf-8")
    require_same(run, replace(settings, storage=again).resolved())
    with pytest.raises(RunError, match="storage: 'postgresql://me@host/db' in the run, 'postgresql://me@other/db' now"):
        require_same(run, replace(settings, storage="postgresql://me:former@other/db").resolved())


@pytest.mark.parametrize("name", ["con", "com1.old", "what?", "a:b", "end.", "end "])
def test_names_that_windows_cannot_hold_are_refused_there(
    name: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_for(**fields, study=name)
    monkeypatch.setattr(settings_module, "_WINDOWS", True)
    with pytest.raises(UsageError, match="cannot be a folder's on Windows"):
        settings_for(**fields, study=name)
