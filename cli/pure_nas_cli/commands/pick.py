"""pure-nas pick"""

from __future__ import annotations

import shlex
from typing import Annotated

from pure_nas.quantities import milliseconds_of, points_of, size_of
from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Device, Json, Run, option


def pick(
    run: Run,
    trial: Annotated[str | None, option("pick.trial")] = None,
    max_params: Annotated[int | None, option("pick.max_params", parser=size_of)] = None,
    max_flops: Annotated[int | None, option("pick.max_flops", parser=size_of)] = None,
    max_latency: Annotated[float | None, option("pick.max_latency", parser=milliseconds_of)] = None,
    max_memory: Annotated[int | None, option("pick.max_memory", parser=size_of)] = None,
    within: Annotated[float | None, option("pick.within", parser=points_of)] = None,
    one_se: Annotated[bool, option("pick.one_se", "--one-se")] = False,
    weights: Annotated[str | None, option("pick.weights")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    with loading():
        from pure_nas.findings.pick import Wish, measured_costs, weights_of
        from pure_nas.findings.pick import pick as choose
        from pure_nas.report.pick_table import pick_document, pick_table
        from pure_nas.run.directory import RunDirectory
        from pure_nas_cli.terminal_table import print_table

    limits = {"params": max_params, "flops": max_flops, "latency": max_latency, "memory": max_memory}
    wish = Wish(
        trial=trial,
        limits={name: bound for name, bound in limits.items() if bound is not None},
        within=within,
        one_se=one_se,
        weights=weights_of(weights or ""),
    )
    costs = measured_costs(device)
    found = choose(RunDirectory.open(run), wish, costs)
    if as_json:
        print_json(pick_document(found))
        return
    stdout.print(f"Trial {found.trial.number} is {found.why.rstrip(',')}.", soft_wrap=True)
    print_table(stdout, pick_table(found, costs))
    others = found.complete - 1
    stdout.print(
        f"{found.sure} It beats {found.beaten} of {others} others outright, in error and cost.", soft_wrap=True
    )
    folder = shlex.quote(str(run))
    stderr.print(f"next: pure-nas retrain {folder} --trials {found.trial.number} --seeds 3", soft_wrap=True)
    stderr.print(f"      pure-nas export {folder} --trial {found.trial.number}", soft_wrap=True)
