"""The library as people call it: searches, experiments and trainings on their own images, by their own metrics."""

from __future__ import annotations

import builtins
import doctest
import inspect
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import pure_nas
from benchmarks.images import load_dataset
from pure_nas.data.sources.registry import DATASETS
from pure_nas.errors import DataError, PureNasError, RunError, UsageError
from pure_nas.objectives import METRICS
from pure_nas.space.unit import CONV, PLAIN_CONV, UNITS

SPACE = """
[run]
trials = 2
epochs = 1
batch_size = 16
[architecture]
stages = 2
blocks_per_stage = 1
base_width = { choices = [2, 3] }
units = { choices = ["conv", "product"], per = "layer" }
"""


CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _registered_for_one_test() -> Iterable[None]:
    yield
    for registry in (UNITS, DATASETS, METRICS):
        registry.registered.clear()


@pytest.fixture
def space() -> pure_nas.SearchSpace:
    return pure_nas.SearchSpace.from_toml(SPACE)


def stripes(count: int) -> tuple[Tensor, Tensor]:
    """Images whose class is where their stripe is."""
    labels = torch.arange(count) % 3
    images = torch.randint(0, 60, (count, 1, 8, 8), generator=torch.Generator().manual_seed(count))
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 2 * label : 2 * label + 2] += 150
    return images.to(torch.uint8), labels


@pytest.fixture
def own() -> pure_nas.DatasetSpec:
    return pure_nas.own_dataset(stripes(90), stripes(30), name="stripes", classes=["top", "middle", "bottom"])


def worst_class(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The error of the class that is classified worst."""
    wrong, seen = torch.zeros(3), torch.zeros(3)
    for images, labels in batches:
        assert not network.training
        wrong.index_add_(0, labels, (network(images).argmax(1) != labels).float())
        seen.index_add_(0, labels, torch.ones(len(labels)))
    return float((wrong / seen).max())


@pytest.fixture
def run(own: pure_nas.DatasetSpec, space: pure_nas.SearchSpace, tmp_path: Path) -> pure_nas.Run:
    """A search of two trials."""
    return pure_nas.search(own, space, out=tmp_path, device=CPU, baselines=False)


def test_a_search_gives_a_run_that_can_be_opened_again_and_goes_on(
    own: pure_nas.DatasetSpec, space: pure_nas.SearchSpace, run: pure_nas.Run, tmp_path: Path
) -> None:
    assert run.path == tmp_path / "stripes"
    assert 'device = "cpu"' in (run.path / "run.toml").read_text(encoding="utf-8")
    assert [trial.number for trial in run.trials] == [0, 1]
    assert run.trial("best") in run.front
    assert run.trial(1).number == 1
    seen: list[int] = []
    further: dict[str, Any] = {"trials": 3, "on_trial": lambda trial: seen.append(trial.number)}
    more = pure_nas.search(own, space, out=tmp_path, device=CPU, baselines=False, **further)
    assert seen == [2]
    assert len(more.trials) == 3
    assert pure_nas.open_run(str(run.path)) == run
    with pytest.raises(RunError, match="There is no run"):
        pure_nas.open_run(tmp_path / "other")


def test_a_run_hands_over_its_networks(run: pure_nas.Run, tmp_path: Path) -> None:
    network = run.load("smallest")
    assert not network.training
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert [path.name for path in run.export(0, tmp_path / "exported", format="json")] == ["architecture.json"]
    found = pure_nas.evaluate(f"{run.path}:best", split="validation", device=CPU)
    assert found.quality.accuracy == pytest.approx(run.trial("best").metrics["accuracy"])
    assert [each.name for each in found.quality.classes] == ["top", "middle", "bottom"]
    assert pure_nas.evaluate(network, "stripes", device=CPU).quality.images == 30
    assert run.report().read_text(encoding="utf-8").startswith("<!")


def test_a_run_retrains_its_networks_and_then_hands_those_over(run: pure_nas.Run) -> None:
    assert run.retraining is None
    found = run.retrain(["best"], seeds=1, device=CPU)
    assert run.retraining == found
    assert len(found.rows[0].test_accuracy) == 1
    assert repr(found) == f"Retraining({len(found.rows)} networks of trials {run.trial('best').number})"
    kept, other = (run.load("best", origin=origin).state_dict() for origin in ("search", "retrain"))
    assert not torch.equal(kept["classifier.linear.weight"], other["classifier.linear.weight"])


def test_trials_are_rows_of_a_data_frame(run: pure_nas.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(PureNasError, match="needs pandas"):
        run.to_dataframe()
    stand_in = types.ModuleType("pandas")
    stand_in.read_csv = list  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    header, *rows = run.to_dataframe()
    assert header.startswith("trial,state,error,flops")
    assert len(rows) == 2


def test_own_metrics_are_objectives(own: pure_nas.DatasetSpec, space: pure_nas.SearchSpace, tmp_path: Path) -> None:
    metric = pure_nas.Metric(name="badness", compute=worst_class)
    run = pure_nas.search(own, space, out=tmp_path, objectives=["error", "flops", metric], device=CPU, baselines=False)
    assert run.results.objective_names == ("error", "flops", "badness")
    assert run.results.reference[2] == 1.0
    for trial in run.trials:
        assert trial.objectives[2] == trial.metrics["badness"] >= trial.error
    METRICS.registered.clear()
    assert run.trials[0].objectives[2] >= 0  # read without it
    assert "badness" in run.report().read_text(encoding="utf-8")


def test_an_objective_takes_own_images_and_metrics(space: pure_nas.SearchSpace) -> None:
    objective = pure_nas.Objective(images=stripes(60), space=space, metric=worst_class, device=CPU)
    assert objective.directions == ["minimize"] * 3
    study = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=1)
    error, _, worst = study.trials[0].values
    assert worst >= error
    with pytest.raises(UsageError, match="needs a dataset"):
        pure_nas.Objective()


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (lambda network, batches: float("nan"), '"faulty" is nan'),
        (lambda network, batches: None, '"faulty" cannot be computed'),
    ],
)
def test_a_metric_that_is_no_number_is_named(compute: Any, words: str, space: pure_nas.SearchSpace) -> None:
    metric = pure_nas.Metric(name="faulty", compute=compute)
    objective = pure_nas.Objective(stripes(60), space, metric=metric, device=CPU)
    with pytest.raises(PureNasError, match=words):
        objective(optuna.create_study(directions=objective.directions).ask())


def test_names_that_are_taken_or_cannot_be_names_are_refused(own: pure_nas.DatasetSpec) -> None:
    with pytest.raises(UsageError, match="has the name of an objective"):
        pure_nas.Metric(name="flops", compute=worst_class)
    with pytest.raises(UsageError, match='"digits" is already taken'):
        pure_nas.register_dataset(replace(own, name="digits"))
    with pytest.raises(UsageError, match="cannot be used as a name"):
        pure_nas.register_unit(replace(PLAIN_CONV, name="my unit"))
    with pytest.raises(UsageError, match="is a Unit, not a Metric"):
        pure_nas.register_metric(PLAIN_CONV)  # type: ignore[arg-type]


def test_a_registered_unit_is_built_and_trained(own: pure_nas.DatasetSpec, tmp_path: Path) -> None:
    pure_nas.register_unit(replace(PLAIN_CONV, name="first"))
    pure_nas.register_unit(replace(PLAIN_CONV, name="first", summary="another"))
    assert UNITS.registered["first"].summary == "another"
    architecture = pure_nas.Architecture(units=(("first",), ("product",)), base_width=2)
    trained = pure_nas.train(architecture, own, epochs=1, output=tmp_path / "trained", device=CPU)
    assert trained.load().architecture.units == (("first",), ("product",))
    assert trained.metrics["error"] == 1 - trained.metrics["accuracy"]
    assert trained.export(tmp_path / "exported")[0].name == "network.py"
    assert pure_nas.train(architecture, own, epochs=1, output=tmp_path / "trained", device=CPU) == trained
    with pytest.raises(RunError, match="was started with other settings"):
        pure_nas.train(architecture, own, epochs=2, output=tmp_path / "trained", device=CPU)


@pytest.mark.parametrize("implementation", ["", "Conv2d", "torch.nn:Conv", "torch.nn:Conv2d:weight"])
def test_a_unit_that_cannot_be_imported_says_so(implementation: str) -> None:
    pure_nas.register_unit(replace(CONV, name="mine", implementation=implementation))
    with pytest.raises(PureNasError, match=f'The unit "mine" cannot be built: {implementation} does not import'):
        pure_nas.build(pure_nas.Architecture(units=(("mine",),), base_width=2))


class Photos:
    """A dataset as torchvision has them."""

    def __init__(self, images: list[Any]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.images[index], index % 2


def test_datasets_of_pillow_images_and_of_tensors_are_taken_as_they_are() -> None:
    shades = [Image.new("RGB", (8, 8), (3 * index, 0, 255)) for index in range(40)]
    pure_nas.register_dataset(pure_nas.own_dataset(Photos(shades), name="shades", flip=True))
    dataset = load_dataset("shades")
    assert (dataset.in_chans, dataset.image_size, dataset.classes, dataset.flip) == (3, 8, ("0", "1"), True)
    with pytest.raises(DataError, match="no test images"):
        dataset.test()
    floats = [torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255 for image in shades]
    pure_nas.register_dataset(pure_nas.own_dataset(Photos(floats), name="floats"))
    assert load_dataset("floats").fingerprint == dataset.fingerprint
    sizes = [Image.new("L", (10 + index % 2, 12)) for index in range(40)]
    assert pure_nas.own_dataset(Photos(sizes), image_size=9).image_size == 9


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (Photos([Image.new("L", (8, 9))]), "8 x 9 pixels is not square"),
        (Photos([torch.zeros(1, 8, 8), torch.zeros(1, 9, 9)]), "Image 1 has the shape 1 x 9 x 9, but the first"),
        (Photos([torch.full((1, 8, 8), -1.0)]), "Floating-point images must be from 0 to 1, but range from -1"),
        (Photos([]), "no images"),
        ((torch.zeros(3, 1, 8, 8), torch.zeros(3)), "Labels must be whole numbers"),
        ((torch.zeros(3, 1, 8, 9), torch.zeros(3, dtype=torch.int64)), r"H = W, got \(1, 8, 9\)"),
    ],
)
def test_images_that_cannot_be_used_are_explained(images: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        pure_nas.own_dataset(images)


def test_an_experiment_is_made_and_opened(
    write_experiment: Callable[..., Path], image_folder: Path, tmp_path: Path
) -> None:
    file = write_experiment(tmp_path / "widths.toml")
    found = pure_nas.experiment(file, dataset=image_folder, out=tmp_path, study="run", device=CPU)
    assert (found.results.complete, found.path) == (1, tmp_path / "run")
    assert pure_nas.experiment(file, dataset=image_folder, out=found.path, device=CPU) == found  # as once it was said
    assert pure_nas.open_run(found.path) == found
    names = sorted(path.name for path in (found.path / "trials").iterdir())
    assert found.load(names[0])(torch.zeros(1, 1, 8, 8)).shape == (1, 3)
    assert found.report().name == "report.html"


STATE = """
import ctypes, gc, json, locale, logging, os, random, signal, socket, sys, warnings
for library in sys.argv[3:]:
    __import__(library)


def hblks(torch):
    "Blocks that the C library has mapped: a large one is, unless freed memory is kept."
    class Mallinfo2(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd uordblks fsmblks".split()]
        _fields_ += [(name, ctypes.c_size_t) for name in "fordblks keepcost more".split()]
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return 0
    libc.mallinfo2.restype = Mallinfo2
    before = libc.mallinfo2().hblks
    block = torch.empty(2**28, dtype=torch.uint8)
    return libc.mallinfo2().hblks - before


OF_LIBRARIES = {
    "torch": lambda torch: {
        "torch": (torch.get_rng_state().tolist(), torch.initial_seed()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "dtype": (torch.get_default_dtype(), torch.get_default_device()),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "precision": (torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()),
        "memory": hblks(torch),
    },
    "torch._dynamo": lambda found: {"dynamo": (found.config.recompile_limit, found.config.suppress_errors)},
    "numpy": lambda numpy: {"numpy": repr(numpy.random.get_state()), "numbers": numpy.geterr()},
    "matplotlib": lambda found: {"matplotlib": (dict(found.rcParams), found.get_backend(auto_select=False))},
    "PIL.Image": lambda found: {"pillow": found.MAX_IMAGE_PIXELS},
    "optuna": lambda found: {"optuna": found.logging.get_verbosity()},
}


def state():
    "Of Python, and of the libraries that are imported by now."
    found = {
        "random": random.getstate(),
        "timeout": socket.getdefaulttimeout(),
        "warnings": (warnings.showwarning, sys.argv[3:] and list(warnings.filters)),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "masked": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "folder": os.getcwd(),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "garbage": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "hooks": (sys.excepthook, sys.displayhook, sys.stdout, sys.stderr, sys.getrecursionlimit()),
        "locale": locale.setlocale(locale.LC_ALL),
        **{f"filter {filter}": True for filter in warnings.filters},
        **{f"variable {name}": value for name, value in os.environ.items()},
    }
    for name in ("pure_nas", "pure_nas.data", "optuna", "matplotlib", "PIL"):
        if name in logging.root.manager.loggerDict:
            logger = logging.getLogger(name)
            found[f"logger {name}"] = (logger.level, list(logger.handlers), logger.propagate, logger.disabled)
    for library, of_it in OF_LIBRARIES.items():
        if library in sys.modules:
            found |= of_it(sys.modules[library])
    return found


random.seed(7)
before, changed, came = state(), {}, set()


def compare(call):
    global before
    after = state()
    changed[call] = [name for name in before if before[name] != after.get(name)]
    came.update(name for name in after if name not in before and name.startswith("variable "))
    before = after


import pure_nas
compare("import")
space, images = pure_nas.SearchSpace.from_toml(sys.argv[1]), sys.argv[2]
compare("SearchSpace")
run = pure_nas.search(images, space, objectives="error,flops,latency,memory,noise_error", device="cpu", sampler="gp")
compare("search")
run.load("knee"), run.export("best")
compare("load")
run.retrain("best", seeds=1, device="cpu")
compare("retrain")
run.report()
compare("report")
pure_nas.evaluate(f"{run.path}:best", noises=pure_nas.usual_noises(), device="cpu")
compare("evaluate")
pure_nas.train(run.trial("best").candidate, images, device="cpu")
compare("train")
objective = pure_nas.Objective(images, space, device="cpu")
compare("Objective")
import optuna
before = state()
objective(optuna.create_study(directions=objective.directions).ask())
compare("objective")
print(json.dumps([changed, sorted(came)]))
"""
LIBRARIES = "fvcore.nn matplotlib numpy optuna plotly.tools sklearn.datasets torch torch._dynamo torchvision PIL.Image"
OF_THEIRS = {f"variable {name}" for name in ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR")}
"""What libraries set as they are imported, which docs/api.md names."""


@pytest.mark.parametrize(("imported", "variables"), [("", OF_THEIRS), (LIBRARIES, set())])
def test_calls_leave_the_process_as_it_was(
    imported: str, variables: set[str], image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in OF_THEIRS:
        monkeypatch.delenv(variable.removeprefix("variable "), raising=False)
    images = str(image_folder) if imported else "digits"  # which scikit-learn has
    command = [sys.executable, "-c", STATE, SPACE, images, *imported.split()]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    changed, came = json.loads(done.stdout)
    assert len(changed) == 10
    assert changed == {call: [] for call in changed}
    assert set(came) == variables
    page = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    assert all(name.removeprefix("variable ") in page for name in OF_THEIRS)


def test_every_public_name_is_described_and_every_example_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run = pure_nas.search("digits", trials=2, epochs=1, limits={"params": "20k"}, baselines=False, device="cpu")
    names = {name: getattr(pure_nas, name) for name in pure_nas.__all__}
    names |= {"pure_nas": pure_nas, "torch": torch, "run": run}
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = 0
    for each in (getattr(pure_nas, name) for name in pure_nas.__all__):
        if not (inspect.isclass(each) or inspect.isfunction(each)):
            continue
        assert inspect.getdoc(each), each
        for test in finder.find(each, each.__name__, globs=names):
            examples += bool(test.examples)
            runner.run(test)
    optuna.logging.set_verbosity(verbosity)
    assert runner.summarize(verbose=False).failed == 0
    assert examples >= 20


def test_the_page_of_the_public_api_is_up_to_date() -> None:
    docs = Path(__file__).parent.parent / "docs"
    code = "import make_api_page, sys; sys.stdout.reconfigure(encoding='utf-8'); print(make_api_page.page(), end='')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(docs), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    page = (docs / "api.md").read_text(encoding="utf-8")
    assert done.stdout == page, "run: python docs/make_api_page.py"
    sections = re.split(r"^###.*\n", re.sub(r"^```python\n.*?^```\n", "", page, flags=re.M | re.S), flags=re.M)
    assert all(section.strip() for section in sections)


def test_the_page_explains_every_type_that_a_signature_names() -> None:
    page = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(?!>>>)(.*?)^```", page, flags=re.M | re.S)
    blocks += re.findall(r"^- `(\w+: .*?)`: ", page, flags=re.M)  # attributes
    code = "\n".join(re.sub(r"'[^']*'|\"[^\"]*\"", "", block) for block in blocks)
    explained = re.findall(r"^- `(\w+)`: ", page.partition("## Types in signatures")[2], flags=re.M)
    known = {"Any", "Callable", "Iterator", "Literal", "Mapping", "Self", "Sequence"}  # of Python
    known |= {"BaseTrial", "DataFrame", "Generator", "NDArray", "Path", "Tensor"}  # of libraries
    named = set(re.findall(r"\b[A-Z]\w+", code)) - known - vars(builtins).keys()
    assert named - set(pure_nas.__all__) - set(explained) == set()
    assert [name for name in explained if name not in code] == []


def test_every_argument_of_a_call_is_described() -> None:
    calls = [pure_nas.search, pure_nas.experiment, pure_nas.train, pure_nas.evaluate, pure_nas.Objective]
    for call in [*calls, pure_nas.Run.load, pure_nas.Run.export, pure_nas.Run.retrain]:
        described = re.search(r"^Args:\n((?:    .*\n)+)", inspect.getdoc(call) or "", flags=re.M)
        names = re.findall(r"^    (\w[\w, ]*): ", described[1], flags=re.M) if described else []
        assert {*", ".join(names).split(", ")} == inspect.signature(call).parameters.keys() - {"self"}, call


def test_examples_and_docs_import_public_names_only() -> None:
    root = Path(__file__).parent.parent
    files = [root / "README.md", *(root / "docs").glob("*.md"), *(root / "examples").rglob("*.ipynb")]
    files += (root / "examples").rglob("*.py")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.findall(r"(?:from|import) pure_nas\.\w.*", text), file
        for names in re.findall(r"from pure_nas import (.*)", text):
            assert set(names.split(", ")) <= set(pure_nas.__all__), file


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = Path(__file__).parent.parent / "examples" / "search_in_a_notebook.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert "test accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pure_nas.Architecture(units=(("produkt",),)), 'units: There is no unit "produkt"; did you mean "prod'),
        (lambda: pure_nas.Architecture(units=(("conv",),), base_with=3), 'base_with: unknown key .* "base_width"'),
        (lambda: pure_nas.Architecture.uniform("product", 3), "blocks_per_stage: .* got 3"),
        (lambda: pure_nas.Recipe(epochs=0), r"Recipe\(\) has 3 errors:\n  epochs: .*\n  learning_rate: is missing"),
        (lambda: pure_nas.Recipe.usual("conv"), r"unit: input should be an instance of Unit, got 'conv'"),
        (lambda: pure_nas.Recipe.shared([]), r"units: must have at least 1 entry, got \[\]"),
        (lambda: pure_nas.Candidate("pure20", None), r"Candidate\(\) has 2 errors:\n  architecture: "),
        (pure_nas.SearchSpace, "architecture: is missing"),
        (lambda: pure_nas.Limits(params="300k"), "params: input should be a valid integer, got '300k'"),
        (lambda: pure_nas.Limits(latency_ms=0), "latency_ms: input should be greater than 0, got 0"),
        (lambda: pure_nas.Noise("gaussian", "0.1"), "level: input should be a valid number, got '0.1'"),
        (lambda: pure_nas.usual_noises(["snow"]), "kinds.0: 'snow' is not valid; known: gaussian"),
        (lambda: pure_nas.Views(scales=224), "scales: input should be a valid tuple, got 224"),
        (lambda: pure_nas.Metric(name="x", compute=3), "compute: input should be callable, got 3"),
        (lambda: pure_nas.Metric(name="x", compute=max, worst=0.0), "worst: input should be greater than 0"),
        (lambda: pure_nas.build("pure20"), "architecture: must be a table of names and values, got 'pure20'"),
        (lambda: replace(CONV, block_kind="wait"), r"Unit\(\) has 1 error:\n  block_kind: 'wait' is not"),  # type: ignore[arg-type]
        (lambda: replace(CONV, parameter_kinds={"weight": "wait"}), "parameter_kinds.weight: 'wait' is not valid"),  # type: ignore[dict-item]
        (lambda: replace(CONV, sign="abc"), "sign: string should have at most 1 character, got 'abc'"),
        (lambda: replace(CONV, usual_weight_decay=-1e-4), "usual_weight_decay: .* equal to 0, got -0.0001"),
        (lambda: replace(CONV, implementation=nn.Conv2d), "implementation: input should be a valid string"),  # type: ignore[arg-type]
        (lambda: pure_nas.own_dataset(3), "dataset must be a name or the path of a folder, not 3"),
        (lambda: pure_nas.search("digits", trials="x"), r"search\(\) has 1 error:\n  trials: .* got 'x'"),
        (lambda: pure_nas.search("digits", trails=3), r"search\(\) got an unexpected keyword argument 'trails'"),
        (lambda: pure_nas.search("digits", sampler="tep"), "sampler: 'tep' is not valid; did you mean \"tpe\""),
        (lambda: pure_nas.train("pure8", "digits", seed=-1), "seed: .* greater than or equal to 0, got -1"),
        (lambda: pure_nas.evaluate("runs/x:best", split="val"), "split: 'val' is not valid; known: test, validation"),
        (lambda: pure_nas.search("digits", time=-1), '"-1" is not a time such as 90s'),
        (lambda: pure_nas.search("digits", workers=0), r"^The number of workers cannot be 0 on \d+ CPUs\.\nTake"),
        (lambda: pure_nas.search(None), "dataset must be a name or the path of a folder, not None"),
        (lambda: pure_nas.search("digits", device=torch.device("meta")), 'There is no device "meta"'),
        (lambda: pure_nas.search("digits", device=3), "device: must be str or device, got 3"),
        (lambda: pure_nas.search("digits", image_size=100_000), "image_size: .* equal to 1024, got 100000"),
        (lambda: pure_nas.train("pure8", "digits", image_size=4), "image_size: .* equal to 8, got 4"),
        (lambda: pure_nas.evaluate("runs/x:best", image_size=0), "image_size: .* equal to 8, got 0"),
        (lambda: pure_nas.own_dataset([], image_size=-1), "image_size: .* equal to 8, got -1"),
        (lambda: pure_nas.experiment("noise", seeds=0), "seeds: .* greater than or equal to 1, got 0"),
        (lambda: pure_nas.open_run(None), "path: must be str or PathLike.*, got None"),
    ],
)
def test_what_is_called_with_a_wrong_value_says_which(call: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()


def test_a_run_refuses_what_it_cannot_hand_over(run: pure_nas.Run) -> None:
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: run.load(origin="retrained"), r"Run\.load\(\) has 1 error:\n  origin: "),  # type: ignore[arg-type]
        (lambda: run.export(format="tflite"), r"Run\.export\(\) has 1 error:\n  format: "),  # type: ignore[arg-type]
        (lambda: run.retrain(seeds=0, epochs=0), r"Run\.retrain\(\) has 2 errors:\n  seeds: .*\n  epochs: "),
        (lambda: run.retrain([]), "No trial is named"),
    ]
    for call, words in refused:
        with pytest.raises(UsageError, match=words):
            call()


def test_numbers_of_numpy_are_numbers() -> None:
    assert pure_nas.Noise("gaussian", np.float32(0.5)) == pure_nas.Noise("gaussian", 0.5)
    assert pure_nas.Limits.of({"params": np.int64(300)}) == pure_nas.Limits(params=300)
    assert pure_nas.Architecture.named("pure20", base_width=np.int64(8)).base_width == 8
