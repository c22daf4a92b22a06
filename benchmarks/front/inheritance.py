"""Does a search learn the order of candidates sooner from weights that others have trained?

    uv run python -m benchmarks.front.inheritance
    uv run python -m benchmarks.front.inheritance --table cifar10-16px --data FOLDER

Two ways, each against recorded final errors of a seed that neither has seen: a candidate takes the matching layers of
its nearest relative among networks that were trained to their end, and trains a few epochs more; or all candidates
share the weights of one large network, trained once. Kendall's tau, over all pairs and over those whose flops differ by
at most 10 %: an order by size alone is known before any training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from benchmarks.command import run_command
from benchmarks.document import Column, Document, Row
from benchmarks.front.record import RECORDINGS
from benchmarks.front.recorded import ALIKE, Floats, Table, load, tau
from pure_nas.data.augment import allowed
from pure_nas.data.dataset import Dataset
from pure_nas.nn.network import Network, build
from pure_nas.space.architecture import Architecture
from pure_nas.space.candidate import Candidate
from pure_nas.space.search_space import SearchSpace
from pure_nas.space.unit import get_unit
from pure_nas.training.scoring import evaluate, generator, reestimate_norms
from pure_nas.training.step import apply_schedules, make_optimizer
from pure_nas.training.training import Divergence, Training

_CPU = torch.device("cpu")


def kin(network: Network) -> dict[str, Tensor]:
    """The weights and statistics of a network, by their names and the unit of their block."""
    units = {block.name: block.unit.name for block in network.architecture.blocks()}
    return {f"{units.get(name[:10], '')} {name}": value for name, value in network.state_dict().items()}


def inherit(network: Network, relatives: Sequence[Mapping[str, Tensor]]) -> float:
    """Fill `network` with what it shares with the relative that shares most; returns that share of its weights."""
    own = kin(network)

    def shared(other: Mapping[str, Tensor]) -> list[str]:
        return [name for name, value in own.items() if name in other and other[name].shape == value.shape]

    def size(names: Sequence[str]) -> int:
        return sum(own[name].numel() for name in names)

    nearest = max(relatives, key=lambda other: size(shared(other)))
    for name in shared(nearest):
        own[name].copy_(nearest[name])
    return size(shared(nearest)) / size(list(own))


def trained(
    candidate: Candidate, data: Dataset, epochs: int, relatives: Sequence[Mapping[str, Tensor]] = ()
) -> Training:
    """A candidate after so many epochs, with a whole schedule in them, as far as it did not diverge."""
    network = build(candidate.architecture, generator=generator(0, "weights"))
    recipe = candidate.recipe.model_copy(
        update={"epochs": epochs, "warmup_epochs": min(candidate.recipe.warmup_epochs, epochs / 4)}
    )
    if relatives:
        inherit(network, relatives)
    training = Training(
        network, recipe, train=data.train, validation=None, flip=data.flip, turns=data.turns, device=_CPU, seed=0
    )
    try:
        while not training.finished:
            training.run_epoch()
    except Divergence:
        pass
    return training


def error_of(network: Network, data: Dataset) -> float:
    reestimate_norms(network, data.train, _CPU, 0)
    return evaluate(network, data.validation, _CPU).error


class Supernet:
    """One set of weights for all candidates: of the largest network of each unit, from which each takes a part."""

    def __init__(self, space: SearchSpace) -> None:
        largest = {each.units[0][0]: build(each, generator=generator(0, "weights")) for each in _uniform(space)}
        self._trunk = next(iter(largest.values()))
        self._of = largest
        self.recipe = space.baseline_recipe([get_unit(name) for name in largest])

    def weights(self, network: Network) -> dict[str, Tensor]:
        """Those of a candidate's network: the first channels of layers of the same name and unit."""
        units = {block.name: block.unit.name for block in network.architecture.blocks()}
        found: dict[str, Tensor] = {}
        for name, parameter in network.named_parameters():
            whole = self._of.get(units.get(name[:10], ""), self._trunk).get_parameter(name)
            found[name] = whole[tuple(slice(size) for size in parameter.shape)]
        return found

    def train(self, architectures: Sequence[Architecture], data: Dataset, epochs: int) -> None:
        """A candidate drawn anew for each batch."""
        rng, recipe = np.random.default_rng(0), self.recipe.model_copy(update={"epochs": epochs})
        optimizers = [make_optimizer(each, recipe) for each in self._of.values()]
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["fused"] = False  # which needs a gradient of every weight
        steps, augment = data.train.n_batches(recipe.batch_size), allowed(recipe, flip=data.flip, turns=data.turns)
        for epoch in range(epochs):
            order = generator(0, "order", epoch)
            batches = data.train.batches(recipe.batch_size, device=_CPU, generator=order, augment=augment)
            for step, (images, labels) in enumerate(batches):
                network = build(architectures[int(rng.integers(len(architectures)))]).train()
                network.to(memory_format=torch.channels_last)
                logits = functional_call(network, self.weights(network), (images,))
                F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing).backward()  # type: ignore[no-untyped-call]
                for optimizer in optimizers:
                    apply_schedules(optimizer, recipe, (epoch + step / steps) / epochs)
                    clip_grad_norm_([each for group in optimizer.param_groups for each in group["params"]], 2.0)
                    optimizer.step()
                    optimizer.zero_grad()

    def error(self, architecture: Architecture, data: Dataset) -> float:
        network = build(architecture)
        network.load_state_dict({**network.state_dict(), **self.weights(network)})
        return error_of(network, data)


def _uniform(space: SearchSpace) -> list[Architecture]:
    """The largest networks that have one unit."""
    found = {each.units[0][0]: each for each in space.largest_architectures() if len(each.unit_set) == 1}
    return list(found.values())


def inheritance(table: Table, data: Dataset, relatives: int, candidates: int, epochs: Sequence[int]) -> list[Row]:
    """After few epochs, with and without the weights of relatives."""
    places = np.random.default_rng(0).permutation(np.flatnonzero(np.isfinite(table.errors).all((0, 2))))
    pool = [kin(trained(table.candidate(place), data, table.epochs).network) for place in places[:relatives]]
    chosen = places[relatives : relatives + candidates]
    final, flops = table.errors[-1, chosen, -1], table.flops[chosen]
    rows: list[Row] = []
    for count in epochs:
        both = [
            [error_of(trained(table.candidate(place), data, count, given).network, data) for place in chosen]
            for given in (pool, ())
        ]
        for name, errors in (
            (f"{count} epochs after a relative's weights", np.array(both[0])),
            (f"{count} epochs from scratch, whole schedule", np.array(both[1])),
            (
                f"the first {count} of {table.epochs} epochs from scratch, as recorded",
                table.errors[0, chosen, count - 1],
            ),
        ):
            rows.append(_row(name, errors, final, flops))
    rows.append(_row("another seed at the end, as recorded", table.errors[0, chosen, -1], final, flops))
    return rows


def supernet(table: Table, data: Dataset, candidates: int, epochs: int) -> list[Row]:
    """Candidates with shared weights; those that differ in their recipe or thresholds alone count as one."""
    groups = defaultdict[tuple[object, ...], list[int]](list)
    for place in range(len(table)):
        architecture = table.candidate(place).architecture
        groups[architecture.units, architecture.base_width].append(place)
    every = [table.candidate(places[0]).architecture for places in groups.values()]
    net = Supernet(table.space)
    net.train(every, data, epochs)
    chosen = np.random.default_rng(1).permutation(len(every))[:candidates]
    places = [list(groups.values())[index] for index in chosen]
    first, final = (np.array([_usual(table.errors[seed, each, -1]) for each in places]) for seed in (0, -1))
    twice = np.isfinite(final)
    final = np.where(twice, final, first)  # a sampled table has further seeds of some candidates alone
    flops = np.array([table.flops[each[0]] for each in places])
    errors = np.array([net.error(every[index], data) for index in chosen])
    return [
        _row(f"shared weights, {epochs} epochs", errors, final, flops),
        _row("another seed at the end, as recorded", first[twice], final[twice], flops[twice]),
        {"what": "flops alone", "tau": tau(-flops, final, flops)},
    ]


def _usual(errors: Floats) -> float:
    """Their geometric mean."""
    return float(np.exp(np.log(errors + 1e-3).mean()))


def _row(name: str, errors: Floats, final: Floats, flops: Floats) -> Row:
    return {
        "what": name,
        "error": float(errors.mean()),
        "tau": tau(errors, final, flops),
        "alike": tau(errors, final, flops, ALIKE),
    }


def main(
    table: Annotated[str, typer.Option(help=f"A table: {', '.join(RECORDINGS)}.")] = "digits",
    data: Annotated[str | None, typer.Option(help="A folder of images in place of the table's dataset.")] = None,
    relatives: Annotated[int, typer.Option(help="Networks that were trained to their end.")] = 30,
    candidates: Annotated[int, typer.Option(help="Networks that inherit.")] = 100,
    shared: Annotated[int, typer.Option(help="Networks that are evaluated with shared weights.")] = 200,
    epochs: Annotated[int, typer.Option(help="Of the network that is shared.")] = 100,
    quick: Annotated[bool, typer.Option(help="A few networks: does it work?")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the JSON document goes.")] = None,
) -> None:
    """Orders of candidates by weights of others."""
    torch.set_num_threads(1)
    if quick:
        relatives, candidates, shared, epochs = 2, 4, 6, 1
    recorded, images = load(table), RECORDINGS[table].load(data)
    document = Document("inheritance", _CPU, {"table": table, "relatives": relatives, "candidates": candidates})
    columns = [
        Column("what", "candidates ordered by"),
        Column("error", "mean error", ".3f"),
        Column("tau", "tau", ".2f"),
        Column("alike", "tau at equal flops", ".2f"),
    ]
    inherited = inheritance(recorded, images, relatives, candidates, (1,) if quick else (1, 2, 3))
    document.table(f"{table}: {candidates} candidates, {relatives} relatives", columns, inherited)
    document.table(f"{table}: one network for all", columns, supernet(recorded, images, shared, epochs))
    document.note("tau: Kendall's, with recorded final errors; at equal flops: over pairs within 10 % of flops.")
    document.write(json_file)


if __name__ == "__main__":
    run_command(main)
