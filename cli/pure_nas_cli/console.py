"""The two streams: data goes to standard output, everything else to standard error.

Neither reads markup or emoji codes in what it prints: names of studies, datasets and files may look like them.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

from rich.console import Console, ConsoleDimensions
from rich.text import Text

_LEAST_COLUMNS = 60  # what a front of one cost takes
_REPLACED = "pure-nas-replaced"
_PLAIN = {  # what stands for characters that an encoding lacks
    **dict(zip("×⊗⊙ℓ⊕★·–−…±→", ["x", "#", "@", "l", "o", ">", ".", "-", "-", "...", "+-", "->"], strict=True)),
    **dict.fromkeys("─━╴╶╸╺", "-"),
    **dict.fromkeys("│┃", "|"),
}


def print_anything() -> None:
    """Let both streams replace what their encoding lacks (Windows pipes, LC_ALL=C), where Python would raise."""
    codecs.register_error(_REPLACED, _replaced)
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors=_REPLACED)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """A codec's error handler: marks get plainer ones, letters their code, bytes of a file's name their value."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds the bytes of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in _PLAIN:
        return _PLAIN[character]
    return character.encode("ascii", "backslashreplace").decode("ascii") if character.isalnum() else "?"


class _Unfailing:
    """Standard error, silent once it cannot be written: what tells of work must not end it."""

    def write(self, text: str) -> int:
        self._try(lambda stream: stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(lambda stream: stream.flush())

    def __getattr__(self, name: str) -> Any:
        """Whatever else the stream says of itself: its encoding, its descriptor, whether it is a terminal."""
        return getattr(self._stream, name)

    @property
    def _stream(self) -> IO[str] | None:
        """The stream of now, which tests and rich's live displays replace for a while; None: the process has none."""
        return cast(IO[str] | None, getattr(sys.stderr, "rich_proxied_file", sys.stderr))

    def _try(self, action: Callable[[IO[str]], object]) -> None:
        """Once that fails send what is still to come nowhere, what Python and other libraries print included."""
        if (stream := self._stream) is None:
            return
        try:
            action(stream)
        except OSError:
            with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


class _Data(Console):
    """Standard output, which wraps tables in a very narrow terminal: cut short, they would lose their numbers."""

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        return ConsoleDimensions(max(found.width, _LEAST_COLUMNS), found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self.width, self.height = new_size


stdout = _Data(highlight=False, markup=False, emoji=False)
stderr = Console(file=cast(IO[str], _Unfailing()), highlight=False, markup=False, emoji=False)


def is_live(console: Console) -> bool:
    """Whether what changes can be shown."""
    return console.is_terminal and not console.is_dumb_terminal


def tell(subject: str, text: str) -> None:
    stderr.print(Text.assemble((subject, "bold"), f": {text}"), soft_wrap=True)


def warn(text: str, *, soft_wrap: bool = False) -> None:
    stderr.print(text, style="yellow", soft_wrap=soft_wrap)


def print_json(document: object) -> None:
    """Print a document for programs; at once, because whoever reads it may leave before what follows is done."""
    print(json.dumps(document, indent=2, default=str), flush=True)


def say_loading() -> None:
    """Say why nothing happens for some seconds."""
    stderr.print("Loading PyTorch and the images ...", style="dim")
