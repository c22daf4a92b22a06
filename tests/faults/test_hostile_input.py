"""Generated files and command lines that make no sense: each is an explained error or works. `-m faults` for 10,000."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from studies import Study, invoke

from pure_nas.cost.layers import cost_of
from pure_nas.errors import PureNasError
from pure_nas.plans.experiment.file import find_experiment
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.catalogue import load_space
from pure_nas.space.recipe import Recipe
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import PRODUCT

FEW, MANY = 30, 2_500
VALUES: tuple[Any, ...] = (
    *(0, -1, 1, 2, 10**9, 10**30, -(10**30), 0.5, 1e-320, 1e308, float("inf"), float("nan"), True, False),
    *("", "x", "conv", "product", "none", "all", "a" * 3000, "\u2603", "\u0663", "3", "1e3", "../..", "{}", "%s"),
    *([], {}, [[]], [{}], [1, "x"], ["conv"], {"low": 1, "high": 0}, {"low": 1, "high": 10**12}, {"choices": []}),
    *({"choices": ["conv", "conv"]}, {"low": 0.0, "high": 1.0, "log": True}, {"x": 1}, {"choices": list(range(3000))}),
)
ARGUMENTS = (
    *("", "-1", "0", "1", "2.5", "1e309", "nan", "inf", "9" * 400, "\u2603", "\u0663", "1_000", " 3", "0x10", "True"),
    *("a" * 5000, "..", "/", "/dev/null", "/proc/self/mem", "~nobody/x", "a,b", ",", "=", "*", "[bold]", "{x}", "%d"),
    *("\udcff", "front", "best", "runs", "digits", "pure20", "--", "-", "--help", "--json", "--no-such-option"),
)
counts = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.faults)])


def mutated(document: Any, rng: random.Random) -> Any:
    """A copy in which one to three values are replaced, removed, doubled or moved."""
    changed = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            return rng.choice(VALUES)
        holder, key = rng.choice(places)
        match rng.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[rng.choice([*map(str, ARGUMENTS), key + "x"])] = holder[key]
            case 2:
                holder[key] = copy.deepcopy(rng.choice(places)[0])
            case _:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
    return changed


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(document) if isinstance(document, dict) else range(len(document) if isinstance(document, list) else 0)
    for key in keys:
        yield document, key
        yield from _places(document[key])


def explained(work: Callable[[], object]) -> None:
    """That it works, or says what is wrong."""
    try:
        work()
    except PureNasError as error:
        message = error.message
    else:
        return
    assert message.strip()
    assert len(message) < 20_000


def tomls(text: str, count: int, seed: int) -> Iterator[bytes]:
    """Mutations of a TOML file, by its values and by its bytes."""
    rng, document = random.Random(seed), tomllib.loads(text)
    for _ in range(count):
        if rng.random() < 0.7:
            try:
                yield tomli_w.dumps(mutated(document, rng)).encode(errors="surrogateescape")
            except (TypeError, ValueError, AttributeError):  # TOML cannot say that
                continue
        else:
            yield scrambled(text.encode(), rng)


def scrambled(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(changed))
        match rng.randrange(3):
            case 0:
                changed[place] = rng.randrange(256)
            case 1:
                del changed[place : place + rng.randint(1, 40)]
            case _:
                changed[place:place] = changed[rng.randrange(len(changed)) :][: rng.randint(1, 40)]
        changed = changed or bytearray(b"x")
    return bytes(changed)


@counts
@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_search_spaces(name: str, count: int, tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "search_spaces" / f"{name}.toml"
    path = tmp_path / "space.toml"

    def use() -> None:
        space: SearchSpace = load_space(str(path)).with_images(in_chans=3, num_classes=10, image_size=32)
        space.count()
        for network in space.smallest_architectures():
            cost_of(network)

    for data in tomls(file.read_text(encoding="utf-8"), count // 2, seed=count):
        path.write_bytes(data)
        explained(use)


@counts
def test_experiments(count: int, tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    source = find_experiment("placement")
    for data in tomls(source.text, count, seed=count + 1):
        path.write_bytes(data)
        explained(lambda: find_experiment(str(path)).file.scale(None))


@counts
def test_networks_and_recipes(count: int, tmp_path: Path) -> None:
    rng = random.Random(count + 2)
    path = tmp_path / "some.json"
    network = Architecture(units=(("product",), ("conv", "product")), base_width=3, num_classes=3, image_size=8)
    for given, load in ((network.to_json(), Architecture.load), (Recipe.usual(PRODUCT).to_json(), Recipe.load)):
        for _ in range(count // 2):
            data = json.dumps(mutated(json.loads(given), rng)).encode(errors="surrogateescape")
            path.write_bytes(data if rng.random() < 0.7 else scrambled(given.encode(), rng))

            def use(load: Callable[[Path], Any] = load) -> None:
                found = load(path)
                if isinstance(found, Architecture):
                    assert cost_of(found).params >= 0
                    assert Candidate(found, Recipe.usual(PRODUCT)).digest

            explained(use)


COMMANDS = (
    ("search", "--dry-run", "--dataset", "no-such-folder"),
    ("spaces",),
    ("datasets",),
    ("describe",),
    ("report",),
    ("export",),
    ("evaluate",),
    ("retrain",),
    ("experiment", "--list"),
    ("runs", "list"),
    ("doctor",),
    ("train", "--dataset", "no-such-folder"),
    ("race", "--dry-run", "--dataset", "no-such-folder"),
)
OPTIONS = (
    *("--space", "--trials", "--time", "--confirm", "--epochs", "--objectives", "--max-params", "--max-latency"),
    *("--device", "--workers", "--executor", "--gpus", "--cpus-per-trial", "--ray-address", "--data-dir", "--study"),
    *("--out", "--storage", "--sampler", "--lag", "--warm-start", "--seed", "--image-size", "--trial", "-o", "--seeds"),
    *("--format", "--noise", "--views", "--scale", "--retries", "--trial-timeout", "--batch-size", "--learning-rate"),
)


@counts
def test_command_lines(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PURE_NAS_DATA", str(tmp_path / "data"))
    rng = random.Random(count + 3)
    for _ in range(count):
        words = [*rng.choice(COMMANDS)]
        for _ in range(rng.randint(0, 3)):
            words += [rng.choice(OPTIONS)] * (rng.random() < 0.7) + [rng.choice(ARGUMENTS)]
        answer = invoke(*words)
        assert answer.code in (0, 1, 2), (words, answer.stderr)
        assert "Traceback" not in answer.stderr, words
        assert answer.code == 0 or (answer.stderr + answer.stdout).strip(), words


@counts
def test_settings_of_a_run(finished: Study, count: int, tmp_path: Path) -> None:
    """What reads a run says what is wrong with it."""
    study = finished.copied(tmp_path)
    text = (finished.run / "run.toml").read_text(encoding="utf-8")
    for data in tomls(text, count // 4, seed=count + 4):
        (study.run / "run.toml").write_bytes(data)
        for command in (("report", study.run, "--json"), ("doctor", study.run)):
            answer = invoke(*command)
            assert answer.code in (0, 1, 2), answer.stderr
            assert "Traceback" not in answer.stderr
