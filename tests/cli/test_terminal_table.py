"""Tables on terminals of any width."""

from __future__ import annotations

import io
import re

from pure_nas_cli.terminal_table import print_table
from rich.console import Console

from pure_nas.report.table import NETWORK, Column, Row, Table, share


def test_long_names_break_between_words_and_behind_hyphens_where_numbers_take_the_room() -> None:
    columns = (NETWORK, *(Column(f"level {place}", f"level {place}") for place in range(5)))
    row = Row.of(columns, ["pure-without-relu8, small-learning-rate 0.001", *[share(0.5)] * 5])
    table = Table("noise", columns, (row,))
    for width in (60, 56, 54):
        console = Console(file=io.StringIO(), width=width)
        print_table(console, table)
        lines = [line[: width - 5 * 9].strip() for line in console.file.getvalue().splitlines()[2:]]  # type: ignore[attr-defined]
        pieces = re.findall(r"[^\s-]+-?", " ".join(lines))
        assert pieces == ["pure-", "without-", "relu8,", "small-", "learning-", "rate", "0.001"]
