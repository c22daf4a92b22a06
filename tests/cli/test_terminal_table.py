"""Tables on terminals of any width."""

from __future__ import annotations

import io
import re

from pure_nas_cli.terminal_table import print_table
from rich.console import Console

from pure_nas.report.table import NETWORK, Cell, Column, Row, Table, share


def printed(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_long_names_break_between_words_and_behind_hyphens_where_numbers_take_the_room() -> None:
    columns = (NETWORK, *(Column(f"level {place}", f"level {place}") for place in range(5)))
    row = Row.of(columns, ["pure-without-relu8, small-learning-rate 0.001", *[share(0.5)] * 5])
    table = Table("noise", columns, (row,))
    for width in (60, 56, 54):
        lines = [line[: width - 5 * 9].strip() for line in printed(table, width)[2:]]
        pieces = re.findall(r"[^\s-]+-?", " ".join(lines))
        assert pieces == ["pure-", "without-", "relu8,", "small-", "learning-", "rate", "0.001"]


def test_the_longest_texts_give_way_before_short_names_break() -> None:
    columns = (Column("name", "name", "left"), Column("summary", "summary", "left"), Column("trials", "trials"))
    table = Table.of("spaces", columns, [["cifar10-small", "images that are small, " * 4, 30]])
    lines = printed(table, 60)
    assert lines[2].split()[0] == "cifar10-small"
    assert len(lines) > 3
    assert max(map(len, lines)) <= 60


def test_a_column_that_may_be_cut_takes_no_second_line() -> None:
    columns = (Column("state", "state", "left"), Column("network", "network", "left", cut=True))
    table = Table.of("trials", columns, [["complete", Cell(stages=(("conv",) * 30, ("product",) * 30))]])
    _, _, line = printed(table, 40)
    assert line.startswith("complete  +++")
    assert line.endswith("…")
