"""pure-nas doctor"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from pure_nas.quantities import counted
from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.interrupts import loading
from pure_nas_cli.options import Json, Run, option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pure_nas.plans.doctor import Finding


def doctor(
    run: Run, repair: Annotated[bool, option("doctor.repair", "--repair")] = False, as_json: Json = False
) -> None:
    with loading():
        from pure_nas.plans import doctor
        from pure_nas.run.listing import run_or_runs

    cases = [doctor.treat(each, mend=repair) for each in run_or_runs(run)]
    several = cases[1:] != []
    if as_json:
        documents = [case.document for case in cases]
        print_json({"schema": documents[0]["schema"], "runs": documents} if several else documents[0])
    else:
        for case in cases:
            if several:
                stdout.print(f"[bold]{case.run.path}[/bold]", soft_wrap=True)
            _show(case.found, case.run.path)
            if case.backup:
                stdout.print(f"Repaired. What was moved is in {case.backup}.", soft_wrap=True)
            if repair and case.left:
                stdout.print("Left:")
                _show(case.left, case.run.path)
    if not repair and any(each.repairable for case in cases for each in case.found):
        stderr.print(f"pure-nas doctor {run} --repair mends what can be mended.", soft_wrap=True)
    if any(each.harms for case in cases for each in case.left):
        raise typer.Exit(1)


def _show(findings: Sequence[Finding], run: Path) -> None:
    if not findings:
        stdout.print("Nothing is wrong with it.")
        return
    harmful = sum(each.harms for each in findings)
    stdout.print(f"{counted(harmful, 'fault')}, {counted(len(findings) - harmful, 'remark')}")
    for each in findings:
        stdout.print()
        text = Text("✗ ", "red") if each.harms else Text("· ", "dim")
        text.append(each.fault.replace(f"{run}/", ""), "none")
        stdout.print(text.append(f"\n  {each.remedy}", "dim"), soft_wrap=True)
    stdout.print()
