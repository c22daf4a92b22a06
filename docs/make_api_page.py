"""Writes docs/api.md, the page of the public API, from signatures and docstrings: python docs/make_api_page.py"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin

import pure_nas

PAGE = Path(__file__).with_name("api.md")
INTRODUCTION = """# The public API

Everything here is in `import pure_nas`, which is quick: PyTorch is imported with the first name that needs it. What
`pure_nas.__all__` lists is public and on this page; every module below `pure_nas` is internal and may change without
notice. [A notebook](../examples/search_in_a_notebook.ipynb) shows most of it at
work. `python docs/make_api_page.py` makes this page from the docstrings.

A call leaves the caller's process as it was: random states, default dtype, number of threads, settings of PyTorch,
Optuna and warnings. For that reason it does not let the C library keep freed memory on a CPU, which the command line
and worker processes do. Where large batches train on a CPU in the caller's own process, Python gets the same speed (a
third of a step at batch 512) by `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2000000000` in its environment.

What libraries do to the process as they are imported stays, as wherever else they are imported: they rely on it later.
scikit-learn sets the environment variables `KMP_DUPLICATE_LIB_OK` and `KMP_INIT_AT_FORK`, without which a second OpenMP
library ends the process and a fork may hang; `torch._dynamo` sets `TORCHINDUCTOR_CACHE_DIR`, so that processes share
compiled code; NumPy, PyTorch, SciPy and plotly add filters of warnings for what they themselves warn of. Variables that
are set before are left as they are.
"""
CHAPTERS = {
    "Search, train, evaluate": (
        *("search", "open_run", "race", "experiment", "train", "evaluate", "Run", "Experiment", "TrainedNetwork"),
        *("Noise", "usual_noises", "Views", "Execution"),
    ),
    "Results": (*("Results", "TrialRecord", "Retraining", "ExperimentResults", "Race", "Evaluation", "Quality"),),
    "Your own Optuna study": ("Objective", "ForecastSampler", "Limits"),
    "Networks": ("Architecture", "Recipe", "Candidate", "SearchSpace", "build", "Network", "ConvPU"),
    "Your own images, metrics and units": (
        *("own_dataset", "register_dataset", "DatasetSpec", "Part", "Download", "RawImages", "LargeImages", "Opened"),
        *("PixelSource", "Metric", "register_metric", "Unit", "UnitPlace", "UnitCost", "get_unit", "register_unit"),
    ),
    "Errors": ("PureNasError", "UsageError", "ConfigError", "DataError", "RunError"),
}
TYPES = {
    "AnyDataset": "the name of a dataset, the path of an image folder, a `DatasetSpec`, or your own images: see "
    "`own_dataset`",
    "AnyDevice": '"auto" (a GPU if there is one), "cpu", "cuda", "cuda:N" or a `torch.device`',
    "AnyExecution": 'an `Execution`, or the `kind` of one: "auto", "inline", "pool" or "ray"',
    "AnyLimits": 'a `Limits`, or a mapping such as `{"params": "300k", "latency": "2ms"}`; None: no limits',
    "AnyObjective": "the name of an objective or metric, a `Metric`, or a function that computes one",
    "AnyPath": "a str or a path; `~` is expanded",
    "AnySpace": "the name of a search space, the path of its file, or a `SearchSpace`; None: the one for the dataset",
    "ImageSize": "a height and width in pixels, 8 to 1,024",
    "LearningRate": "a number above 0, at most 100",
    "DecayValue": "a number from 0 to 10",
    "Stopping": "`errors`, by epoch, above which a trial stops; an `audit` does not",
    "Workers": 'a number of networks to train in parallel, or "auto"',
    "OwnImages": "a sequence of (image, label), such as a torchvision dataset, or a pair (images, labels)",
    "Compute": "the function of a `Metric`: takes a `Network` and batches of (images, labels), and returns a number",
    "Latency": "a function that measures the latency of an `Architecture`, milliseconds",
    "Load": "a function of the data directory and the `Part`, which returns `RawImages` or `LargeImages`",
    "Pixels": "a uint8 array, (N, C, H, W) or (C, H, W)",
    "Positions": "an int64 array of positions in a set of images",
    "Size": "a height and width in pixels, 8 to 2,048",
    "Block": "one residual block: `name`, `stage`, `unit`, `in_channels`, `channels`, `out_channels`, `stride`, "
    "`in_size`, `out_size`, `shortcut`, `bottleneck`",
    "Stem": "the first layers: `in_channels`, `out_channels`, `kernel_size`, `stride`, `pool`, `relu`",
    "Located": "`params`, the parameters of a `Candidate` in a space, and `outside`, the paths of what it lacks",
    "Seed": "a further training of a trial: its `seed`, `objectives`, whether it `diverged`, and `seconds`",
    "RacedSearch": "one search of a race: `sampler`, `seed`, `path` of its run, `results`, `seconds`, `best_error` "
    "and its `course`: `paid`, by kind of cost, and `volume`, the hypervolume, after each training",
    "Pick": "the chosen `trial`, `why`, its `costs`, of how many `keeping` the limits, how many are "
    "`beaten` outright, its `rivals`, its `standing`, and in words how `sure` that is",
    "Row": 'a retrained network: `trial`, `variant` ("trial" or the name of a twin), `params`, `flops`, `epochs`, '
    "`seeds`, `test_accuracy` (one per seed that did not diverge), `diverged`, and their `mean`, `std` and 95 % "
    "`interval`",
    "Verdict": "a retrained trial against its twins: `trial` and `text`",
    "Measurement": "one training of an experiment: `seed`, `state`, `accuracy` (0 to 1), `seconds`, `reason`, `curve`, "
    "`evaluation`",
    "Bin": "images of similar confidence: `low`, `high`, `count`, mean `confidence`, `accuracy`",
    "ClassQuality": "how well one class is recognised: `name`, `count`, `precision`, `recall`, `f1`",
    "IntensityChange": "images with intensity multiplied by `factor`: `accuracy`, `agreement` with the predictions "
    "for the unchanged images, and for the features their `cosine`, `norm_ratio` and `relative_change`",
    "NoisePoint": "a level of noise: `noise` and the `quality` under it",
    "ExperimentFile": "an experiment's file: `question`, `paper`, `dataset`, `networks`, `recipes`, `scales`",
    "Grid": "what an experiment trains: `cells` (a network with a recipe each), `seeds`, `trainings`",
}
"""What signatures name that is not public itself, in words."""
CHOICES = {
    "Crops": "evaluation.views",
    "ExecutorName": "workers.executor",
    "ExportFormat": "export",
    "KeptWeights": "plans.search.settings",
    "NoiseKind": "evaluation.noise",
    "OptunaSampler": "plans.search.samplers",
    "Origin": "run.selection",
    "ParameterKind": "space.unit",
    "Quantization": "export",
    "Payment": "analysis.course",
    "SamplerChoice": "plans.search.samplers",
    "Split": "run.images",
    "Tracker": "tracking",
    "TrialState": "run.schema",
}
"""The modules of what signatures name that is one of a few strings."""
SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Shape", "Example")
PLAIN = ("Example", "Returns", "Shape")
"""Sections that are no lists of names."""
BOUNDED = r"\b(?:Count|Positive|Epochs)\b|Annotated\[(.*), Field\(.*\)\]"
"""Whole numbers from 0 or 1, and other types with bounds."""
OF_LIBRARIES = ("forward", "extra_repr", "reset_parameters", "model_post_init", "model_config")
OF_LIBRARIES += ("infer_relative_search_space", "sample_relative", "sample_independent")
"""Methods that PyTorch, pydantic and Optuna call."""


def page() -> str:
    """The page as Markdown."""
    listed = [name for names in CHAPTERS.values() for name in names]
    assert sorted(listed) == sorted(pure_nas.__all__), "every public name belongs into one chapter"
    parts = [INTRODUCTION]
    for chapter, names in CHAPTERS.items():
        parts += [f"## {chapter}\n", *(entry for name in names for entry in entries(name, getattr(pure_nas, name)))]
    parts += ["## Types in signatures\n", "\n".join(types()) + "\n"]
    return "\n".join(parts).rstrip() + "\n"


def types() -> Iterator[str]:
    """What signatures name that is not public itself."""
    found = {name: f"{text}." for name, text in TYPES.items()}
    for name, module in CHOICES.items():
        found[name] = " or ".join(f'"{each}"' for each in get_args(getattr(import_module(f"pure_nas.{module}"), name)))
        found[name] = found[name].replace(" or ", ", ", found[name].count(" or ") - 1) + "."
    return (f"- `{name}`: {found[name]}" for name in sorted(found))


def entries(name: str, thing: Any) -> Iterator[str]:
    """A public name, and the methods of a class."""
    yield f"### `{name}`\n"
    if not callable(thing) or get_origin(thing):
        written = shown(thing).replace("'", '"')
        yield f"```python\n{name} = {written}\n```\n\n{below(name)}\n"
        return
    if not hasattr(thing, "model_fields") and name not in CHAPTERS["Results"]:  # of those, the fields are described
        yield f"```python\n{signature(name, thing)}\n```\n"
    yield described(thing)
    if is_dataclass(thing) and "Attributes:" not in (thing.__doc__ or "") and (fields := list(commented(thing))):
        yield "**Attributes**\n\n" + "\n".join(fields) + "\n"
    if not inspect.isclass(thing):
        return
    own = [base for base in thing.__mro__ if base.__module__.startswith("pure_nas.")]
    own = [base for base in own if base is thing or base.__name__ not in pure_nas.__all__]
    for key, member in {key: member for base in reversed(own) for key, member in vars(base).items()}.items():
        function = member.__func__ if isinstance(member, classmethod) else member
        read = member.fget if isinstance(member, property) else getattr(member, "func", None)
        if key.startswith("_") or key in OF_LIBRARIES:
            continue
        if isinstance(function, property | cached_property):
            if read and inspect.getdoc(read):
                kind = shown(inspect.signature(read).return_annotation)
                yield f"#### `{name}.{key}`\n\n```python\n{key}: {kind}\n```\n\n{described(read)}"
        elif inspect.isfunction(function) and inspect.getdoc(function):
            yield f"#### `{name}.{key}`\n\n```python\n{signature(key, function)}\n```\n\n{described(function)}"


def commented(thing: type) -> Iterator[str]:
    """The fields of a dataclass that a comment describes, in the same line or above; also of its own bases."""
    above, typed = "", thing.__name__ in CHAPTERS["Results"]
    sources = [inspect.getsource(base) for base in reversed(thing.__mro__) if base.__module__.startswith("pure_nas.")]
    for line in "\n".join(sources).splitlines():
        if comment := re.fullmatch(r"    # (.*)", line):
            above += f" {comment[1]}"
        elif field := re.fullmatch(r"    (\w+): (.*?)(?: = .*?)?(?:  # (.*))?", line):
            if text := (field[3] or above).strip():
                yield f"- `{field[1]}{f': {field[2]}' if typed else ''}`: {text.rstrip('.')}."
            above = ""


def below(name: str) -> str:
    """The text below the definition of something that has no docstring of its own."""
    sources = (inspect.getsource(import_module(f"pure_nas.{module}")) for module in pure_nas._MODULES)
    texts = (re.search(rf'^{name} = .*\n"""([^"]*(?:"[^"]+)*)"""', source, flags=re.M) for source in sources)
    return next(text[1] for text in texts if text)


def signature(name: str, thing: Any) -> str:
    """How something is called, one argument a line where that is long."""
    found = inspect.signature(thing)
    arguments: list[str] = []
    for each in found.parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in arguments:
            arguments.append("*")
        if each.name not in ("self", "cls"):
            arguments.append(argument(each))
    result = "" if found.return_annotation in (found.empty, None, "None") else f" -> {shown(found.return_annotation)}"
    line = f"{name}({', '.join(arguments)}){result}"
    return line if len(line) <= 100 else "\n".join([f"{name}(", *(f"    {each}," for each in arguments), f"){result}"])


def argument(each: inspect.Parameter) -> str:
    """An argument with its type and default."""
    text = f"{'**' if each.kind is each.VAR_KEYWORD else ''}{each.name}"
    text += "" if each.annotation is each.empty else f": {re.sub(BOUNDED, _plain, shown(each.annotation))}"
    if each.default is each.empty:
        return text
    return f"{text} = {'...' if repr(each.default).startswith('<') else repr(each.default)}"


def _plain(bounded: re.Match[str]) -> str:
    return bounded[1] or "int"


def shown(annotation: Any) -> str:
    """A type as it is written."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def described(thing: Any) -> str:
    """A docstring in Google's style as Markdown."""
    text = inspect.getdoc(thing) or ""
    found: list[str] = []
    for part in re.split(rf"\n(?=(?:{'|'.join(SECTIONS)}):\n)", text):
        title, colon, body = part.partition(":\n")
        if not colon or title not in SECTIONS:
            found.append(part.strip())
            continue
        body = inspect.cleandoc(body)
        if title == "Example":
            found.append(f"```python\n{body}\n```")
        elif title in PLAIN:
            found.append(f"**{title}**: {body}")
        else:
            found.append(f"**{title}**\n\n" + "\n".join(items(body)))
    return "\n\n".join(found) + "\n"


def items(body: str) -> Iterator[str]:
    """The entries of a section, one a line."""
    for entry in re.split(r"\n(?=\S)", body):
        name, colon, text = entry.partition(": ")
        names = ", ".join(f"`{each}`" for each in name.split(", "))
        yield f"- {names}: {' '.join(text.split())}" if colon else f"- {' '.join(entry.split())}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
