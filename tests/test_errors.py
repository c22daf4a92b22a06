from __future__ import annotations

import doctest

import pytest

import pure_nas.errors
from pure_nas.errors import ConfigError, DataError, PureNasError, RunError, UsageError, nearest


def test_message_and_hint_stand_on_two_lines() -> None:
    assert str(UsageError("It is wrong.", hint="Do that.")) == "It is wrong.\nDo that."
    assert str(RunError("It is locked.")) == "It is locked."


@pytest.mark.parametrize(("error", "code"), [(UsageError, 2), (ConfigError, 2), (DataError, 1), (RunError, 1)])
def test_errors_have_an_exit_code(error: type[PureNasError], code: int) -> None:
    assert error.exit_code == code
    assert issubclass(error, ValueError) is (code == 2)


@pytest.mark.parametrize(
    ("name", "known", "clause"),
    [
        ("prodct", ["conv", "product"], 'did you mean "product"? (known: conv, product)'),
        ("xyz", ["conv", "product"], "known: conv, product"),
        ("xyz", [], "none are known"),
    ],
)
def test_nearest_name_is_offered_where_one_is_near(name: str, known: list[str], clause: str) -> None:
    assert nearest(name, known) == clause


def test_examples_of_the_module_hold() -> None:
    assert doctest.testmod(pure_nas.errors, extraglobs={"pure_nas": pure_nas}).failed == 0
