"""Made-up runs and a headless browser for the tests of reports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_runs import make_run, write_retraining
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from pure_nas.report.data import ReportData, report_data
from pure_nas.run.directory import RunDirectory

BROWSER_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1400",
)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Thirty trials, two of them without a result, and two retrained ones. Tests must not change it."""
    run = make_run(tmp_path_factory.mktemp("runs") / "digits")
    front = report_data(run).front
    write_retraining(run, [front[0].number, front[-1].number])
    return run


@pytest.fixture(scope="session")
def data(run: RunDirectory) -> ReportData:
    """The data of `run`."""
    return report_data(run)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Headless Chromium."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no chromium with a chromedriver is installed, so no page can be opened")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    profile: Path = tmp_path_factory.mktemp("profile")
    for argument in (*BROWSER_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    yield chrome
    chrome.quit()
