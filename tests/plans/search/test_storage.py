"""The study's database is opened safely, and what is wrong with it is said with a way out."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from pure_nas.errors import RunError, UsageError
from pure_nas.plans.search import storage
from pure_nas.plans.search.storage import close_storage, file_system, open_storage


def journal_mode(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return mode


def test_a_study_is_written_ahead_so_that_it_is_read_while_another_program_writes(tmp_path: Path) -> None:
    database = tmp_path / "study.db"
    optuna.create_study(storage=open_storage(database, None), study_name="one")
    assert journal_mode(database) == "wal"
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        study = optuna.load_study(storage=f"sqlite:///{database}", study_name="one")
        assert study.get_trials() == []
        writer.execute("ROLLBACK")


@pytest.mark.parametrize(("kind", "written_ahead"), [("nfs4", False), ("lustre", True)])
def test_on_a_network_file_system_there_is_no_log_to_write_ahead_any_more(
    kind: str, written_ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if written_ahead:
        close_storage(open_storage(tmp_path / "study.db", None))
    monkeypatch.setattr(storage, "file_system", lambda path: kind)
    with caplog.at_level(logging.WARNING):
        open_storage(tmp_path / "study.db", None)
    assert journal_mode(tmp_path / "study.db") == "delete"
    assert "network file system" in caplog.text


@pytest.mark.parametrize("damage", ["another file", "a page lost", "cut short"])
def test_a_damaged_study_is_refused_with_the_way_out(damage: str, tmp_path: Path) -> None:
    database = tmp_path / "study.db"
    close_storage(open_storage(database, None))
    whole = database.read_bytes()
    content = {
        "another file": b"this is no database, and never was one" * 200,
        "a page lost": whole[:4096] + bytes(4096) + whole[8192:],
        "cut short": whole[: len(whole) // 2],
    }
    database.write_bytes(content[damage])
    with pytest.raises(RunError, match="is damaged or cannot be opened") as raised:
        open_storage(database, None)
    assert "move study.db" in raised.value.hint


@pytest.mark.parametrize("place", ["missing", "a file"])
def test_a_folder_that_cannot_hold_a_study_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(RunError, match="cannot be opened"):
        open_storage(tmp_path / place / "study.db", None)


@pytest.mark.parametrize("url", ["nonsense", "nosuchdatabase://host/name", "sqlite:/studies.db", ""])
def test_a_storage_that_cannot_be_opened_is_refused_with_an_example(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened") as raised:
        open_storage(tmp_path / "study.db", url)
    assert "sqlite:///" in raised.value.hint
    assert "\n" not in raised.value.message
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("postgresql+psycopg2://searcher:secret@host/name", "psycopg2-binary"),
        ("mysql://searcher:secret@host/name", "mysqlclient"),
        ("mysql+pymysql://searcher:secret@host/name", "pymysql"),
    ],
)
def test_a_driver_that_is_missing_is_named(url: str, package: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"its driver \w+ is not installed") as raised:
        open_storage(tmp_path / "study.db", url)
    assert raised.value.hint == f"Install it: pip install '{package}'"


def test_an_option_that_is_none_of_the_driver_is_looked_for_in_the_url(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='invalid connection option "colour"') as raised:
        open_storage(tmp_path / "study.db", "postgresql+psycopg://127.0.0.1:1/name?colour=red")
    assert raised.value.hint == "Check the part of --storage after the ?."


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://searcher:s3cr@t-one@127.0.0.1:1/name",
        "postgresql+psycopg://searcher:s3cr/@t-one@127.0.0.1:1/name",
        "postgresql+psycopg://searcher:s3cr?t-one@127.0.0.1:1/name",
        "postgresql+psycopg://searcher:s3cr%40t-one@127.0.0.1:1/name",
        "postgresql+psycopg://searcher:s3cr:t-one@127.0.0.1:1/name",
        "postgresql+psycopg://searcher@127.0.0.1:1/name?password=s3cr@t-one",
        "postgresql+psycopg://searcher:s3cr{t-one@127.0.0.1:one/name",
        "postgresql:/searcher:s3cr@t-one@127.0.0.1/name",
        "postgresql:searcher:s3crt-one@127.0.0.1/name",
        "nosuchdatabase://searcher:s3crt-one@127.0.0.1/name",
    ],
)
def test_a_password_is_in_no_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        open_storage(tmp_path / "study.db", url)
    told: BaseException | None = raised.value
    while told is not None:
        assert "t-one" not in f"{told} {told!r}"
        assert "s3cr" not in f"{told} {told!r}"
        told = told.__cause__


def test_tilde_means_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    close_storage(open_storage(tmp_path / "study.db", "sqlite:///~/studies {1}.db"))
    assert (tmp_path / "studies {1}.db").is_file()


@pytest.mark.parametrize("name", ["what?", "100%", "50%41", "a#b", "a b", "a:b", "{a}", "a&b=c", "ä'\"", "con", "end."])
def test_any_name_of_a_folder_holds_a_study(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    opened = open_storage(Path(name) / "study.db", None)
    monkeypatch.chdir("/")
    optuna.create_study(storage=opened, study_name=name).add_trial(optuna.trial.create_trial(value=0.5))
    close_storage(opened)
    assert {path.name for path in tmp_path.rglob("*")} == {name, "study.db"}
    again = open_storage(tmp_path / name / "study.db", None)
    assert optuna.load_study(storage=again, study_name=name).best_value == 0.5
    close_storage(again)


@pytest.mark.parametrize("revision", ["v2.6.0.a", "v9.9.9"])
def test_a_storage_of_another_optuna_is_named(revision: str, tmp_path: Path) -> None:
    database = tmp_path / "study.db"
    close_storage(open_storage(database, None))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    for url in (None, f"sqlite:///{database}"):
        with pytest.raises((RunError, UsageError), match="compatible with the table schema") as raised:
            open_storage(database, url)
        assert "Another version of Optuna" in raised.value.hint
        assert "damaged" not in raised.value.message


def test_a_database_that_is_locked_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_LOCKED_SECONDS", 0.01)
    database = tmp_path / "study.db"
    close_storage(open_storage(database, None))
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode=DELETE")
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RunError, match="cannot be opened: database is locked") as raised:
            open_storage(database, None)
    assert "dashboard" in raised.value.hint
    assert "move study.db" not in raised.value.hint


@pytest.mark.skipif(not Path("/proc/mounts").exists(), reason="only Linux lists its mounts there")
def test_the_file_system_of_a_path_is_that_of_its_mount() -> None:
    assert file_system(Path("/proc")) == "proc"
    assert file_system(Path("/proc/self/nothing/there")) == "proc"
    assert file_system(Path("/")) not in ("proc", "unknown")


def test_the_innermost_mount_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    inner = str(tmp_path / "a folder").replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nhost {inner} nfs4 rw 0 0\nlast {tmp_path} xfs rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(storage, "Path", lambda text: mounts if text == "/proc/mounts" else Path(text))
    assert file_system(tmp_path / "a folder" / "runs") == "nfs4"
    assert file_system(tmp_path / "a folder else") == "xfs"
    assert file_system(Path("/elsewhere")) == "ext4"
    mounts.unlink()
    assert file_system(tmp_path) == "unknown"
