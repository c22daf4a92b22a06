"""How many networks a search trains at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from searches import settings_for

from pure_nas.errors import UsageError
from pure_nas.plans.search.limits import Limits
from pure_nas.plans.search.setup import prepare


@pytest.mark.parametrize(
    "changes", [{"objectives": ("error", "latency")}, {"limits": Limits(latency_ms=100.0)}], ids=["objective", "limit"]
)
def test_latency_is_measured_with_nothing_beside(
    changes: dict[str, object], image_folder: Path, tiny_space_file: Path
) -> None:
    with pytest.raises(UsageError, match="Latency cannot be measured while 2 networks"):
        settings_for(image_folder, tiny_space_file, workers=2, **changes)
    settings = settings_for(image_folder, tiny_space_file, workers="auto", **changes)
    assert settings.resolved()["workers"] == "auto"
    plan = prepare(settings).workers_for(5)
    assert plan.count == 1
    assert "latency" in plan.reason
