"""Trained networks: from what a user names to weights, what is known of them, and the images to evaluate them on."""

from __future__ import annotations

import ast
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pure_nas.data.dataset import Dataset
from pure_nas.data.image_set import ImageSet, Normalisation
from pure_nas.errors import RunError, UsageError, nearest
from pure_nas.evaluation.views import Views
from pure_nas.nn.network import Network
from pure_nas.paths import expanded
from pure_nas.quantities import counted, show_percent, some_of
from pure_nas.run.directory import ARCHITECTURE_FILE, WEIGHTS_FILE, RunDirectory, TrialDirectory
from pure_nas.run.images import TRAINING_FILE, RunImages, WantedImages
from pure_nas.run.retrained import Row, load_retraining, retrained_folder
from pure_nas.run.search_results import TrialRecord, find_architecture, load_results
from pure_nas.run.weights import architecture_of, load_trained
from pure_nas.space.architecture import Architecture

_log = logging.getLogger(__name__)

_ENDINGS = (".safetensors", ".pt", ".pth")  # of files of weights, also of those that have to be converted


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network: where its weights are, and what is known of its training."""

    name: str  # as it was asked for, but the folder where its file has the usual name
    weights: tuple[Path, ...]  # a safetensors file; several of a network that was trained with several seeds
    architecture: Architecture
    called: str = ""  # the architecture, if it was named on its own
    images: RunImages | None  # those it was trained on; None where nothing says which
    title: str = ""  # of an export
    notes: tuple[str, ...] = ()  # of an export: which weights these are, and how well the network does with them
    directory: Path = Path()  # where exports go by default
    way_out: str = ""  # what to do if the weights are missing

    @property
    def images_in_words(self) -> str:
        """The images that it was trained on; empty where nothing says which."""
        if self.images is None:
            return ""
        facts, some = self.images.facts, 20
        classes = [str(each) for each in facts.get("classes") or ()]
        count = f"{facts['train']:,} training images of " if isinstance(facts.get("train"), int) else ""
        named = some_of(classes, some)
        return f"{self.images.name}: {count}{counted(len(classes), 'class', 'classes')} ({named})."

    @property
    def recipe_json(self) -> str:
        """How it was trained; empty where no file next to its weights says."""
        training = TrialDirectory(self.weights[0].parent, 0)
        return training.candidate().recipe.to_json() if training.has_candidate else ""

    def load_all(self) -> list[Network]:
        """The network, or that of each seed, on the CPU and in evaluation mode."""
        for path in self.weights if self.way_out else ():
            if not path.is_file():
                raise RunError(f"The weights {path} are missing.", hint=self.way_out)
        return [load_trained(path, self.architecture, name=self.called).eval() for path in self.weights]

    def load(self) -> Network:
        return self.load_all()[0]


def load_networks(
    names: Sequence[str], wanted: WantedImages, *, weights: Path | None = None, conv_twin: bool = False
) -> tuple[list[Trained], list[list[Network]], Dataset]:
    """What `names` mean, the networks of every seed, and the images to evaluate them on.

    `weights` are of the first name, which is an architecture then: fitted to the images as `pure-nas train` fits it.
    """
    if weights is None:
        first = _with_conv_twins(names[0]) if conv_twin else []
        networks = [*first, *_find_all(names[1:] if first else names)]
        loaded = [each.load_all() for each in networks]  # before images are loaded, which may take long
        return networks, loaded, wanted.load(networks[0].name, networks[0].images, networks[0].architecture.image_size)
    if conv_twin:
        raise UsageError("--conv-twin takes a retrained trial of a search, so --weights does not go with it.")
    _require_file(weights)
    others = _find_all(names[1:])
    dataset = wanted.load(str(weights), RunImages.of_weights(weights))
    fitted = find_architecture(names[0]).model_copy(update=dataset.shape)
    images = RunImages.of_weights(weights, fitted.image_size)
    own = Trained(name=names[0], weights=(weights,), architecture=fitted, called=names[0], images=images)
    return [own, *others], [each.load_all() for each in (own, *others)], dataset


def _find_all(texts: Sequence[str]) -> list[Trained]:
    """Each as `find_trained` has it; their names lack the folders that all share."""
    found = [find_trained(text) for text in texts]
    names = [os.path.abspath(each.name) for each in found]
    shared = os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""
    return [replace(each, name=os.path.relpath(name, shared)) for each, name in zip(found, names, strict=True)]


def find_trained(text: str) -> Trained:
    """The network that RUN:TRIAL, a .safetensors file, or a folder with weights names."""
    path = expanded(text)
    if path.suffix in _ENDINGS:
        return _of_file(path)
    # A folder, or the architecture.json in it.
    folder = path.parent if path.name == ARCHITECTURE_FILE else path
    if (folder / WEIGHTS_FILE).is_file():
        return _of_file(folder / WEIGHTS_FILE)
    head, colon, which = text.rpartition(":")
    if colon:
        return _of_run(text, RunDirectory.open(Path(head)), which)
    if path.is_dir():
        raise UsageError(f"{text} is a folder without {WEIGHTS_FILE}.", hint=_way_to_weights(text, path))
    find_architecture(text)
    raise UsageError(
        f"{text} is a network without weights: there is nothing to evaluate.",
        hint=f"Train it, for example with pure-nas train {text} --dataset NAME, then evaluate the folder it writes; "
        "or use --weights FILE; or a trial of a run as RUN:TRIAL, such as runs/digits:best.",
    )


def _way_to_weights(text: str, folder: Path) -> str:
    if is_training(folder):
        return "Its training has not ended or diverged: run the command that started it again to resume it."
    run = RunDirectory(folder)
    if run.exists and run.is_experiment:
        example = next(iter(run.trained_folders), Path("NETWORK-seed1")).name
        return f"Use a training of the experiment, such as {text}:{example}."
    return f"Use a trial of the run, such as {text}:best."


def is_training(folder: Path) -> bool:
    """Whether a folder is that of one training, whatever has become of it."""
    return (folder / TRAINING_FILE).is_file() or TrialDirectory(folder, 0).has_candidate


def _of_file(weights: Path) -> Trained:
    _require_file(weights)
    return trained_at(weights)


def trained_at(weights: Path) -> Trained:
    """The network of weights, which need not be there, by the files next to them."""
    architecture = architecture_of(weights)
    return Trained(
        name=str(weights.parent if weights.name == WEIGHTS_FILE and weights.parent.name else weights),
        weights=(weights,),
        architecture=architecture,
        images=RunImages.of_weights(weights, architecture.image_size),
    )


def _require_file(weights: Path) -> None:
    if not weights.is_file():
        hint = "Use the path of a .safetensors file written by pure-nas."
        raise RunError(f"The weights {weights} are missing.", hint=hint)


def _of_run(text: str, run: RunDirectory, which: str) -> Trained:
    if run.is_experiment:
        folders = {folder.name: folder for folder in run.trained_folders}
        if which not in folders:
            raise UsageError(f'There is no trained network "{which}" in {run.path}; {nearest(which, folders)}.')
        return _of_file(folders[which] / WEIGHTS_FILE)
    record = load_results(run).select(which)
    said = f"{text}: the weights of the search ({counted(record.candidate.recipe.epochs, 'epoch')})."
    if row := load_retraining(run).row_of(record.candidate):
        folder = retrained_folder(run, row.digest, row.seeds[0]).path
        said += f" It was retrained for {counted(row.epochs, 'epoch')}; name {folder} for those weights."
    _log.info(said)
    return replace(of_search(run, record), name=text)


def of_search(run: RunDirectory, record: TrialRecord, *notes: str) -> Trained:
    """A trial as the search trained it; `notes` come before those of its own."""
    images, epochs = RunImages.of_run(run), counted(record.candidate.recipe.epochs, "epoch")
    single = "a single run"
    if record.seeds:
        single = f"mean of {len(record.errors)} seeds {show_percent(record.error)}"
    return Trained(
        name=f"{run.path}:{record.number}",
        weights=(run.trial(record.trained).weights,),
        architecture=record.candidate.architecture,
        images=images,
        title=title_of(run, record),
        notes=(
            *notes,
            f"Weights of the search: {epochs} on the training images.",
            f"Validation error {show_percent(record.errors[0])} on {images.name}, {single}.",
        ),
        directory=run.path / "export" / f"{record.number:04d}",
    )


def title_of(run: RunDirectory, record: TrialRecord) -> str:
    """What an export calls a trial."""
    return f'Trial {record.number} of the pure-nas study "{run.settings().get("study", run.path.name)}"'


def _with_conv_twins(text: str) -> list[Trained]:
    """The trial RUN:TRIAL and its all-conv twins, all as `pure-nas retrain` trained them, with all their seeds."""
    folder, _, which = text.rpartition(":")
    if not folder or (run := RunDirectory.open(Path(folder))).is_experiment:
        raise UsageError(
            f"--conv-twin takes a trial of a search, such as runs/digits:best, not {text}.",
            hint="Use --against to compare other networks.",
        )
    trial = load_results(run).select(which).number
    rows = [row for row in load_retraining(run).rows if row.trial == trial]
    if not rows:
        raise UsageError(
            f"{text} and its conv twin were not retrained, so there is nothing to compare.",
            hint=f"Train them first: pure-nas retrain {folder} --trials {trial} --seeds 3",
        )
    own = max((row for row in rows if row.variant == "trial"), key=lambda row: row.epochs)
    conv = [row for row in rows if row.epochs == own.epochs and row.variant.startswith("conv twin")]
    if not conv:
        raise UsageError(f"{text} is all-conv with its usual recipe: it is its own conv twin.")
    return [_with_all_seeds(run, f"{text}, retrained", own), *(_with_all_seeds(run, row.variant, row) for row in conv)]


def _with_all_seeds(run: RunDirectory, name: str, row: Row) -> Trained:
    files = [retrained_folder(run, row.digest, seed).weights for seed in row.seeds]
    found = [weights for weights in files if weights.is_file()]
    if not found:
        raise RunError(f"{name} has no weights: every seed diverged, or they were removed.")
    which = "" if len(found) == len(files) else f"{len(found)} of "
    return replace(_of_file(found[0]), name=f"{name}, {which}{counted(len(files), 'seed')}", weights=tuple(found))


def images_for(networks: Sequence[Trained], dataset: Dataset, views: Views, wanted: WantedImages) -> list[ImageSet]:
    """The images of the split as each network was trained to see them; the log says where they are the test images."""
    for network in networks:
        _require_fit(network, dataset)
    views.fitting(dataset.image_size)
    if views.mirrored and not dataset.flip:
        raise UsageError(
            f"Mirroring changes the labels of {dataset.name}, so {views.crops} cannot be used.",
            hint=f"Use --views {views.unmirrored().crops}.",
        )
    if wanted.split == "validation":
        for network in networks:
            _require_unseen(network, dataset, wanted.data_dir)
        images = dataset.validation
    else:
        _log.info(
            f"Reading the test images of {dataset.name}: a score used for choosing is no longer an unbiased estimate."
        )
        images = dataset.test()
    return [_normalised(network, dataset, images) for network in networks]


def _require_fit(network: Trained, dataset: Dataset) -> None:
    """Check that a network was made for images like these; the log says where their classes have other names."""
    architecture = network.architecture
    for what, there, here in (
        ("channels", architecture.in_chans, dataset.in_chans),
        ("classes", architecture.num_classes, len(dataset.classes)),
    ):
        if there != here:
            raise UsageError(
                f"{network.name} was made for images with another number of {what} than those of {dataset.name}: "
                f"{there}, not {here}.",
                hint="Use the dataset that it was trained on, or a similar one.",
            )
    names = network.images.facts.get("classes", []) if network.images else []
    odd = [f"{there} for {here}" for there, here in zip(names, dataset.classes, strict=False) if there != here]
    if odd:
        _log.warning(f"{network.name} was trained on classes with other names, such as {odd[0]}.")


def _require_unseen(network: Trained, dataset: Dataset, data_dir: Path | None) -> None:
    """Check that a network was not trained on the validation images; the log says where nothing tells."""
    name, trained_on = network.name, network.images
    if trained_on is None:
        _log.warning(
            f"{name}: there is no record of what it was trained on. If that was {dataset.name}, it may have seen these "
            "validation images."
        )
    elif trained_on.same_dataset(dataset) and trained_on.validation_too:
        raise UsageError(
            f"{name} was trained on these validation images, or on some of them.", hint="Use --split test."
        )
    elif trained_on.same_dataset(dataset) and not trained_on.same_split(dataset, data_dir):
        raise UsageError(
            f"{name} was trained on images of {dataset.name} that were split differently or have changed since: "
            "these validation images may be among them.",
            hint="Use --split test.",
        )


def _normalised(network: Trained, dataset: Dataset, images: ImageSet) -> ImageSet:
    trained_on = network.images
    facts = trained_on.facts if trained_on else _exported_normalisation(network.weights)
    if "mean" in facts and "std" in facts:
        trained_with = Normalisation(tuple(facts["mean"]), tuple(facts["std"]))
        return images if trained_with == images.normalisation else images.normalised(trained_with)
    if trained_on is None or trained_on.fingerprint != dataset.fingerprint:
        _log.info(f"{network.name} has no record of its normalisation: that of {dataset.name} is used.")
    return images


def _exported_normalisation(weights: Sequence[Path]) -> dict[str, tuple[float, ...]]:
    """Mean and standard deviation that the network.py next to exported weights holds; empty where there is none."""
    try:
        source = ast.parse("".join(path.with_name("network.py").read_text(encoding="utf-8") for path in weights))
    except (OSError, ValueError, SyntaxError):
        return {}
    assigned = {ast.unparse(node.targets[0]): node.value for node in source.body if isinstance(node, ast.Assign)}
    if not {"MEAN", "STD"} <= assigned.keys():
        return {}
    return {"mean": ast.literal_eval(assigned["MEAN"]), "std": ast.literal_eval(assigned["STD"])}
