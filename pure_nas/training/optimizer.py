"""SGD with one parameter group a kind, and the schedules over it."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import nn

from pure_nas.nn import Network, parameter_kinds
from pure_nas.space.recipe import Recipe
from pure_nas.space.unit import PARAMETER_KINDS, ParameterKind


def make_optimizer(network: Network, recipe: Recipe) -> torch.optim.SGD:
    """SGD over the trainable parameters of `network`; each group carries its "kind"."""
    kinds = parameter_kinds(network)
    by_kind: defaultdict[ParameterKind, list[nn.Parameter]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            by_kind[kinds[name]].append(parameter)
    groups = [{"params": by_kind[kind], "kind": kind} for kind in PARAMETER_KINDS if by_kind[kind]]
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True)
    apply_schedules(optimizer, recipe, 0.0)
    return optimizer


def apply_schedules(optimizer: torch.optim.Optimizer, recipe: Recipe, progress: float) -> None:
    """Set each group's learning rate and weight decay for the fraction `progress` (0 to 1) of the steps."""
    factor = recipe.learning_rate_factor(progress)
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate[group["kind"]] * factor
        group["weight_decay"] = recipe.weight_decay[group["kind"]].at(progress)
