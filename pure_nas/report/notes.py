"""What a reader of a table has to know, in sentences: the macros of templates/notes.txt."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pure_nas.analysis.statistics import ONE_SEED
from pure_nas.findings.findings import FEW_SEEDS
from pure_nas.quantities import cost_label, counted, show_bytes, show_cost, show_percent, show_seconds, some_of
from pure_nas.run.search_results import COST_TOLERANCE, ERROR_TOLERANCE

TAGS = {  # what the marks of networks on the front mean
    "best": "the lowest error",
    "knee": "where more cost starts to buy little accuracy",
    "smallest": "the lowest cost",
}
PLAIN_TEXT = Environment(
    loader=PackageLoader("pure_nas.report"), undefined=StrictUndefined, lstrip_blocks=True, autoescape=False
)
_FUNCTIONS = (cost_label, counted, show_bytes, show_cost, show_percent, show_seconds, some_of)
PLAIN_TEXT.globals |= {
    **{function.__name__: function for function in _FUNCTIONS},
    "cost_tolerance": COST_TOLERANCE,
    "error_tolerance": ERROR_TOLERANCE,
    "few_seeds": FEW_SEEDS,
    "one_seed": ONE_SEED,
    "tags": TAGS,
}


def notes(name: str, *facts: Any) -> tuple[str, ...]:
    """The sentences of a macro; none where it has nothing to say of these facts."""
    said = getattr(PLAIN_TEXT.get_template("notes.txt").module, name)(*facts)
    return tuple(filter(None, map(str.strip, str(said).splitlines())))
