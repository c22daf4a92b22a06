"""The tables of a search: its front and what was retrained, on a terminal of any width."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from pure_nas_cli.terminal_table import print_table
from rich.console import Console

from pure_nas.evaluation import NOISE_MIXTURE
from pure_nas.report.data import ReportData
from pure_nas.report.front_table import NOISE_ERROR, front_table
from pure_nas.report.retraining import retrained_table
from pure_nas.report.table import Table
from pure_nas.run.retrained import Retraining, Row

ROW = Row(trial=7, variant="trial", params=10, flops=100, test_accuracy=(0.78,), epochs=2, seeds=(1,))


def printed(table: Table, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_noise_in_words_is_the_noise_that_is_measured() -> None:
    levels = [100 * each.level if each.kind == "salt-and-pepper" else each.level for each in NOISE_MIXTURE]
    numbers = re.findall(r"\d+(?:\.\d+)?", NOISE_ERROR)
    assert numbers == [*(f"{level:g}" for level in levels), "0", "1"]
    kinds = list(dict.fromkeys(each.kind for each in NOISE_MIXTURE))
    assert re.findall("|".join(kinds), NOISE_ERROR.lower()) == kinds


def test_a_narrow_terminal_leaves_columns_out_and_says_which(data: ReportData) -> None:
    table = front_table(data)
    wide, narrow = printed(table, 200), printed(table, 80)
    assert "Not shown" not in wide
    assert all(len(line) <= 80 for line in narrow.splitlines())
    assert "Not shown, for lack of room: depth, width" in " ".join(narrow.split())
    for row in data.front:
        for text in (wide, narrow):
            assert f"{100 * row.objectives['error']:.2f} %" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_number_that_is_shown_is_cut(data: ReportData, width: int) -> None:
    table = front_table(replace(data, retraining=None))
    shown = set(re.findall(r"[\d.]+ %", printed(table, width)))
    assert {f"{100 * row.objectives['error']:.2f} %" for row in data.front} <= shown


@pytest.mark.parametrize(
    ("accuracies", "title", "shown"),
    [
        ([0.7799], "Test accuracy of 1 seed, 2 epochs", "77.99 %"),
        ([0.77, 0.79], "Test accuracy, mean ± standard deviation of 2 seeds, 2 epochs", "78.00 ± 1.41 %"),
    ],
)
def test_only_several_seeds_have_a_spread(accuracies: list[float], title: str, shown: str) -> None:
    row = replace(ROW, test_accuracy=tuple(accuracies), seeds=tuple(range(1, len(accuracies) + 1)))
    found = printed(retrained_table(Retraining(rows=(row,)), {}))
    assert found.startswith(title)
    assert shown in found
    assert ("±" in found) == (len(accuracies) > 1)


def test_of_several_seeds_one_that_came_through_has_no_spread() -> None:
    found = printed(retrained_table(Retraining(rows=(replace(ROW, diverged=2, seeds=(1, 2, 3)),)), {}))
    assert re.search(r" 78\.00 % .*\n +2 of 3 seeds diverged", found)


def test_rows_of_other_epochs_and_seeds_say_so() -> None:
    longer = replace(ROW, epochs=40, seeds=(1, 2), test_accuracy=(0.8, 0.9))
    title, *lines = printed(retrained_table(Retraining(rows=(ROW, longer)), {})).splitlines()
    assert title == "Test accuracy, mean ± standard deviation of several seeds"
    text = "\n".join(lines)
    assert re.search(r"7  trial +2 +1 +78.00 %", text)
    assert re.search(r"7  trial +40 +2 +85.00 ± 7.07 %", text)
