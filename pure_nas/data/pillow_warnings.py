"""What Pillow warns about while it decodes, such as damaged metadata: counted in one line, or left out.

Filters of warnings belong to the process, so it is the thread that starts others that enters these, not each of them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

_log = logging.getLogger(__name__)
_PILLOW = r"PIL\."


@contextmanager
def counted() -> Iterator[None]:
    """Say in one line how often Pillow warned; warnings of others are shown as ever."""
    heard: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.filterwarnings("always", module=_PILLOW)
            # Images of this size are read all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        ours = []
        for each in heard:
            if "PIL" in Path(each.filename).parts:
                ours.append(each)
            else:
                warnings.showwarning(each.message, each.category, each.filename, each.lineno)
        if ours:
            times = "once" if len(ours) == 1 else f"{len(ours):,} times"
            first = " ".join(str(ours[0].message).split()).rstrip(".")
            _log.info("Pillow warned %s about the images, first of: %s.", times, first)


@contextmanager
def ignored() -> Iterator[None]:
    """Leave out what Pillow warns about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=_PILLOW)
        yield
