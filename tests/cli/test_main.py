"""What the program sets before PyTorch is loaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

AFTER_A_COMMAND = """
import sys
from pure_nas_cli.main import app
sys.argv[1:] = ["--version"]
try:
    app()
except SystemExit:
    import torch
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks libgomp")
@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0")],
    ids=["nothing", "a count", "a policy"],
)
def test_threads_wait_without_spinning_for_long_unless_told_how(given: dict[str, str], spins: str) -> None:
    rest = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment = {**rest, **given, "OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run(
        [sys.executable, "-c", AFTER_A_COMMAND], env=environment, capture_output=True, text=True, check=True
    )
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr) == [spins]
