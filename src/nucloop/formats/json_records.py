"""Walking one long list of objects in a JSON file of any size and any content, a block at a time.

A general JSON reader keeps the whole file, or follows its nesting as deep as it goes. Here nothing is kept but a block
of about a megabyte, and what stands around the list; depth, the size of one object and the text around it are bounded.
"""

from __future__ import annotations

import mmap
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["JsonRecords"]

# Strings are stepped over whole, so a bracket inside one is never counted. Possessive, and a string that never ends
# runs to the end of the file: no input makes it look at a byte twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_FIRST_KEY = re.compile(rb'\s*+\{\s*+("[^"\\]{1,64}")\s*+:')
_SPACE = b" \t\r\n"
_BLOCK = 1_000_000
_LARGEST_RECORD = 64_000_000
_LARGEST_SURROUNDINGS = 16_000_000
_FARTHEST_CUT = 4_000_000
_DEEPEST = 100
_LONGEST_GAP = 1_000_000
_SLOW_RECORDS = 64
_LARGEST_SNAPPY = 2_000_000_000
_OPEN, _CLOSE, _QUOTE = b"[{", b"]}", ord('"')

Text = bytes | mmap.mmap


class JsonRecords:
    """The objects of one list in a JSON file.

    Parameters
    ----------
    path : Path
        JSON, or JSON compressed with Snappy when the name ends in ``.snappy``.
    member : str
        The list is the first one that is called so, at most a few levels deep.
    bare : bool
        Whether the file may also be just a list, or a single object.
    noun : str
        What one object is called in messages.
    """

    def __init__(self, path: Path, member: str, *, bare: bool = False, noun: str = "Object") -> None:
        self.path = path
        self.around: Any = None
        """What stands around the list, with the list itself empty; known when all blocks have been walked."""
        self._member = b'"' + member.encode() + b'"'
        self._bare = bare
        self._noun = noun

    def blocks(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the objects in order, many at a time.

        Raises
        ------
        DataError
            If the file cannot be read, is not JSON, ends early, is nested or large beyond reason, or has no such list.
        """
        with _opened(self.path) as text:
            start = self._list_start(text)
            if start == 0:
                yield [self._whole(text)]
                return
            end = yield from self._walk(text, start)
            self.around = self._surroundings(text, start, end)

    def head(self) -> Any:
        """Return what stands before the list, None when that is not the beginning of a JSON object."""
        with _opened(self.path) as text:
            start = self._list_start(text)
            closing = _closing(text[:start])
            try:
                return orjson.loads(text[:start] + closing)
            except orjson.JSONDecodeError:
                return None

    def _list_start(self, text: Text) -> int:
        """Where the list begins, behind its bracket; 0 when there is none."""
        depth, key = 0, b""
        for match in _TOKEN.finditer(text):
            first, last = match.span()
            token = text[first]
            if token == _QUOTE:
                key = text[first:last] if last - first <= len(self._member) else b""
            elif token in _OPEN:
                if token == _OPEN[0] and (key == self._member if depth else self._bare):
                    return last
                depth += 1
                key = b""
            else:
                depth -= 1
                if depth <= 0:
                    break
            if depth > _DEEPEST:
                raise self._error(f"is nested more than {_DEEPEST} levels deep")
            if last > _LARGEST_SURROUNDINGS:
                raise self._error(f"holds no list called {self._member.decode()} near its beginning")
        if depth != 0 or _nothing(text):
            raise self._error("is not whole JSON: it ends too early or never begins")
        if not self._bare:
            raise self._error(f"holds no list called {self._member.decode()}")
        return 0

    def _walk(self, text: Text, position: int) -> Any:
        """Yield blocks from the list that begins at `position`; return where it ends, behind its bracket."""
        number = 0
        separator = self._separator(text, position)
        while True:
            block, behind = self._fast(text, position, separator)
            if block:
                yield block
                number += len(block)
                position = behind
                continue
            slow: list[dict[str, Any]] = []
            while len(slow) < _SLOW_RECORDS:
                first, last = self._next(text, position, number + len(slow) + 1)
                if first < 0:
                    yield slow
                    return last
                slow.append(self._parsed(text[first:last], number + len(slow) + 1))
                position = last
            yield slow
            number += len(slow)

    @staticmethod
    def _separator(text: Text, position: int) -> re.Pattern[bytes] | None:
        """Find what stands between two objects of this file: most programs begin each with the same key."""
        key = _FIRST_KEY.match(text, position)
        return None if key is None else re.compile(rb"\}\s*+,\s*+(?=\{\s*+" + re.escape(key.group(1)) + rb"\s*+:)")

    def _fast(self, text: Text, position: int, separator: re.Pattern[bytes] | None) -> tuple[list[dict[str, Any]], int]:
        """Objects up to a likely place between two of them; none when that was not such a place."""
        if separator is None:
            return [], position
        begin = position
        while text[begin : begin + 1] in (b",", b" ", b"\n", b"\r", b"\t") and begin - position < 1000:
            begin += 1
        cut = separator.search(text, begin + _BLOCK, begin + _BLOCK + _FARTHEST_CUT)
        if cut is None:
            return [], position
        try:
            block = orjson.loads(b"[" + text[begin : cut.start() + 1] + b"]")
        except orjson.JSONDecodeError:
            # Objects inside an object, or damage: the careful way tells which.
            return [], position
        # A valid list of objects between two list positions: a cut inside an object would not have parsed.
        return (block, cut.start() + 1) if all(type(one) is dict for one in block) else ([], position)

    def _next(self, text: Text, position: int, number: int) -> tuple[int, int]:
        """Begin and end of the next object; (-1, end of the list) when there is none."""
        depth, start = 0, position
        for match in _TOKEN.finditer(text, position):
            first, last = match.span()
            token = text[first]
            if depth == 0:
                between = text[position : min(first, position + _LONGEST_GAP)]
                if between.strip(_SPACE + b",") or first - position >= _LONGEST_GAP or token not in b"{]":
                    raise self._error(f"has no object where {self._noun.lower()} {number} should be")
                if token == _CLOSE[0]:
                    return -1, last
                start = first
            if token in _OPEN:
                depth += 1
            elif token in _CLOSE:
                depth -= 1
            if depth == 0:
                return start, last
            if depth > _DEEPEST:
                raise DataError(
                    f"{self._noun} {number} of {self.path.name} is nested more than {_DEEPEST} levels deep, which no "
                    "program writes. Export it again."
                )
            if last - start > _LARGEST_RECORD:
                raise DataError(
                    f"{self._noun} {number} of {self.path.name} is too large (over {_LARGEST_RECORD / 1e6:.0f} MB). "
                    "Export one object for each nucleus."
                )
        raise self._error("is not whole JSON: it ends too early")

    def _parsed(self, text: bytes, number: int) -> dict[str, Any]:
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise DataError(
                f"{self._noun} {number} of {self.path.name} is not valid JSON: {error}. Export it again."
            ) from error
        return record  # type: ignore[no-any-return]

    def _whole(self, text: Text) -> dict[str, Any]:
        if len(text) > _LARGEST_RECORD:
            raise self._error("is too large to be a single object")
        return self._parsed(text[:].strip(), 1)

    def _surroundings(self, text: Text, start: int, end: int) -> Any:
        if len(text) - end > _LARGEST_SURROUNDINGS:
            raise self._error(f"goes on for more than {_LARGEST_SURROUNDINGS / 1e6:.0f} MB behind its objects")
        try:
            return orjson.loads(text[:start] + text[end - 1 :])
        except orjson.JSONDecodeError as error:
            raise self._error(f"is not valid JSON around its objects ({error})") from error

    def _error(self, what: str) -> DataError:
        return DataError(f"{self.path.name} {what}. Copy or export it again.")


def _nothing(text: Text) -> bool:
    """Whether a text has no JSON object or list in it at all."""
    first = re.compile(rb"\s*+").match(text)
    return first is None or text[first.end() : first.end() + 1] not in (b"{", b"[")


def _closing(text: bytes) -> bytes:
    """Brackets that end what a beginning of JSON leaves open."""
    open_brackets = bytearray()
    for match in _TOKEN.finditer(text):
        token = text[match.start()]
        if token in _OPEN:
            open_brackets.append(token + 2)
        elif token in _CLOSE and open_brackets:
            open_brackets.pop()
    return bytes(reversed(open_brackets))


@contextmanager
def _opened(path: Path) -> Iterator[Text]:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise DataError(f"{path.name} is empty. Export it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                yield _unpacked(text, path) if path.suffix == ".snappy" else text
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Check the path.") from error


def _unpacked(text: mmap.mmap, path: Path) -> bytes:
    import imagecodecs

    size = 0
    for place, byte in enumerate(text[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            break
    # A block of Snappy never shrinks its text to less than a twenty-second.
    if size > min(_LARGEST_SNAPPY, 24 * len(text) + 64):
        raise DataError(f"{path.name} is damaged, or unpacks to {size / 1e9:.1f} GB. Export it again.")
    try:
        return bytes(imagecodecs.snappy_decode(text[:]))
    except (imagecodecs.SnappyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path.name} is not compressed with Snappy, or damaged. Export it again.") from error
