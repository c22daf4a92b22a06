from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pure_nas.data.sources.fetch import fetch
from pure_nas.data.sources.registry import DatasetSpec, Download, get_spec
from pure_nas.errors import DataError

CONTENT = bytes(range(256)) * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A web site of one file on this machine."""

    url: str = ""
    content: bytes = CONTENT
    resumes: bool = True
    breaks: list[int] = field(default_factory=list)  # after so many bytes an answer ends too early, one after the other
    ranges: list[str | None] = field(default_factory=list)  # what each request asked for


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.resumes else 0
            if self.path != "/file.h5":
                self.send_error(404, "Not Found")
                return
            if start >= len(state.content):
                self.send_error(416)
                return
            self.send_response(206 if asked and state.resumes else 200)
            self.send_header("Content-Length", str(len(state.content) - start))
            self.end_headers()
            stop = start + state.breaks.pop(0) if state.breaks else len(state.content)
            self.wfile.write(state.content[start:stop])

        def log_message(self, *values: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/file.h5"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def spec_of(site: Site, checksum: str = f"sha256:{DIGEST}") -> DatasetSpec:
    download = Download(url=site.url, folder="below", checksum=checksum)
    files = {"train": ("below/file.h5",)}
    return replace(get_spec("galaxy10"), name="stripes", files=files, downloads={"train": (download,)})


def test_a_file_is_downloaded_once(site: Site, data_dir: Path) -> None:
    for _ in range(2):
        path = fetch(spec_of(site), data_dir, "train")
        assert path == data_dir / "below" / "file.h5"
        assert path.read_bytes() == CONTENT
    assert site.ranges == [None]
    assert [each.name for each in path.parent.iterdir()] == ["file.h5"]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_download_goes_on_where_it_ended(site: Site, data_dir: Path, resumes: bool) -> None:
    site.resumes = resumes
    site.breaks = [1_000_000]
    with pytest.raises(DataError, match=r"the connection ended after 1,000,000 of 5,120,000 bytes") as caught:
        fetch(spec_of(site), data_dir, "train")
    assert site.url in caught.value.hint
    assert not (data_dir / "below" / "file.h5").exists()
    assert fetch(spec_of(site), data_dir, "train").read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=1000000-"]


def test_what_was_downloaded_is_compared_with_the_checksum_if_one_is_published(site: Site, data_dir: Path) -> None:
    (data_dir / "below").mkdir(parents=True)
    # It was complete when it was stopped.
    (data_dir / "below" / "file.h5.part").write_bytes(CONTENT)
    good = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    for checksum in (f"sha256:{DIGEST}", f"md5:{good}", ""):
        path = fetch(spec_of(site, checksum), data_dir, "train")
        assert path.read_bytes() == CONTENT
        path.unlink()
    site.content = CONTENT[:-1] + b"?"
    for checksum in (f"sha256:{DIGEST}", f"md5:{good}"):
        with pytest.raises(DataError, match=f"does not have the published {checksum.partition(':')[0]}"):
            fetch(spec_of(site, checksum), data_dir, "train")
        assert list((data_dir / "below").iterdir()) == []


def test_an_answer_that_is_no_file_is_explained(site: Site, data_dir: Path) -> None:
    site.url = site.url.replace("file", "other")
    with pytest.raises(DataError, match=r"stripes is not in .* and cannot be downloaded: Not Found") as caught:
        fetch(spec_of(site), data_dir, "train")
    assert str(data_dir / "below") in caught.value.hint


def test_what_is_in_the_place_of_a_file_or_folder_is_named_before_anything_is_downloaded(
    site: Site, data_dir: Path
) -> None:
    (data_dir / "below" / "file.h5").mkdir(parents=True)
    with pytest.raises(DataError, match=r"stripes cannot be stored in .*file\.h5 is a folder, not a file"):
        fetch(spec_of(site), data_dir, "train")
    assert site.ranges == []
    shutil.rmtree(data_dir / "below")
    (data_dir / "below").write_text("a file")
    for folder, obstacle in ((data_dir, data_dir / "below"), (data_dir / "below" / "deeper", data_dir / "below")):
        with pytest.raises(DataError) as caught:
            fetch(spec_of(site), folder, "train")
        assert caught.value.message == f"stripes cannot be stored in {folder}: {obstacle} is a file, not a folder."
        assert caught.value.hint.startswith("Move it away, or choose another data directory")
