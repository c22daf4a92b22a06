from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
from pure_nas_cli.terminal_table import print_table
from rich.console import Console

import pure_nas.plugins
import pure_nas.space.unit
from pure_nas.errors import PureNasError, UsageError
from pure_nas.report.data import product_share
from pure_nas.report.palette import placement_text
from pure_nas.report.table import Cell, Column, Table
from pure_nas.space.architecture import OF_UNITS, Architecture
from pure_nas.space.field import default_of
from pure_nas.space.unit import (
    BUILT_IN,
    CONV,
    LOG_CONV,
    PARAMETER_KINDS,
    PLAIN_CONV,
    PRODUCT,
    PRODUCT_COMPLEX,
    UNITS,
    Unit,
    UnitPlace,
    get_unit,
)

PLACE = UnitPlace(
    in_channels=2,
    out_channels=3,
    stride=2,
    in_size=8,
    out_size=4,
    settings={name: default_of(Architecture, name) for name in OF_UNITS},
)


def with_setting(name: str, value: object) -> UnitPlace:
    return replace(PLACE, settings={**PLACE.settings, name: value})


@pytest.fixture(autouse=True)
def _forget_installed_units() -> Iterator[None]:
    vars(pure_nas.space.unit.UNITS).pop("installed", None)
    yield
    vars(pure_nas.space.unit.UNITS).pop("installed", None)


def declare(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    """Pretend that packages are installed that declare units."""
    points = [EntryPoint(f"point{i}", value, "pure_nas.units") for i, value in enumerate(values)]
    monkeypatch.setattr(pure_nas.plugins, "entry_points", lambda group: points)


def test_place_counts_what_a_full_convolution_there_has() -> None:
    assert (PLACE.weights, PLACE.macs) == (2 * 3 * 9, 2 * 3 * 9 * 16)
    assert (PLACE.in_elements, PLACE.out_elements) == (2 * 64, 3 * 16)


def test_costs_are_the_closed_forms() -> None:
    conv, product = CONV.cost(PLACE), PRODUCT.cost(PLACE)
    assert (conv.params, conv.macs, conv.elementwise) == (54, 864, 0)
    assert (product.params, product.macs, product.elementwise) == (55, 864, 2 * 128 + 2 * 48)


def test_costs_of_the_variants_of_a_product_unit() -> None:
    log, complex_, plain = (unit.cost(PLACE) for unit in (LOG_CONV, PRODUCT_COMPLEX, PLAIN_CONV))
    assert (log.params, log.macs, log.elementwise) == (55, 864, 2 * 128)
    assert (complex_.params, complex_.macs, complex_.elementwise) == (54, 2 * 864, 4 * 128 + 5 * 48)
    assert plain == CONV.cost(PLACE)


@pytest.mark.parametrize("unit", [PRODUCT, LOG_CONV])
def test_a_threshold_for_each_channel_is_a_parameter_for_each(unit: Unit) -> None:
    each = unit.cost(with_setting("threshold_per_channel", True))
    assert each == replace(unit.cost(PLACE), params=unit.cost(PLACE).params + PLACE.in_channels - 1)


def test_softening_is_an_argument_of_the_complex_unit_alone_and_costs_nothing() -> None:
    softer = with_setting("softening", 0.1)
    assert PRODUCT_COMPLEX.arguments(softer)["softening"] == 0.1
    assert PRODUCT_COMPLEX.cost(softer) == PRODUCT_COMPLEX.cost(PLACE)
    assert [unit.name for unit in BUILT_IN.values() if "softening" in unit.reads] == ["product-complex"]


@pytest.mark.parametrize("unit", [PRODUCT, PRODUCT_COMPLEX])
def test_cap_costs_one_operation_an_output(unit: Unit) -> None:
    place = with_setting("exponent_cap", None)
    assert unit.cost(PLACE).elementwise - unit.cost(place).elementwise == place.out_elements


def test_only_conv_blocks_always_have_their_relus() -> None:
    assert [unit.name for unit in BUILT_IN.values() if unit.always_relu] == ["conv"]


def test_kinds_are_those_of_the_block_and_of_the_unit() -> None:
    assert CONV.kinds == {"conv"}
    assert PRODUCT.kinds == {"product_conv", "exponents", "thresholds"}
    assert {"trunk"} | CONV.kinds | PRODUCT.kinds == set(PARAMETER_KINDS)


@pytest.mark.parametrize("unit", BUILT_IN.values(), ids=BUILT_IN)
def test_arguments_read_back_from_their_source(unit: Unit) -> None:
    arguments = unit.arguments(PLACE)
    assert eval(repr(arguments)) == arguments


def test_unknown_unit_lists_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r'no unit "prodct"; did you mean "product"\? \(known: conv, log-conv, .*product-complex\)'
    ):
        get_unit("prodct")


def test_units_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pure_nas.space.unit.UNITS, "built_in", {"conv": CONV})
    declare(monkeypatch, "pure_nas.space.unit:PRODUCT")
    assert get_unit("product") is PRODUCT
    assert UNITS.names == ("conv", "product")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["no_such_module:UNIT"], r'"point0" \(no_such_module:UNIT\).*does not load'),
        (["pure_nas.space.unit:NO_SUCH_UNIT"], "does not load"),
        (["pure_nas.space.unit:PARAMETER_KINDS"], r"is a tuple, not a pure_nas\.Unit"),
        (["pure_nas.space.unit:CONV"], 'declares "conv", a name that is already taken'),
    ],
)
def test_broken_declarations_are_explained(monkeypatch: pytest.MonkeyPatch, values: list[str], message: str) -> None:
    declare(monkeypatch, *values)
    with pytest.raises(PureNasError, match=message):
        print(UNITS.names)


def test_two_packages_cannot_declare_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pure_nas.space.unit.UNITS, "built_in", {})
    declare(monkeypatch, "pure_nas.space.unit:CONV", "pure_nas.space.unit:CONV")
    with pytest.raises(PureNasError, match="already taken"):
        print(UNITS.names)


def test_a_unit_of_another_package_is_drawn_and_counted_like_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Unit(name="mine", summary="", implementation="torch.nn:Conv2d", arguments=CONV.arguments, cost=CONV.cost)
    assert (plain.title, plain.sign, plain.multiplies) == ("mine", "M", False)
    named = replace(plain, title="my unit", sign="∏", multiplies=True)
    monkeypatch.setitem(pure_nas.space.unit.UNITS.registered, "mine", named)
    mixed = Architecture(units=(("mine", "product"), ("conv",)))
    assert placement_text(mixed.units) == "∏× +"
    terminal = Console(file=io.StringIO(), width=80)
    column = Column("placement", "placement", "left")
    print_table(terminal, Table.of("networks", [column], [[Cell(stages=mixed.units)]]))
    assert isinstance(terminal.file, io.StringIO)
    assert terminal.file.getvalue().split("\n")[2].strip() == "∏× +"
    assert product_share(["mine", "product", "conv"]) == pytest.approx(2 / 3)
    assert Architecture(units=(("mine", "product"),)).kind == "product"
