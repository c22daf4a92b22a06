from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pure_nas.errors import PureNasError, UsageError
from pure_nas.space import catalogue
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import SPACES, default_space_for, load_space
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit

TEXT = 'summary = "theirs"\n[architecture]\nblocks_per_stage = 1\nunits = "conv"\n'

Install = Callable[..., None]


@pytest.fixture(autouse=True)
def _fresh_catalogue() -> Iterator[None]:
    vars(SPACES).pop("places", None)
    yield
    vars(SPACES).pop("places", None)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Pretends that another package declares an entry point."""

    def declare(content: object, name: str = "theirs") -> None:
        monkeypatch.setattr(sys.modules[__name__], "theirs", content, raising=False)
        point = EntryPoint(name, f"{__name__}:theirs", SPACES.group)
        monkeypatch.setattr(catalogue, "entry_points", lambda group: [point])

    return declare


@pytest.mark.parametrize("name", SPACES.places)
def test_a_shipped_space_contains_every_baseline_with_its_usual_and_the_shared_recipe(name: str) -> None:
    space = load_space(name)
    both = [get_unit("conv"), get_unit("product")]
    for label, architecture in space.baseline_architectures():
        for units in ([get_unit(label.split()[0])], both):
            located = space.parameters_of(Candidate(architecture, space.baseline_recipe(units)))
            assert located.outside == ()


@pytest.mark.parametrize("name", SPACES.places)
def test_a_shipped_space_explains_itself(name: str) -> None:
    text = SPACES.text(name)
    assert text.startswith("#")
    assert load_space(name).summary
    assert max(map(len, text.splitlines())) <= 120


def test_each_dataset_has_a_default_space() -> None:
    for name in ("digits", "galaxy10", "imagenet"):
        assert default_space_for(name) == name
    for name in ("mnist", "fashion-mnist", "cifar10", "cifar100", "svhn"):
        assert default_space_for(name) == "cifar10"
    assert default_space_for("/my/photos") == "folder"


def test_a_path_ending_in_toml_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert load_space(path) == load_space(str(path)) == SearchSpace.from_toml(TEXT)


def test_an_unknown_space_lists_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=r'no search space "digit"; did you mean "digits"\? \(known: cifar10, '
    ) as caught:
        load_space("digit")
    assert caught.value.hint == "Or give a .toml file."
    with pytest.raises(UsageError, match="There is no search space"):
        SPACES.text("nothing/like/it")


def test_another_package_can_add_a_space_as_text(install: Install) -> None:
    install(lambda: TEXT)
    assert {SPACES.provider(name) for name in SPACES.places} == {"pure-nas", f"{__name__}:theirs"}
    assert load_space("theirs") == SearchSpace.from_toml(TEXT)


@pytest.mark.parametrize("as_type", [str, Path])
def test_another_package_can_add_a_space_as_a_path(install: Install, tmp_path: Path, as_type: type) -> None:
    path = tmp_path / "theirs.toml"
    path.write_text(TEXT)
    install(as_type(path))
    assert SPACES.text("theirs") == TEXT
    path.unlink()
    with pytest.raises(PureNasError, match=r'Entry point "theirs" .* cannot be read'):
        load_space("theirs")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}.popitem, 'Entry point "theirs" .* does not load: KeyError'),
        (3, 'Entry point "theirs" .* gives a int, not TOML text'),
        (lambda: TEXT + "base_width = 0", r'search space "theirs" \(.*\) has 1 error:\n  architecture.base_width'),
    ],
)
def test_a_faulty_entry_point_is_named(install: Install, content: object, message: str) -> None:
    install(content)
    assert "theirs" in SPACES.places
    with pytest.raises(PureNasError, match=message):
        load_space("theirs")


def test_an_entry_point_cannot_take_a_shipped_name(install: Install) -> None:
    install(TEXT, "digits")
    with pytest.raises(PureNasError, match=r'Entry point "digits" .* a name that is already taken'):
        SPACES.text("digits")


def test_the_installed_package_comes_before_the_folder_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "pure_nas"
    package.mkdir()
    monkeypatch.setattr(catalogue.resources, "files", lambda name: package)
    with pytest.raises(PureNasError, match="lacks its search spaces"):
        SPACES.text("digits")
    for folder, name in ((tmp_path, "beside"), (package, "inside")):
        (folder / "search_spaces").mkdir()
        (folder / "search_spaces" / f"{name}.toml").write_text(TEXT)
        vars(SPACES).pop("places", None)
        assert tuple(SPACES.places) == (name,)
