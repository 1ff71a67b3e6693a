"""Walking the features of a GeoJSON file of any size, one at a time."""

from __future__ import annotations

import mmap
import re
from typing import TYPE_CHECKING, Any

import orjson

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["features", "leading_member"]

# Strings are stepped over whole, so a bracket inside one is never counted. Possessive: no input makes it backtrack.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
# The place between two features as most programs write them. A quotation mark inside a string is escaped, so this never
# matches inside one.
_BETWEEN = re.compile(rb'\}\s*,\s*(?=\{\s*"type"\s*:\s*"Feature")')
_BLOCK = 1_000_000
_LARGEST_FEATURE = 64_000_000
_HEAD = 1_000_000

Bytes = bytes | mmap.mmap


def features(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the features of a FeatureCollection, a bare array or a single Feature, holding one in memory.

    Raises
    ------
    DataError
        If the file cannot be read, is not JSON, ends early or holds no features.
    """
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise DataError(f"{path.name} is empty. Export it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                yield from _parsed(text, path)
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error


def leading_member(path: Path, name: str) -> Any:
    """Return a member of the top object that stands before its features, None when it is not there."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    start = re.match(rb'\s*\{.*?"features"\s*:\s*\[', head, re.DOTALL)
    if start is None:
        return None
    try:
        top = orjson.loads(start.group() + b"]}")
    except orjson.JSONDecodeError:
        return None
    return top.get(name) if isinstance(top, dict) else None


def _parsed(text: Bytes, path: Path) -> Iterator[dict[str, Any]]:
    found = False
    for number, feature in enumerate(_loaded(text, path), 1):
        if not isinstance(feature, dict) or ("geometry" not in feature and "features" not in feature):
            raise DataError(f"Feature {number} of {path.name} has no geometry, so this is not GeoJSON of objects.")
        if "geometry" in feature:
            found = True
            yield feature
    if not found and re.search(rb"\[\s*\]", text[:_HEAD]) is None:
        raise DataError(f"{path.name} holds no features. Choose a GeoJSON export of objects.")


def _loaded(text: Bytes, path: Path) -> Iterator[Any]:
    """Yield the features, many at a time where they begin as most programs write them, which is much faster."""
    start = _list_start(text)
    head = text[:start]
    number = 0
    while start and (cut := _BETWEEN.search(text, start + _BLOCK)):
        try:
            block = orjson.loads(b"[" + text[start : cut.start() + 1] + b"]")
        except orjson.JSONDecodeError:
            # Features inside a feature, or damage: the careful way tells which.
            break
        yield from block
        number += len(block)
        start = cut.end()
    rest = head + text[start:] if number else text
    for position, (first, last) in enumerate(_spans(rest, path), number + 1):
        if last - first > _LARGEST_FEATURE:
            size = (last - first) / 1e6
            raise DataError(f"Feature {position} of {path.name} is too large ({size:.0f} MB) to be a nucleus.")
        try:
            yield orjson.loads(rest[first:last])
        except orjson.JSONDecodeError as error:
            raise DataError(
                f"Feature {position} of {path.name} is not valid JSON: {error}. Export it again."
            ) from error


def _list_start(text: Bytes) -> int:
    """Where the list of features begins, behind its bracket; 0 when there is none."""
    depth, last_string = 0, b""
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == b"[" and (depth == 0 or (depth == 1 and last_string == b'"features"')):
            return match.end()
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
        if depth == 1 and token.startswith(b'"'):
            last_string = token
    return 0


def _spans(text: Bytes, path: Path) -> Iterator[tuple[int, int]]:
    """Yield where each feature begins and ends."""
    depth, level, start, last_string = 0, -1, 0, b""
    whole: tuple[int, int] | None = None
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in (b"{", b"["):
            if token == b"[" and level < 0 and (depth == 0 or (depth == 1 and last_string == b'"features"')):
                level = depth + 1
            elif token == b"{" and (depth == level or depth == 0):
                start = match.start()
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if token == b"}" and depth == level:
                yield start, match.end()
            elif depth == 0 and level < 0:
                whole = (start, match.end())
            elif token == b"]" and depth == level - 1:
                # A second list called "features" would be another file's trick; the first one counts.
                level = 1 << 30
        elif depth == 1:
            last_string = token
    if depth != 0 or (level < 0 and whole is None):
        raise DataError(f"{path.name} is not whole JSON: it ends too early or never begins. Copy or export it again.")
    if whole is not None:
        yield whole
