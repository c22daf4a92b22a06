"""A table as files and Markdown hold it; terminals and pages have tests of their own."""

from __future__ import annotations

import csv
import io
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from pure_nas.report.data import ReportData
from pure_nas.report.search_tables import front_table
from pure_nas.report.table import NETWORK, Cell, Column, Row, Table, columns_of, share

COLUMNS = (
    NETWORK,
    Column("accuracy", "accuracy"),
    Column("interval", "interval", files=False),
    Column("seeds"),
)
TABLE = Table.of(
    "made-up",
    COLUMNS,
    [
        ["pure8", share(0.875), Cell(text="80 to 95 %", more="3 seeds"), 3],
        [Cell("a|b", "a|b", tags=(("best", "of all"),)), share(None), "", 1_000],
    ],
    "Which *one*?",
    ("One note.", "Another <b>."),
)
CELL_ENDS = re.compile(r"(?<!\\)(?:\\\\)*\|")  # pipes that no backslash takes the meaning from


def test_csv_and_json_hold_the_same_values_of_the_columns_for_files() -> None:
    records = TABLE.records()
    assert records == [
        {"network": "pure8", "accuracy": 0.875, "seeds": 3},
        {"network": "a|b", "accuracy": None, "seeds": 1000},
    ]
    assert json.loads(json.dumps(records)) == records
    lines = list(csv.DictReader(io.StringIO(TABLE.csv(), newline="")))
    assert lines == [{key: "" if value is None else str(value) for key, value in record.items()} for record in records]


def test_a_table_without_rows_has_the_head_of_its_file() -> None:
    table = Table("empty", columns_of([], first=("trial", "state")), (), notes=("Nothing yet.",))
    assert (table.csv(), table.records(), table.markdown()) == ("trial,state\n", [], "Nothing yet.\n")


def test_columns_are_those_of_all_records_and_people_see_those_with_a_title() -> None:
    records = [{"network": "a", "depth": 8}, {"network": "b", "seconds": 2.5}]
    columns = columns_of(records, [NETWORK], ["state"])
    assert [column.key for column in columns] == ["state", "network", "depth", "seconds"]
    table = Table("records", columns, tuple(map(Row, records)))
    assert table.shown == (NETWORK,)
    assert table.csv() == "state,network,depth,seconds\n,a,8,\n,b,,2.5\n"


def test_markdown_has_title_alignments_cells_and_notes() -> None:
    assert TABLE.markdown().splitlines() == [
        r"Which \*one\*?",
        "",
        "| network | accuracy | interval |",
        "| :-- | --: | --: |",
        "| pure8 | 87.50 % | 80 to 95 %<br>3 seeds |",
        r"| a\|b best | – |  |",
        "",
        r"One note. Another \<b\>.",
    ]


def test_smaller_lines_are_left_out_of_brief_columns() -> None:
    columns = (Column("points", "points", brief=True),)
    assert "+2.00 |" in Table.of("brief", columns, [[Cell(0.02, "+2.00", "+1.00 to +3.00")]]).markdown()


def test_the_front_in_markdown_shows_placements_as_signs(data: ReportData) -> None:
    table = front_table(data)
    _, _, head, _, *rows = table.markdown().splitlines()
    place = head.split(" | ").index("placement")
    shown = [line.split(" | ")[place] for line in rows[: len(data.front)]]
    assert [len(signs.replace(" ", "")) for signs in shown] == [
        len(sum(row.architecture.units, ())) for row in data.front
    ]
    assert set("".join(shown)) <= {"+", "×", " "}


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), min_size=1, max_size=4), st.text(min_size=1))
def test_a_line_of_markdown_has_as_many_cells_as_there_are_columns_whatever_they_hold(
    texts: list[list[str]], title: str
) -> None:
    columns = (Column("a", title), Column("b", "b", "left"), Column("c", "c"))
    lines = [[first, Cell(None, second, more=third, tags=((third, ""),)), third] for first, second, third in texts]
    table = Table.of("any", columns, lines).markdown()
    found = table.removesuffix("\n").splitlines()
    assert [len(CELL_ENDS.findall(line)) for line in found] == [4] * (2 + len(texts))
    assert all(line.startswith("| ") and line.endswith(" |") for line in found)
