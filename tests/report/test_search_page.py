"""The page, opened in a real browser."""

from __future__ import annotations

import random
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browsing import cut_parts, line_ends, opened
from made_up_runs import (
    CLASSES,
    add_complete_trial,
    add_ended_trial,
    candidate_of,
    make_run,
    start_run,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.errors import UsageError
from pure_nas.findings.pick import Wish, measured_costs, pick
from pure_nas.report.data import ReportData, report_data
from pure_nas.report.pages import search_page as page
from pure_nas.run.directory import RunDirectory
from pure_nas.run.retrained import Retraining

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>&\"'"
MARKUP = re.compile(r"<script>.*?</script>|<style>.*?</style>", re.DOTALL)


def n_points(browser: Chrome, plot: str, trace: str = "") -> int:
    return len(browser.find_elements(By.CSS_SELECTOR, f"#{plot} .scatterlayer .trace{trace} .points path.point"))


def written(run: RunDirectory) -> Path:
    """The page of a run, in its folder."""
    run.report_path.write_text(page(report_data(run)), encoding="utf-8")
    return run.report_path


@pytest.fixture(scope="module")
def page_path(run: RunDirectory) -> Path:
    return written(run)


def test_plots_show_every_trial_without_errors_or_requests(browser: Chrome, page_path: Path, data: ReportData) -> None:
    opened(browser, page_path)
    assert n_points(browser, "front-flops") == len(data.complete) + len(data.front) + 2
    assert len(browser.find_elements(By.CSS_SELECTOR, "#front-flops .errorbar")) == 2
    assert n_points(browser, "share") == len(data.complete)
    assert n_points(browser, "retrained") == 9 + 27
    assert len(browser.find_elements(By.CSS_SELECTOR, "#curves .legend .traces")) == len(data.curves)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#hypervolume .js-line")) == 1
    assert len(browser.find_elements(By.CSS_SELECTOR, "table.front tbody tr")) == len(data.front)


def test_error_axis_changes_its_scale(browser: Chrome, page_path: Path) -> None:
    opened(browser, page_path)
    kind = "return document.getElementById('front-flops').layout.yaxis.type"
    assert browser.execute_script(kind) == "log"
    browser.find_element(By.CSS_SELECTOR, "button[data-scale=linear]").click()
    assert browser.execute_script(kind) == "linear"


def test_a_network_is_chosen_as_the_command_chooses_it(
    browser: Chrome, page_path: Path, run: RunDirectory, data: ReportData
) -> None:
    opened(browser, page_path)
    answer = browser.find_element(By.CSS_SELECTOR, ".picked")
    command = browser.find_element(By.ID, "pick-command")
    sliders = browser.find_elements(By.CSS_SELECTOR, "form.pick input")
    assert len(sliders) == len({*data.objectives[1:], "flops", "params"})
    rule = Select(browser.find_element(By.CSS_SELECTOR, "form.pick select"))
    set_to = (
        "arguments[0].value = Math.round(arguments[1] * arguments[0].max);"
        "arguments[0].dispatchEvent(new Event('input', { bubbles: true }))"
    )
    generator = random.Random(0)
    for _ in range(12):
        for slider in sliders:
            browser.execute_script(set_to, slider, generator.choice([0.0, 0.3, 0.7, 1.0, 1.0]))
        rule.select_by_index(generator.randrange(5))
        words = shlex.split(command.text)
        assert words[:3] == ["pure-nas", "pick", str(run.path)]
        given = dict(zip(words[3::2], words[4::2], strict=True))
        limits = {name: float(given[f"--max-{name}"]) for name in ("params", "flops") if f"--max-{name}" in given}
        within = float(given["--within"].removesuffix("pt")) / 100 if "--within" in given else None
        wish = Wish(limits=limits, within=within)
        try:
            expected = pick(run, wish, measured_costs("cpu"))
        except UsageError:
            assert answer.text == "No trial keeps these limits."
        else:
            assert answer.text.startswith(f"Trial {expected.trial.number}: error")


def test_scheme_button_recolours_page_and_plots(browser: Chrome, page_path: Path) -> None:
    opened(browser, page_path)
    colours = (
        "return [getComputedStyle(document.body).backgroundColor,"
        " document.getElementById('front-flops').data[0].line.color]"
    )
    before = browser.execute_script(colours)
    browser.find_element(By.ID, "scheme").click()
    after = browser.execute_script(colours)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(("width", "printed"), [(360, False), (768, False), (1600, False), (957, True), (700, True)])
def test_nothing_is_cut_on_a_screen_or_on_paper(browser: Chrome, page_path: Path, width: int, printed: bool) -> None:
    assert cut_parts(browser, page_path, width, printed=printed) == []


def test_a_long_legend_is_not_cut_on_a_narrow_screen(browser: Chrome, data: ReportData, tmp_path: Path) -> None:
    curves = tuple(replace(curve, number=100 * copy + curve.number) for copy in range(1, 4) for curve in data.curves)
    path = tmp_path / "report.html"
    path.write_text(page(replace(data, curves=curves)), encoding="utf-8")
    assert len(curves) > 12
    assert cut_parts(browser, path, 360, printed=False) == []


def test_everything_that_is_folded_up_is_printed_and_folds_up_again(browser: Chrome, page_path: Path) -> None:
    opened(browser, page_path)
    folded = "return document.querySelectorAll('details:not([open])').length"
    before = browser.execute_script(folded)
    assert before > 2
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(folded) == 0
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(folded) == before
    assert browser.find_elements(By.CSS_SELECTOR, "svg[viewBox].main-svg") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert "Drag to zoom" not in browser.find_element(By.ID, "front").text
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert "Drag to zoom" in browser.find_element(By.ID, "front").text


def test_curves_of_one_colour_differ_and_their_ends_say_which_trial_they_are(
    browser: Chrome, page_path: Path, data: ReportData
) -> None:
    opened(browser, page_path)
    curves = browser.execute_script(
        "return document.getElementById('curves').data.filter((trace) => trace.showlegend !== false)"
        ".map(({name, line, opacity}) => [name, line.color, line.dash, opacity])"
    )
    assert [name for name, *_ in curves] == [f"{curve.number}: {curve.baseline or curve.kind}" for curve in data.curves]
    assert len({tuple(look) for _, *look in curves}) == len(data.curves) == 12
    assert sorted(map(int, line_ends(browser, "curves", 10))) == sorted(curve.number for curve in data.curves)


def test_a_row_is_ringed_in_the_plot_and_shades_curves_until_the_pointer_leaves_it(
    browser: Chrome, page_path: Path
) -> None:
    opened(browser, page_path)
    points = n_points(browser, "front-flops")
    shades = "return document.getElementById('curves').data.map((trace) => trace.opacity ?? 1)"
    before = browser.execute_script(shades)
    assert len(set(before)) > 1
    browser.execute_script("document.querySelector('table.front tbody tr').focus()")
    assert browser.execute_script(shades) != before
    assert n_points(browser, "front-flops") == points + 1
    browser.execute_script("document.activeElement.blur()")
    assert browser.execute_script(shades) == before


def test_notes_stand_only_where_what_they_explain_stands(data: ReportData) -> None:
    alone = replace(data, front=tuple(replace(row, twins=(), versus=()) for row in data.front))
    assert not any(word in page(alone) for word in ("Twins:", "Differences in error are relative"))
    twin = replace(data.front[0], twins=(99,))
    assert "Twins: trials with the same error and cost" in page(replace(data, front=(twin, *data.front[1:])))
    repeated = replace(twin, repeats=(99,))
    assert "Twins:" not in page(replace(data, front=(repeated, *alone.front[1:])))
    assert "+ convolution" in page(data)
    product = replace(data.front[0], trial=replace(data.front[0].trial, candidate=candidate_of((("product",),))))
    assert "+ convolution" not in page(replace(data, front=(product,)))
    searched = tuple(curve for curve in data.curves if not curve.baseline)
    assert "baselines (dotted)" in page(data)
    assert "baselines (dotted)" not in page(replace(data, curves=searched))


def test_hostile_names_are_shown_and_not_run(browser: Chrome, tmp_path: Path) -> None:
    data = {"classes": [HOSTILE, *CLASSES], "validation": 287}
    settings: dict[str, Any] = {"study": HOSTILE, "dataset": HOSTILE, "space": HOSTILE, "data": data}
    run = start_run(tmp_path / "run", settings=settings)
    candidate = candidate_of((("conv",), ("conv",)))
    randomness = random.Random(0)
    add_complete_trial(run, 0, candidate, ("error", "flops"), randomness, baseline=f"conv {HOSTILE}")
    add_ended_trial(run, 1, candidate, "failed", reason=HOSTILE)
    opened(browser, written(run))
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_element(By.TAG_NAME, "h1").text == HOSTILE
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 3
    assert HOSTILE in browser.find_element(By.ID, "incomplete").text


def test_nothing_in_the_page_points_outside(data: ReportData) -> None:
    markup = MARKUP.sub("", page(data))
    assert re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:)?//", markup) == []
    assert "@import" not in markup
    assert "default-src 'none'" in markup


def test_recipes_and_settings_of_the_front_are_listed(data: ReportData) -> None:
    row = replace(data.front[0], recipe_text="learning rate 0.1; exponent cap none")
    assert "<td>learning rate 0.1; exponent cap none</td>" in page(replace(data, front=(row, *data.front[1:])))


def test_test_accuracies_stand_beside_the_errors_of_the_front(data: ReportData) -> None:
    text = page(data)
    assert '<th scope="col">test accuracy</th><th scope="col">FLOPs</th>' in text
    assert '97.53 %<span class="sub">96.41 to 98.65 %</span><span class="sub">3 seeds</span>' in text
    assert '<td class="figure dim">not retrained</td>' in text
    assert "Crosses are test errors of retrained networks" in text
    untested = replace(
        data,
        retraining=Retraining(),
        front=tuple(replace(row, retrained=None) for row in data.front),
        complete=tuple(replace(each, retrained=None) for each in data.complete),
    )
    for words in ("test accuracy", "not retrained", "Crosses are", "crosses: test error"):
        assert words not in MARKUP.sub("", page(untested))


def test_a_retraining_with_one_seed_says_so_in_one_sentence(data: ReportData) -> None:
    rows = tuple(replace(row, test_accuracy=row.test_accuracy[:1], diverged=0) for row in data.retraining.rows)
    text = page(replace(data, retraining=replace(data.retraining, rows=rows)))
    assert text.count(ONE_SEED) == 1
    assert '<ul class="verdicts">' not in text
    assert ONE_SEED not in page(data)


def test_commands_are_proposed_with_the_path_of_the_run_in_quotes(data: ReportData) -> None:
    text = page(replace(data, path="/my runs/a"))
    for label, command in replace(data, path="/my runs/a").next_steps:
        assert label in text
        assert command.replace("'", "&#39;") in text


def test_run_without_complete_trials_has_a_page(browser: Chrome, tmp_path: Path) -> None:
    run = start_run(tmp_path / "run")
    opened(browser, written(run))
    assert "No trial is complete yet" in browser.find_element(By.ID, "front").text


def test_one_trial_is_enough(browser: Chrome, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=1, epochs=1)
    opened(browser, written(run))
    assert n_points(browser, "front-flops") == 2


def test_an_error_of_zero_is_shown_on_a_linear_axis(browser: Chrome, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", trials=4)
    values = {"error": 0.0}
    candidate = candidate_of((("conv",), ("product",)))
    add_complete_trial(run, 4, candidate, ("error", "flops"), random.Random(0), values=values)
    opened(browser, written(run))
    data = report_data(run)
    assert n_points(browser, "front-flops") == len(data.complete) + len(data.front)
    assert not browser.find_element(By.CSS_SELECTOR, ".switch").is_displayed()


def test_a_thousand_trials_stay_a_small_page(browser: Chrome, data: ReportData, tmp_path: Path) -> None:
    points = tuple(
        replace(
            each,
            trial=replace(each.trial, number=number),
            objectives={**each.objectives, "error": 0.1 + number / 2000},
            on_front=number < 10,
            retrained=None,
        )
        for number in range(1000)
        for each in [data.complete[number % 28]]
    )
    path = tmp_path / "report.html"
    path.write_text(page(replace(data, complete=points)), encoding="utf-8")
    assert path.stat().st_size < 7e6
    opened(browser, path)
    assert n_points(browser, "front-flops") == 1010
