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
        from pure_nas.run.directory import RunDirectory

    opened = RunDirectory(run) if run.is_dir() else RunDirectory.open(run)
    found = doctor.examine(opened)
    backup = doctor.repair(opened, found) if repair else None
    left = doctor.examine(opened) if backup else found
    if as_json:
        print_json({**doctor.document_of(found, backup), "left": doctor.document_of(left, None)["findings"]})
    else:
        _show(found, opened.path)
        if backup:
            stdout.print(f"Repaired. What was moved is in {backup}.", soft_wrap=True)
        if repair and left:
            stdout.print("Left:")
            _show(left, opened.path)
    if not repair and any(each.repairable for each in found):
        stderr.print(f"pure-nas doctor {run} --repair mends what can be mended.", soft_wrap=True)
    if any(each.harms for each in left):
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
