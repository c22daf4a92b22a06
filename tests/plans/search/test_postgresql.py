"""A study on a PostgreSQL server, which may be stopped and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import pytest
from heard import Acting
from searches import results_of, run_search, settings_for

from pure_nas.errors import RunError, UsageError
from pure_nas.plans.search import storage
from pure_nas.plans.search.storage import close_storage, open_storage

PASSWORD = "se@cr:et%2Fx"
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
BINARIES = str(INSTALLED[0]) if INSTALLED else os.path.dirname(shutil.which("postgres") or "")

pytestmark = pytest.mark.skipif(not BINARIES, reason="PostgreSQL's server is not installed")


class Server:
    """PostgreSQL on a free port of this machine, run by a user without rights: it refuses to be root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
            self._user = {"user": "nobody", "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        (folder / "password").chmod(0o644)
        options = ["-U", "searcher", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync"]
        self._do("initdb", "-D", str(folder / "data"), *options)

    def url(self, password: str) -> str:
        """Of its database."""
        return f"postgresql+psycopg://searcher:{password}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = ["-l", str(self.folder / "log")]
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-w", "-o", options, *log, "start")

    def stop(self) -> None:
        """Stop it and close every connection."""
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def _do(self, program: str, *arguments: str) -> None:
        command = [os.path.join(BINARIES, program), *arguments]
        log = self.folder.parent / f"{self.folder.name}.log"
        with log.open("ab") as output:
            subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=True, **self._user)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as outer:  # pytest's own folders are closed to other users
        os.chmod(outer, 0o755)
        (folder := Path(outer) / "server").mkdir()
        running = Server(folder)
        running.start()
        yield running
        running.stop()


def test_a_server_that_is_stopped_and_started_between_trials_ends_nothing(
    server: Server, image_folder: Path, tiny_space_file: Path, tmp_path: Path
) -> None:
    def restart() -> None:
        """It is back a moment later."""
        server.stop()
        threading.Timer(0.5, server.start).start()

    url, restarts = server.url(quote(PASSWORD)), Acting({("ended", 0): restart, ("started", 1): restart})
    run_search(settings_for(image_folder, tiny_space_file, storage=url), tmp_path, restarts)
    opened = open_storage(tmp_path, url)
    study = optuna.load_study(study_name="study", storage=opened)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 3
    close_storage(opened)
    assert len(results_of(tmp_path).complete) == 3
    written = b"".join(path.read_bytes() for path in (tmp_path / "study").iterdir() if path.is_file())
    assert b"searcher:***@127.0.0.1" in written
    for part in (PASSWORD, quote(PASSWORD), "cr:et"):
        assert part.encode() not in written


def test_a_server_that_stays_away_is_named_and_the_search_goes_on_later(
    server: Server, image_folder: Path, tiny_space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_RESTART_SECONDS", 0.0)
    settings = settings_for(image_folder, tiny_space_file, study="gone", storage=server.url(quote(PASSWORD)))
    with pytest.raises(RunError, match=r"cannot be used: .*(refused|server)") as raised:
        run_search(settings, tmp_path, Acting({("ended", 0): server.stop}))
    server.start()
    assert "Start the database server again" in raised.value.hint
    run_search(settings, tmp_path)
    assert len(results_of(tmp_path, "gone").complete) == 3


@pytest.mark.parametrize("password", [quote(PASSWORD), PASSWORD.replace("%2F", "%252F")])
def test_passwords_hold_any_character(server: Server, password: str, tmp_path: Path) -> None:
    opened = open_storage(tmp_path, server.url(password))
    optuna.create_study(storage=opened, study_name=password)
    close_storage(opened)


def test_a_wrong_password_is_said_to_be_and_not_repeated(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="password authentication failed") as raised:
        open_storage(tmp_path, server.url("wr@ng-secret"))
    assert raised.value.hint == "Check the user and the password of --storage."
    for error in (raised.value, raised.value.__cause__):
        assert "ng-secret" not in f"{error} {error!r}"
