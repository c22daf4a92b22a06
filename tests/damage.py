"""Every way in which a file may come to harm and still be there."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

WRONG = ["x", None, -1, 10**30, float("inf"), float("nan"), [], {}, True, 0.123]
"""What stands in place of a value; JSON writes the fifth as Infinity and the sixth as NaN."""
_DELETED = object()


def damaged(path: Path, most: int) -> Iterator[tuple[str, bytes | None]]:
    """Contents that do harm to a file, each with a name; None is a folder in its place.

    Args:
        most: how many, of those that concern a single key, are drawn.
    """
    data = path.read_bytes()
    yield "folder", None
    yield from _bytes(data)
    keyed: list[tuple[str, bytes]] = []
    if path.suffix in (".json", ".jsonl", ".toml"):
        yield from _text(data)
    if path.suffix == ".json":
        keyed = list(_keys(json.loads(data), _as_json))
    elif path.suffix == ".jsonl":
        first, *others = data.splitlines(keepends=True)
        keyed = [(name, changed + b"\n" + b"".join(others)) for name, changed in _keys(json.loads(first), _as_json)]
        keyed.append(("without its last line", b"".join([first, *others][:-1])))
    elif path.suffix == ".toml":
        keyed = list(_keys(tomllib.loads(data.decode()), _as_toml))
    yield from random.Random(0).sample(keyed, min(most, len(keyed)))


def _bytes(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "half of it", data[: len(data) // 2]
    yield "a byte short", data[:-1]
    yield "longer", data + b"xx"
    yield "zeros", b"\0" * len(data)
    yield "random", random.Random(0).randbytes(len(data))
    for share in (0.02, 0.3, 0.6, 0.99):
        flipped = bytearray(data)
        flipped[int(share * len(data))] ^= 4
        yield f"a bit at {share}", bytes(flipped)


def _text(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "UTF-16", data.decode().encode("utf-16")
    yield "not UTF-8", data.replace(b'"', b'"\xff', 1)
    for text in ("[]", "null", "3", '"x"', "{}", "[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, "a = " + "[" * 5000):
        yield text[:8], text.encode()
    yield "a name twice", data.replace(b"{", b'{"schema": 9, "state": "failed", "schema": 1, ', 1)


def _keys(document: Any, dump: Any) -> Iterator[tuple[str, bytes]]:
    """The document with each of its values replaced or deleted."""
    for path in _paths(document):
        for value in (*WRONG, _DELETED):
            changed = copy.deepcopy(document)
            table = changed
            for key in path[:-1]:
                table = table[key]
            if value is _DELETED:
                del table[path[-1]]
            elif table[path[-1]] == value and type(table[path[-1]]) is type(value):
                continue
            else:
                table[path[-1]] = value
            yield f"{'.'.join(map(str, path))}: {'deleted' if value is _DELETED else value!r}", dump(changed)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*above, key)
        yield from _paths(inner, (*above, key))


def _as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _as_toml(document: Any) -> bytes:
    return tomli_w.dumps(_without_none(document)).encode()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value if inner is not None] if isinstance(value, list) else value
