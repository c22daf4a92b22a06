"""How many networks a search trains at once."""

from __future__ import annotations

import pytest
from searches import Settings

from pure_nas.errors import UsageError
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.setup import prepare


@pytest.mark.parametrize(
    "changes", [{"objectives": ("error", "latency")}, {"limits": Limits(latency_ms=100.0)}], ids=["objective", "limit"]
)
def test_latency_is_measured_with_nothing_beside(tiny: Settings, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Latency cannot be measured while 2 networks"):
        tiny(workers=2, **changes)
    settings = tiny(workers="auto", **changes)
    assert settings.resolved()["workers"] == "auto"
    plan = prepare(settings).workers_for(5)
    assert plan.count == 1
    assert "latency" in plan.reason
