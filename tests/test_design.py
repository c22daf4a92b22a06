"""The package keeps to its design: imports point one way, modules are small and named for what they do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pure_nas"
CLI = ROOT / "cli" / "pure_nas_cli"

LAYOUT = (
    (ROOT / "docs" / "design.md").read_text(encoding="utf-8").partition("    pure_nas/ ")[2].partition("\n    cli/")[0]
)
LAYERS = re.findall(r"^ {8}(\w+)(?:\.py|/) ", LAYOUT, re.MULTILINE)
"""A module may import only those named before it, and its own package."""

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "core", "base"}

PROGRAM = PACKAGE / "__main__.py"
"""`python -m pure_nas`, which starts the command line and is imported by nothing."""

MODULES = sorted(set(PACKAGE.rglob("*.py")) - {PROGRAM})
CLI_MODULES = sorted(CLI.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def layer_of(module: str) -> str:
    """The first name below `pure_nas`; empty for the package itself."""
    return [*module.split("."), ""][1]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file names in an import, wherever it stands, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: a relative import"
            yield node.lineno, node.module or ""
            if node.module == "pure_nas":
                yield from ((node.lineno, f"pure_nas.{alias.name}") for alias in node.names)


def test_the_layers_of_the_design_are_those_of_the_package() -> None:
    found = {layer_of(dotted(path)) for path in MODULES} - {"__init__"}
    assert found == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_point_one_way(path: Path) -> None:
    own = layer_of(dotted(path))
    allowed = set(LAYERS) if own == "__init__" else {*LAYERS[: LAYERS.index(own)], own}
    for line, module in imported(path):
        package = module.split(".")[0]
        assert package not in ("pure_nas_cli", "typer", "rich", "click"), f"{dotted(path)}, line {line}"
        if package == "pure_nas" and module != "pure_nas":
            assert layer_of(module) in allowed, f"{dotted(path)}, line {line}, imports {module}"


@pytest.mark.parametrize("path", [*MODULES, PROGRAM, *CLI_MODULES], ids=dotted)
def test_modules_are_small_named_for_what_they_do_and_described(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    assert path.stem not in VAGUE_NAMES
    tree = ast.parse(text)
    assert len(ast.get_docstring(tree) or "") >= 8
    if path in MODULES:
        defined = [node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        assert [each.name for each in defined if each.name[0] != "_" and ast.get_docstring(each) is None] == []


HEAVY = ("torch", "optuna", "fvcore", "matplotlib", "sklearn", "scipy", "plotly", "pure_nas.nn")


@pytest.mark.parametrize(
    "statement",
    [
        "import pure_nas",
        "from pure_nas import Architecture, Candidate, PureNasError, Recipe, SearchSpace, Unit",
        "from pure_nas import DatasetSpec, Metric, own_dataset, register_dataset, register_metric, register_unit",
        "import pure_nas_cli.main",
        "import pure_nas.run.search_results",
        "import pure_nas.space.catalogue",
        "import pure_nas.cost.layers",
        "import pure_nas.data",
    ],
)
def test_what_describes_networks_is_imported_without_pytorch(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_tests_that_the_docs_name_are_there(page: Path) -> None:
    named = re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
