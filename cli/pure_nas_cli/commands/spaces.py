"""pure-nas spaces"""

from __future__ import annotations

from typing import Annotated

from rich.table import Column, Table

from pure_nas_cli.console import print_json, stderr, stdout
from pure_nas_cli.options import Json, argument


def spaces(
    name: Annotated[str | None, argument("spaces.name")] = None,
    as_json: Json = False,
) -> None:
    from pure_nas.space.catalogue import SPACES, load_space

    if name is not None:
        _show(name, as_json=as_json)
        return
    listed = [(each, SPACES.provider(each), load_space(each)) for each in SPACES.places]
    if as_json:
        rows = [
            {"name": each, "summary": space.summary, "source": source, "architectures": space.count()}
            for each, source, space in listed
        ]
        print_json(rows)
        return
    numbers = (Column(each, justify="right") for each in ("architectures", "trials", "epochs"))
    table = Table("space", "summary", *numbers, "from")
    for each, source, space in listed:
        run = space.run
        table.add_row(each, space.summary, _count(space.count()), str(run.trials), str(run.epochs), source)
    stdout.print(table)


def _show(name: str, *, as_json: bool) -> None:
    from pure_nas.space.catalogue import SPACES, load_space

    space = load_space(name)
    text = SPACES.text(name)
    count = space.count()
    if as_json:
        print_json({"name": name, "summary": space.summary, "architectures": count, "toml": text})
        return
    if stdout.is_terminal:
        from rich.syntax import Syntax

        stdout.print(Syntax(text, "toml", background_color="default"))
    else:
        print(text, end="", flush=True)
    depths = " to ".join("-".join(map(str, blocks)) for blocks in (space.depths()[0], space.depths()[-1]))
    stderr.print(
        f"{_count(count)} distinct architectures (a range of thresholds counts once), blocks {depths}", soft_wrap=True
    )


def _count(value: int) -> str:
    return f"{value:,}" if value < 10**9 else f"{value:.2e}"
