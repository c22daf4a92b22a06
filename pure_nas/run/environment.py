"""Where a run was computed."""

from __future__ import annotations

import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import torch

from pure_nas.devices import device_name, precision
from pure_nas.nn.fused.blocks import product_unit_path

_PACKAGES = ("pure-nas", "torch", "torchvision", "optuna", "fvcore", "numpy", "scikit-learn")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine, device and command line, as environment.json holds them."""
    instructions = torch.backends.cpu.get_cpu_capability()
    if most := os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA"):
        instructions += f", oneDNN at most {most}"
    return {
        "schema": 1,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *map(without_password, sys.argv[1:])]),
        "host": socket.gethostname(),
        "system": platform.platform(),
        "python": platform.python_version(),
        # PyTorch's own version names the build as well: 2.11.0+cu130.
        "packages": {name: installed_version(name) for name in _PACKAGES} | {"torch": str(torch.__version__)},
        "device": str(device),
        "device_name": device_name(device),
        "precision": precision(device),
        "product_unit": product_unit_path(device),
        "instruction_set": instructions,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "git_revision": _git_revision(),
    }


_USER = re.compile(r"(:/+[^:/?@]*):(.*)@", re.DOTALL)
_QUERY = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token|odbc_connect)[^=&]*=)([^&]*)", re.IGNORECASE)


def without_password(url: str) -> str:
    """A URL, or a word of a command, with its passwords left out."""
    return _QUERY.sub(r"\1***", _USER.sub(r"\1:***@", url))


def without_passwords_of(url: str, text: str) -> str:
    """What a library says of a URL, with the URL's passwords left out."""
    found = [match[2] for pattern in (_USER, _QUERY) for match in pattern.finditer(url) if match[2]]
    # A raw @ in a password makes what follows it part of the host, and a raw / or ? ends the host.
    ways = {*found, *map(unquote, found), *(f"{each.rpartition('@')[2]}@" for each in found if "@" in each)}
    ways.update(piece for each in found for piece in re.split("[/?]", each) if piece)
    for way in sorted(ways, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(way)}(?!\w)" if way[-1] != "@" else re.escape(way), "***", text)
    return text


def installed_version(package: str) -> str:
    """The version of a package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _git_revision() -> str | None:
    folder = Path(__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return None
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
