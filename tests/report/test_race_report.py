"""The tables and charts of a race."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_races import raced

from pure_nas.report import write_race_report
from pure_nas.report.race_charts import page_charts
from pure_nas.report.race_tables import race_document, race_table, searches_table


def test_the_table_has_a_line_for_each_sampler_with_what_it_paid() -> None:
    table = race_table(raced(0.2, 0.4))
    ours, other = table.records()
    assert (ours["search"], other["search"]) == ("forecast", "tpe")
    assert ours["time_ratio"] == pytest.approx(0.3)
    assert other["time_ratio"] == 1
    assert ours["hypervolume"] == other["hypervolume"] == 0.5
    assert other["hypervolume_25"] == 0  # of the longer search's 300 s
    assert table.rows[0].cell(table.columns[-1]).more == "0.20 to 0.40"
    assert table.title == "digits: 2 seeds, 5 min for each search"
    assert "median and range over seeds" in " ".join(table.notes)


def test_one_seed_has_no_range_and_no_verdict_no_ratio() -> None:
    table = race_table(raced(0.2))
    assert table.rows[0].cell(table.columns[-1]).more == ""
    assert "one seed" in " ".join(table.notes)
    nothing = race_table(raced(0.5, volume=0.0))
    assert nothing.rows[0].cell(nothing.columns[-1]).text == "–"
    assert race_document(raced(0.5, volume=0.0))["ratios"]["time"] == [None]


def test_each_search_has_a_line_of_its_own() -> None:
    rows = searches_table(raced(0.2, 0.4)).records()
    assert [(row["search"], row["seed"]) for row in rows] == [
        ("forecast", 0),
        ("tpe", 0),
        ("forecast", 1),
        ("tpe", 1),
    ]
    assert [row["time_ratio"] for row in rows] == pytest.approx([0.2, 1, 0.4, 1])
    assert rows[0]["work"] == 3000


def test_each_search_is_a_line_and_each_sampler_an_entry_of_the_legend() -> None:
    for chart in page_charts(raced(0.2, 0.4)).values():
        assert chart.names == ["forecast", "tpe"]
        assert len(chart.series) == 4
        assert chart.x.log


def test_the_report_is_a_page_with_tables_and_one_figure(tmp_path: Path) -> None:
    race = replace(raced(0.2, 0.4), path=tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in write_race_report(race)}
    assert written == {"race.json", "race.csv", "report.html", "figures/race.png", "figures/race.svg"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert race.verdict in page
    assert all(f'id="by-{kind}"' in page for kind in ("time", "epochs", "work"))
    assert json.loads((tmp_path / "race.json").read_text(encoding="utf-8"))["schema"] == 1
