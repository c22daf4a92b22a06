from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

import pure_nas.plugins
from pure_nas.errors import PureNasError
from pure_nas.report.data import product_share
from pure_nas.report.palette import placement_text
from pure_nas.space.architecture import Architecture
from pure_nas.space.unit import CONV, PRODUCT, UNITS, Unit, get_unit

Declare = Callable[..., None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Declare]:
    """Pretends that packages are installed that declare units, next to the one that ships."""

    def declare(*values: str) -> None:
        points = [EntryPoint(f"point{i}", value, "pure_nas.units") for i, value in enumerate(values)]
        monkeypatch.setattr(pure_nas.plugins, "entry_points", lambda group: points)
        monkeypatch.setattr(UNITS, "built_in", {"conv": CONV})
        vars(UNITS).pop("installed", None)

    yield declare
    vars(UNITS).pop("installed", None)


def test_units_of_other_packages_are_found(declare: Declare) -> None:
    declare("pure_nas.space.unit:PRODUCT")
    assert get_unit("product") is PRODUCT
    assert UNITS.names == ("conv", "product")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["no_such_module:UNIT"], r'"point0" \(no_such_module:UNIT\).*does not load'),
        (["pure_nas.space.unit:NO_SUCH_UNIT"], "does not load"),
        (["pure_nas.space.unit:PARAMETER_KINDS"], r"is a tuple, not a pure_nas\.Unit"),
        (["pure_nas.space.unit:CONV"], 'declares "conv", a name that is already taken'),
        (["pure_nas.space.unit:PRODUCT"] * 2, 'declares "product", a name that is already taken'),
    ],
)
def test_broken_declarations_are_explained(declare: Declare, values: list[str], message: str) -> None:
    declare(*values)
    with pytest.raises(PureNasError, match=message):
        print(UNITS.names)


def test_a_unit_of_another_package_is_drawn_and_counted_like_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Unit(name="mine", summary="", implementation="torch.nn:Conv2d", arguments=CONV.arguments, cost=CONV.cost)
    assert (plain.title, plain.sign, plain.multiplies) == ("mine", "M", False)
    named = replace(plain, title="my unit", sign="∏", multiplies=True)
    monkeypatch.setitem(UNITS.registered, "mine", named)
    mixed = Architecture(units=(("mine", "product"), ("conv",)))
    assert placement_text(mixed.units) == "∏× +"
    assert product_share(["mine", "product", "conv"]) == pytest.approx(2 / 3)
    assert Architecture(units=(("mine", "product"),)).kind == "product"
