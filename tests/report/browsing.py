"""Pages in a real browser: opened without errors or requests, and what of them is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CUT = """
const cut = [];
const inside = (inner, outer) =>
  inner.left >= outer.left - 1 && inner.right <= outer.right + 1 && inner.top >= outer.top - 1;
for (const text of document.querySelectorAll(".plot svg text")) {
  const box = text.getBoundingClientRect();
  const plot = text.closest(".plot").getBoundingClientRect();
  if (box.width && !inside(box, plot)) cut.push(`${text.closest(".plot").id}: ${text.textContent}`);
}
for (const clip of document.querySelectorAll(".plot .legend .scrollbox")) {
  const all = clip.getBBox().height, shown = clip.parentNode.querySelector(".bg").getBBox().height;
  if (all > shown + 1) cut.push(`legend of ${clip.closest(".plot").id}`);
}
for (const part of document.querySelectorAll("section, table, p, pre, li")) {
  const box = part.getBoundingClientRect();
  const scrolls = part.tagName !== "SECTION" && part.closest(".scroll, pre");
  if (scrolls && getComputedStyle(scrolls).overflowX === "auto") continue;
  if (box.right > document.documentElement.clientWidth) cut.push(part.textContent.slice(0, 60));
}
const page = document.documentElement;
if (page.scrollWidth > page.clientWidth) cut.push(`the page, which is ${page.scrollWidth} pixels wide`);
return cut;
"""
"""Finds what lies outside of its plot or of the page."""


def opened(browser: Chrome, path: Path) -> None:
    """Open a page, wait for its plots, and fail on any error or request of its own."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    own = path.resolve().as_uri()
    browser.get(own)
    WebDriverWait(browser, 20).until(
        lambda page: page.execute_script("return document.documentElement.dataset.ready") == "yes"
    )
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    requests = [
        message["params"]["request"]["url"]
        for message in (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
        if message["method"] == "Network.requestWillBeSent" and message["params"]["documentURL"].startswith(own)
    ]
    assert [url for url in requests if not url.startswith(("data:", "blob:", own))] == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0


def line_ends(browser: Chrome, plot: str, apart: float) -> list[str]:
    """The labels at the ends of the lines of a plot, which must be so many pixels apart."""
    ends = [end for end in browser.find_elements(By.CSS_SELECTOR, f"#{plot} .textpoint text") if end.text]
    heights = sorted(end.rect["y"] for end in ends)
    assert all(lower - upper > apart for upper, lower in pairwise(heights))
    return [end.text for end in ends]


def cut_parts(browser: Chrome, path: Path, width: int, *, printed: bool) -> list[str]:
    """What is cut of a page that is so many pixels wide, on a screen or on paper."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, path)
        if printed:
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
            browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
        return list(browser.execute_script(CUT))
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
