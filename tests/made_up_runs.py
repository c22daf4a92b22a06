"""Run folders as a search leaves them, made up but consistent, for tests of everything that reads a run."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pure_nas.files import append_line, write_whole
from pure_nas.objectives import COST_KEYS
from pure_nas.run.directory import RunDirectory
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.recipe import PerKind, Recipe, WeightDecay
from pure_nas.space.unit import get_unit

SIZES = {"small": (1, 1, 1), "medium": (2, 2, 2), "large": (3, 3, 3)}
REFERENCE = {"error": 0.9, "flops": 2_000_000.0, "params": 300_000.0, "latency": 8.0, "memory": 4e6, "noise_error": 0.9}
CLASSES = [str(digit) for digit in range(10)]


def make_run(
    path: Path,
    *,
    trials: int = 30,
    objectives: tuple[str, ...] = ("error", "flops"),
    epochs: int = 12,
    settings: Mapping[str, Any] | None = None,
    troubles: bool = True,
    seed: int = 0,
) -> RunDirectory:
    """A run of which `trials` trials have ended, the first six of them baselines."""
    run = start_run(path, objectives=objectives, trials=trials, epochs=epochs, settings=settings)
    randomness = random.Random(seed)
    for number in range(trials):
        baseline, candidate = _candidate(number, epochs, randomness)
        if troubles and number % 13 == 12:
            add_ended_trial(run, number, candidate, ("diverged", "failed", "rejected")[number // 13 % 3])
        else:
            add_complete_trial(run, number, candidate, objectives, randomness, baseline=baseline)
    return run


def start_run(
    path: Path,
    *,
    objectives: tuple[str, ...] = ("error", "flops"),
    trials: int = 30,
    epochs: int = 12,
    settings: Mapping[str, Any] | None = None,
) -> RunDirectory:
    """A run without trials."""
    run = RunDirectory(path)
    run.write_settings(
        {
            "schema": 1,
            "objectives": list(objectives),
            "study": "digits",
            "dataset": "digits",
            "space": "digits",
            "trials": trials,
            "seed": 0,
            "sampler": "auto",
            "device": "cpu",
            "epochs": epochs,
            "batch_size": 64,
            "reference": {name: REFERENCE[name] for name in objectives},
            "data": {
                "name": "digits",
                "fingerprint": "5f0c",
                "classes": CLASSES,
                "in_chans": 1,
                "image_size": 8,
                "mean": [0.3],
                "std": [0.38],
                "train": 1150,
                "validation": 287,
            },
            "search_space": {"architecture": {"unit": {"choices": ["conv", "product"], "per": "layer"}}},
            **(settings or {}),
        }
    )
    environment = {
        "pure_nas": "0.1.0",
        "torch": "2.12.1",
        "device": "cpu",
        "threads": 2,
        "hostname": "lab-7",
        "revision": "447810286f3b",
        "argv": ["pure-nas", "search", "digits"],
        "started": "2026-03-01T12:00:00+00:00",
    }
    write_whole(path / "environment.json", json.dumps(environment))
    return run


def add_complete_trial(
    run: RunDirectory,
    number: int,
    candidate: Candidate,
    objectives: tuple[str, ...],
    randomness: random.Random,
    *,
    baseline: str = "",
    values: Mapping[str, float] | None = None,
) -> None:
    """Write one complete trial; `values` override objectives that would be made up."""
    cost = _cost(candidate.architecture)
    error = _error(candidate.architecture, cost["flops"], randomness)
    measured = {"error": error, "latency": cost["latency_ms"], "memory": cost["memory_bytes"], **cost, **(values or {})}
    cost |= {key: measured[name] for name, key in COST_KEYS.items()}
    trial = run.trial(number)
    trial.write_candidate(candidate)
    _write_curve(trial.metrics, candidate.recipe.epochs, measured["error"], randomness)
    trial.weights.write_bytes(b"\0" * 4096)
    trial.write_result(
        {
            "state": "complete",
            "baseline": baseline,
            "objectives": {name: measured[name] for name in objectives},
            "metrics": {"error": measured["error"], "accuracy": 1 - measured["error"], "loss": 3 * measured["error"]},
            "cost": cost,
            "seconds": 5.0 + cost["flops"] / 1e6,
            "reason": "",
            "replay_of": None,
        }
    )


def add_ended_trial(run: RunDirectory, number: int, candidate: Candidate, state: str, reason: str = "") -> None:
    """Write one trial that diverged, failed or was rejected."""
    reasons = {
        "diverged": "the loss became infinite in epoch 3",
        "failed": "out of memory with a batch of 64",
        "rejected": "flops 2,310,144 are over the limit of 2,000,000",
    }
    trial = run.trial(number)
    trial.write_candidate(candidate)
    trial.write_result({"state": state, "seconds": 1.5, "reason": reason or reasons.get(state, "")})


def write_retraining(run: RunDirectory, numbers: list[int]) -> None:
    """Write a retrain.json for some trials."""
    variants = {
        "trial": 0.0,
        "conv twin, usual recipe": -0.008,
        "product twin, usual recipe": -0.02,
        "conv twin, same recipe": -0.011,
        "product twin, same recipe": -0.025,
    }
    rows = []
    for place, number in enumerate(numbers):
        for variant, shift in variants.items():
            accuracies = [0.975 - 0.01 * place + shift + wobble for wobble in (-0.004, 0.0, 0.005)]
            mean = sum(accuracies) / 3
            std = math.sqrt(sum((value - mean) ** 2 for value in accuracies) / 2)
            cost = {"params": 52_000, "flops": 410_000}
            rows.append(
                {"trial": number, "variant": variant, **cost, "test_accuracy": accuracies, "mean": mean, "std": std}
            )
    lost = {"test_accuracy": [], "mean": None, "std": 0.0, "diverged": 3}
    rows[-1].update(lost)
    verdicts = [
        {"trial": number, "text": "better than the conv twin by 0.8 points; 3 seeds cannot rule out chance."}
        for number in numbers
    ]
    record = {"schema": 1, "seeds": 3, "epochs": 60, "rows": rows, "verdicts": verdicts}
    write_whole(run.path / "retrain.json", json.dumps(record))


def candidate_of(units: tuple[tuple[str, ...], ...], *, base_width: int = 8, epochs: int = 12) -> Candidate:
    """A small candidate with the recipe shared by its units."""
    architecture = Architecture(units=units, base_width=base_width, in_chans=1, num_classes=10, image_size=8)
    names = sorted(architecture.unit_set)
    return Candidate(architecture, Recipe.shared([get_unit(name) for name in names], epochs=epochs))


def _candidate(number: int, epochs: int, randomness: random.Random) -> tuple[str, Candidate]:
    if number < 6:
        unit, size = ("conv", "product")[number % 2], list(SIZES)[number // 2]
        units = tuple((unit,) * blocks for blocks in SIZES[size])
        return f"{unit} {size}, usual recipe", candidate_of(units, epochs=epochs)
    stages = tuple(
        tuple(randomness.choice(("conv", "product")) for _ in range(randomness.randint(1, 3))) for _ in range(3)
    )
    candidate = candidate_of(stages, base_width=randomness.choice((4, 6, 8, 12)), epochs=epochs)
    rate = float(f"{10 ** randomness.uniform(-2, -0.7):.3g}")
    recipe = candidate.recipe.model_copy(
        update={
            "learning_rate": PerKind[float](
                trunk=rate, conv=rate, product_conv=rate, exponents=rate / 10, thresholds=rate / 100
            ),
            "weight_decay": PerKind[WeightDecay].same(WeightDecay(schedule="cosine", start=1e-3, end=1e-5)),
        }
    )
    return "", Candidate(candidate.architecture, recipe)


def _cost(architecture: Architecture) -> dict[str, float]:
    stem = 9 * architecture.in_chans * architecture.base_width
    params, flops, memory = float(stem), float(stem * architecture.image_size**2), 0.0
    for block in architecture.blocks():
        cost = block.unit.cost(block.unit_place)
        first = 9 * block.in_channels * block.channels
        params += cost.params + first
        flops += cost.macs + cost.elementwise + first * block.out_size**2
        memory += 8.0 * block.channels * block.out_size**2
    latency = 0.2 + 0.12 * architecture.depth
    return {"params": params, "flops": flops, "latency_ms": latency, "memory_bytes": memory}


def _error(architecture: Architecture, flops: float, randomness: random.Random) -> float:
    layers = [name for stage in architecture.units for name in stage]
    share = layers.count("product") / len(layers)
    error = 0.02 + 0.22 * (flops / 5e4) ** -0.75 + 0.05 * (share - 0.5) ** 2
    return round(min(0.9, error * math.exp(randomness.gauss(0, 0.35))) * 287) / 287


def _write_curve(path: Path, epochs: int, final: float, randomness: random.Random) -> None:
    for epoch in range(1, epochs + 1):
        left = math.exp(-4 * epoch / epochs)
        error = final if epoch == epochs else min(0.9, final + 0.8 * left * randomness.uniform(0.7, 1.3))
        record = {
            "epoch": epoch,
            "train_loss": 3 * error,
            "train_accuracy": 1 - 0.9 * error,
            "validation_loss": 3.2 * error,
            "validation_error": error,
            "learning_rate": 0.1,
            "seconds": 0.4,
        }
        append_line(path, record)
