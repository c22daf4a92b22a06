"""The search as a careful user writes it with Optuna and PyTorch alone: nothing here imports pure-nas.

    python -m benchmarks.plain_search images.npz --space digits --trials 40 --epochs 10 --out FOLDER

A multi-objective study (TPE, or another of Optuna's samplers) in SQLite, ResNet/PURe networks with the product unit as
its formula says, SGD with a learning rate and weight decay for each kind of parameter, torchvision transforms in a
DataLoader, fvcore's flops, PyTorch's default threads.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision.transforms import v2

from benchmarks.plain_networks import PlainNetwork, ProductUnit2d

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fvcore.nn import FlopCountAnalysis

Decay = Callable[[float], float]


@dataclass(frozen=True)
class Space:
    """What is searched."""

    blocks: tuple[int, int]
    widths: tuple[int, ...]
    batch_size: int
    theta_per_stage: bool
    conv_rate: tuple[float, float]
    trunk_rate: tuple[float, float]
    decay_schedules: tuple[str, ...]
    label_smoothing: float
    crop_padding: int
    flip: bool


SPACES = {
    "digits": Space(
        blocks=(1, 3),
        widths=(2, 3, 4, 6, 8, 12),
        batch_size=64,
        theta_per_stage=True,
        conv_rate=(0.02, 0.3),
        trunk_rate=(0.005, 0.3),
        decay_schedules=("constant", "linear", "cosine", "step"),
        label_smoothing=0.05,
        crop_padding=1,
        flip=False,
    ),
    "cifar10-small": Space(
        blocks=(1, 2),
        widths=(6, 8, 12, 16),
        batch_size=64,
        theta_per_stage=False,
        conv_rate=(0.01, 0.3),
        trunk_rate=(0.01, 0.3),
        decay_schedules=("constant",),
        label_smoothing=0.0,
        crop_padding=4,
        flip=True,
    ),
}


SAMPLERS: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "random": optuna.samplers.RandomSampler,
    "one-epoch": optuna.samplers.RandomSampler,
}
ONE_EPOCH, KEPT = 24, 4
"""Of "one-epoch": how many are trained for an epoch, and how many of these to their end, by turns."""


@dataclass(frozen=True)
class Choice:
    """A suggestion."""

    units: list[list[str]]
    width: int
    thetas: list[float]
    rates: dict[str, float]
    decays: dict[str, Decay]


def suggest(trial: optuna.Trial, space: Space) -> Choice:
    """Draw a network and how it is trained; only what the network has is drawn."""
    low, high = space.blocks
    blocks = [trial.suggest_int(f"blocks_per_stage.{stage}", low, high) for stage in range(3)]
    width = trial.suggest_categorical("base_width", space.widths)
    units = [
        [trial.suggest_categorical(f"units.{stage}.{index}", ("conv", "product")) for index in range(count)]
        for stage, count in enumerate(blocks)
    ]
    product = any("product" in stage for stage in units)
    conv = any("conv" in stage for stage in units)
    thetas = _thetas(trial, space, units)
    kinds = ["trunk"] + ["conv"] * conv + ["product_conv", "exponents", "thresholds"] * product
    bounds = {"trunk": space.trunk_rate, "conv": space.conv_rate, "exponents": (0.005, 0.3)}
    rates = {
        kind: trial.suggest_float(f"learning_rate.{kind}", *bounds.get(kind, (0.005, 0.1)), log=True) for kind in kinds
    }
    decays = {kind: _decay(trial, space, kind) for kind in kinds}
    return Choice(units, width, thetas, rates, decays)


def _thetas(trial: optuna.Trial, space: Space, units: list[list[str]]) -> list[float]:
    if not space.theta_per_stage:
        drawn = any("product" in stage for stage in units)
        return [trial.suggest_float("threshold_init", -4.0, 0.5) if drawn else 0.0] * 3
    return [
        trial.suggest_float(f"threshold_init.{stage}", -4.0, 0.5) if "product" in names else 0.0
        for stage, names in enumerate(units)
    ]


def _decay(trial: optuna.Trial, space: Space, kind: str) -> Decay:
    """The weight decay of `kind` as a function of the share of the steps that are done."""
    name = f"weight_decay.{kind}"
    if kind != "exponents" or len(space.decay_schedules) == 1:
        path = f"{name}.start"
        value = trial.suggest_float(path, 1e-5, 3e-3, log=True)
        return lambda progress: value
    schedule = trial.suggest_categorical(f"{name}.schedule", space.decay_schedules)
    start = trial.suggest_float(f"{name}.start", 1e-5, 1e-2, log=True)
    if schedule == "constant":
        return lambda progress: start
    end = trial.suggest_float(f"{name}.end", 1e-6, 1e-2, log=True)
    weight: dict[str, Decay] = {
        "linear": lambda progress: progress,
        "cosine": lambda progress: 0.5 * (1 - math.cos(math.pi * progress)),
        "step": lambda progress: float(progress >= 0.5),
    }
    return lambda progress: start + (end - start) * weight[schedule](progress)


class Augmented(Dataset[tuple[Tensor, int]]):
    """Images in memory, augmented one by one as torchvision's datasets do."""

    def __init__(self, images: Tensor, labels: Tensor, transform: v2.Compose) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


class BatchAugmented:
    """The same as whole batches of tensors: what a user who has profiled the loader writes."""

    def __init__(self, images: Tensor, labels: Tensor, space: Space, batch_size: int) -> None:
        self.images, self.labels, self.space, self.batch_size = images, labels, space, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.labels))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self._augmented(self.images[rows]), self.labels[rows]

    def _augmented(self, images: Tensor) -> Tensor:
        padding, size = self.space.crop_padding, images.shape[-1]
        padded = F.pad(images, (padding,) * 4)
        top, left = torch.randint(0, 2 * padding + 1, (2, len(images), 1))
        rows, columns = top + torch.arange(size), left + torch.arange(size)
        if self.space.flip:
            columns = torch.where(torch.rand(len(images), 1) < 0.5, columns.flip(1), columns)
        picked = padded[torch.arange(len(images))[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return picked.permute(0, 3, 1, 2).contiguous()


Loader = DataLoader[tuple[Tensor, int]] | BatchAugmented


@dataclass(frozen=True)
class Images:
    """Normalised training and validation images, in memory."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    black: list[float]
    classes: int

    @classmethod
    def load(cls, path: Path) -> Images:
        """Read uint8 images and labels from an .npz file: train_images (N, C, H, W), train_labels, validation_..."""
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        train = arrays["train_images"].float() / 255
        mean, std = train.mean((0, 2, 3)), train.std((0, 2, 3))

        def part(name: str) -> tuple[Tensor, Tensor]:
            images = arrays[f"{name}_images"].float() / 255
            return (images - mean[:, None, None]) / std[:, None, None], arrays[f"{name}_labels"]

        black = (-mean / std).tolist()
        return cls(part("train"), part("validation"), black, int(arrays["train_labels"].max()) + 1)

    def loader(self, space: Space, *, batched: bool) -> Loader:
        """Training batches, shuffled and augmented."""
        if batched:
            return BatchAugmented(*self.train, space, space.batch_size)
        steps: list[nn.Module] = [v2.RandomCrop(self.train[0].shape[-1], padding=space.crop_padding, fill=self.black)]
        steps += [v2.RandomHorizontalFlip()] if space.flip else []
        return DataLoader(Augmented(*self.train, v2.Compose(steps)), space.batch_size, shuffle=True)


def parameter_groups(network: nn.Module, choice: Choice) -> list[dict[str, Any]]:
    """Parameters by kind: of stem and classifier, of conv blocks, of product blocks, of product units."""
    groups: defaultdict[str, list[nn.Parameter]] = defaultdict(list)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, ProductUnit2d):
                groups["thresholds" if name == "theta" else "exponents"].append(parameter)
    inside = {id(parameter) for group in groups.values() for parameter in group}
    for name, parameter in network.named_parameters():
        if id(parameter) not in inside:
            block = network.get_submodule(".".join(name.split(".")[:2])) if name.startswith("blocks.") else None
            kind = "trunk" if block is None else "product_conv" if block.product else "conv"
            groups[kind].append(parameter)
    return [{"params": groups[kind], "kind": kind} for kind in groups]


def train_and_score(
    network: nn.Module, choice: Choice, space: Space, images: Images, epochs: int, loader: Any, end: int
) -> float:
    """Validation error after epoch `end` of so many epochs; infinite loss prunes the trial."""
    optimizer = torch.optim.SGD(parameter_groups(network, choice), lr=0.1, momentum=0.9)
    validation = DataLoader(TensorDataset(*images.validation), batch_size=512)
    criterion = nn.CrossEntropyLoss(label_smoothing=space.label_smoothing)
    error = 1.0
    for epoch in range(end):
        network.train()
        running = 0.0
        for step, (batch, labels) in enumerate(loader):
            progress = (epoch + step / len(loader)) / epochs
            factor = _rate_factor(progress, epochs)
            for group in optimizer.param_groups:
                group["lr"] = choice.rates[group["kind"]] * factor
                group["weight_decay"] = choice.decays[group["kind"]](progress)
            optimizer.zero_grad()
            loss = criterion(network(batch), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimizer.step()
            running += loss.item()
        if not math.isfinite(running):
            raise optuna.TrialPruned
        error = evaluate(network, validation)
    return error


def _rate_factor(progress: float, epochs: int) -> float:
    """One epoch of warm-up, then a cosine to zero."""
    warmup = min(1 / epochs, 1.0)
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-12)))


@torch.no_grad()
def evaluate(network: nn.Module, loader: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Share of images that are classified wrongly."""
    network.eval()
    wrong = total = 0
    for batch, labels in loader:
        wrong += int((network(batch).argmax(1) != labels).sum())
        total += len(labels)
    return wrong / total


def most_promising(study: optuna.Study) -> list[dict[str, Any]]:
    """Of the last that were trained for an epoch, by which others dominate them."""
    last = [(each.user_attrs["early"], each.params) for each in study.trials[-ONE_EPOCH:] if "early" in each.user_attrs]
    points = [point for point, _ in last]
    ranked = sorted(last, key=lambda each: sum(a <= each[0][0] and c <= each[0][1] for a, c in points))
    return [params for _, params in ranked[:KEPT]]


def flops(network: nn.Module, image: Tensor) -> int:
    """fvcore's count for one image."""
    network.eval()
    analysis = FlopCountAnalysis(network, image[:1])
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def main(
    images_file: Path,
    out: Path,
    space: str = "digits",
    trials: int = 40,
    epochs: int = 10,
    seed: int = 0,
    sampler: Annotated[str, typer.Option(help=f"{', '.join(SAMPLERS)}.")] = "tpe",
    seconds: Annotated[float | None, typer.Option(help="No trial begins after them.")] = None,
    replay: Annotated[Path | None, typer.Option(help="JSON list of parameters to try, in order.")] = None,
    batched_augmentation: bool = False,
) -> None:
    """Search; trials.json, front.json and the weights of every trial go to the folder `out`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    chosen, images = SPACES[space], Images.load(images_file)
    loader = images.loader(chosen, batched=batched_augmentation)
    in_channels = images.train[0].shape[1]

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        begun = time.perf_counter()
        # Of "one-epoch", the rest of the schedule is for those that go on: from the start, as nothing is kept.
        end = 1 if sampler == "one-epoch" and trial.number % (ONE_EPOCH + KEPT) < ONE_EPOCH else epochs
        trial.set_user_attr("epochs", end)
        choice = suggest(trial, chosen)
        network = PlainNetwork(
            choice.units,
            choice.width,
            in_channels=in_channels,
            classes=images.classes,
            thetas=choice.thetas,
        )
        cost = flops(network, images.train[0])
        error = train_and_score(network, choice, chosen, images, epochs, loader, end)
        torch.save(network.state_dict(), out / f"weights-{trial.number}.pt")
        print(
            f"trial {trial.number}: error {error:.4f}, {cost:,} flops, {time.perf_counter() - begun:.1f} s", flush=True
        )
        if end < epochs:
            trial.set_user_attr("early", (error, cost))
            if (trial.number + 1) % (ONE_EPOCH + KEPT) == ONE_EPOCH:
                for params in most_promising(trial.study):
                    trial.study.enqueue_trial(params)
            raise optuna.TrialPruned
        return error, cost

    study = optuna.create_study(
        storage=f"sqlite:///{out}/study.db", directions=["minimize", "minimize"], sampler=SAMPLERS[sampler](seed=seed)
    )
    for params in json.loads(replay.read_text()) if replay else ():
        study.enqueue_trial(params)
    study.optimize(objective, n_trials=trials, timeout=seconds)
    tried = [
        {
            "params": each.params,
            "values": each.values,
            "epochs": each.user_attrs.get("epochs", epochs),
            "begun": str(each.datetime_start),
            "ended": str(each.datetime_complete),
        }
        for each in study.trials
    ]
    (out / "trials.json").write_text(json.dumps(tried))
    front = [{"number": each.number, "values": each.values} for each in study.best_trials]
    (out / "front.json").write_text(json.dumps(front))


if __name__ == "__main__":
    typer.run(main)
