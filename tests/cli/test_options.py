"""Values of options are read, or refused with what they should be."""

from __future__ import annotations

import pytest
import typer
from pure_nas_cli.options import parse_seconds, parse_size, parse_workers


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("12", 12), ("auto", "auto")])
def test_numbers_of_workers_are_read(text: str, value: int | str) -> None:
    assert parse_workers(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "all", "²"])
def test_what_is_no_number_of_workers_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not auto or a number of 1 or more"):
        parse_workers(text)


def test_what_is_no_quantity_is_a_bad_parameter() -> None:
    with pytest.raises(typer.BadParameter, match="is not a size such as 300k"):
        parse_size("1,5M")
    with pytest.raises(typer.BadParameter, match="is not a time such as 90s"):
        parse_seconds("soon")
