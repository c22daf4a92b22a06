"""The two streams: data goes to standard output, everything else to standard error.

Neither reads markup or emoji codes in what it prints: names of studies, datasets and files may look like them.
"""

from __future__ import annotations

from rich.console import Console

stdout = Console(highlight=False, markup=False, emoji=False)
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False)
