"""Loss and gradients of the first training step of a candidate, by the pure-nas that Python imports.

Run by its path under the environment of one checkout or another, so it uses only what both have.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import pure_nas
from benchmarks.images import load_dataset
from pure_nas import Architecture, Candidate, Recipe, build
from pure_nas.data.augment import allowed
from pure_nas.training.scoring import generator


def first_batch(candidate: Candidate, dataset_name: str, seed: int) -> tuple[Tensor, Tensor]:
    """The images and labels that a trial begins with."""
    dataset, recipe = load_dataset(dataset_name, seed=seed), candidate.recipe
    augment = allowed(recipe, flip=dataset.flip, turns=dataset.turns)
    order = generator(seed, "order", 0)
    return next(dataset.train.batches(recipe.batch_size, generator=order, augment=augment))


def first_step(candidate: Candidate, seed: int, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The loss, and the gradient of every trainable parameter by its name, computed in the type of `images`."""
    network = build(candidate.architecture, generator=generator(seed, "weights")).to(images.dtype).train()
    loss = F.cross_entropy(network(images), labels, label_smoothing=candidate.recipe.label_smoothing)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    return {"loss": loss.detach(), **gradients}


if __name__ == "__main__":
    folder, dataset_name, seed, out, *given = sys.argv[1:]
    torch.set_num_threads(1)
    kept = Path(folder)
    candidate = Candidate(Architecture.load(kept / "architecture.json"), Recipe.load(kept / "recipe.json"))
    images, labels = first_batch(candidate, dataset_name, int(seed))
    shared = torch.load(given[0])["images"] if given else images
    batches = {"own": images, "shared": shared, "float64": shared.double()}
    steps = {name: first_step(candidate, int(seed), batch, labels) for name, batch in batches.items()}
    torch.save({"package": pure_nas.__file__, "images": images, "steps": steps}, out)
