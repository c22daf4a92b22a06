"""`python -m pure_nas` is `pure-nas`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from pure_nas_cli.main import app

    sys.argv[0] = "pure-nas"
    app()
