"""Walking one long list of objects in a JSON file of any size and any content, a block at a time.

A general JSON reader keeps the whole file, or follows its nesting as deep as it goes. Here nothing is kept but a block
of about a megabyte, and what stands around the list; depth, the size of one object and the text around it are bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from nucloop.errors import DataError
from nucloop.formats.source.bare_numbers import loads
from nucloop.formats.source.json_text import CLOSE, OPEN, QUOTE, SPACE, TOKEN, Text, closing, is_nothing, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["JsonRecords"]

_KEY = rb'"[^"\\]{1,64}"\s*+:'
_FIRST_KEY = (re.compile(rb"\s*+\{\s*+(" + _KEY + rb")"), re.compile(rb"\s*+" + _KEY + rb"\s*+\{\s*+(" + _KEY + rb")"))
_NOT_SPACE = re.compile(rb"[^ \t\r\n\x1e]")
_BLOCK = 1_000_000
_LARGEST_RECORD = 64_000_000
_LARGEST_SURROUNDINGS = 16_000_000
_FARTHEST_CUT = 4_000_000
_DEEPEST = 100
_LONGEST_GAP = 1_000_000
_SLOW_RECORDS = 64
_DEEPEST_LIST = 4
_LIST, _KEYED = 0, 1


class JsonRecords:
    """The objects of one list in a JSON file.

    Parameters
    ----------
    path : Path
        JSON in UTF-8.
    member : str
        The list is the first one that is called so, at most a few levels deep.
    bare : bool
        Whether the file may also be just a list, or objects one behind the other (a single one, one a line, or a
        GeoJSON text sequence).
    keyed : bool
        Whether the objects stand behind keys of their own, in an object instead of a list.
    several : bool
        Whether the file may also be a list of objects that have such a list each.
    noun : str
        What one object is called in messages.

    Attributes
    ----------
    around : Any
        What stands around the list, with the list itself empty; known when all blocks have been walked.
    lists : int
        How many lists have been begun.
    """

    def __init__(
        self,
        path: Path,
        member: str,
        *,
        bare: bool = False,
        keyed: bool = False,
        several: bool = False,
        noun: str = "Object",
    ) -> None:
        self.path = path
        self.around: Any = None
        self.lists = 0
        self._member = b'"' + member.encode() + b'"'
        self._bare, self._several = bare, several
        self._kind = _KEYED if keyed else _LIST
        self._noun = noun

    def blocks(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the objects in order, many at a time.

        Raises
        ------
        DataError
            If the file cannot be read, is not JSON, ends early, is nested or large beyond reason, or has no such list.
        """
        self.lists = 0
        with opened(self.path) as text:
            start, depth = self._list_start(text, 0, 0)
            if not start:
                self.lists = 1
                yield from self._sequence(text)
                return
            several = self._several and text[:start].lstrip(SPACE).startswith(b"[")
            around, begin = b"", 0
            while start:
                self.lists += 1
                around += text[begin:start]
                begin = (yield from self._walk(text, start)) - 1
                start, depth = self._list_start(text, begin + 1, depth) if several else (0, 0)
            self.around = self._surroundings(around, text, begin)

    def head(self) -> Any:
        """Return what stands before the list, None when that is not the beginning of a JSON object."""
        with opened(self.path) as text:
            start, _ = self._list_start(text, 0, 0)
            brackets = closing(text[:start])
            try:
                return loads(text[:start] + brackets)
            except orjson.JSONDecodeError:
                return None

    def _list_start(self, text: Text, position: int, depth: int) -> tuple[int, int]:
        """Where the next list begins, behind its bracket, and how deep it lies; (0, 0) when there is none."""
        key, begin = b"", position
        for match in TOKEN.finditer(text, position):
            first, last = match.span()
            token = text[first]
            if token == QUOTE:
                key = text[first:last] if last - first <= len(self._member) else b""
            elif token in OPEN:
                named = key == self._member and (not self._several or depth <= _DEEPEST_LIST)
                if token == OPEN[self._kind] and (named if depth else self._bare):
                    return last, depth
                depth += 1
                key = b""
            else:
                depth -= 1
                if depth <= 0:
                    break
            if depth > _DEEPEST:
                raise self._error(f"is nested more than {_DEEPEST} levels deep")
            if last - begin > _LARGEST_SURROUNDINGS:
                raise self._error(f"holds no list called {self._member.decode()} near its beginning")
        if depth != 0 or is_nothing(text):
            raise self._error("is not whole JSON: it ends too early or never begins")
        if not self._bare and not self.lists:
            raise self._error(f"holds no list called {self._member.decode()}")
        return 0, 0

    def _sequence(self, text: Text) -> Iterator[list[dict[str, Any]]]:
        """Yield blocks of objects that stand one behind the other, with nothing but blanks between them."""
        position, number, by_line = 0, 0, True
        while _NOT_SPACE.search(text, position):
            block, position = self._lines(text, position) if by_line else ([], position)
            if not block:
                by_line = False
                first, last = self._next(text, position, number + 1)
                block, position = [self._parsed(text[first:last], number + 1)], last
            yield block
            number += len(block)

    @staticmethod
    def _lines(text: Text, position: int) -> tuple[list[dict[str, Any]], int]:
        """Objects of many whole lines, and where they end; none when a line is anything else."""
        end = text.rfind(b"\n", position, position + _BLOCK) + 1 or len(text)
        if end - position > _BLOCK:
            return [], position
        lines = [line for piece in text[position:end].split(b"\n") if (line := piece.strip(SPACE))]
        try:
            block = loads(b"[" + b",".join(lines) + b"]")
        except orjson.JSONDecodeError:
            return [], position
        alone = len(block) == len(lines) and all(type(one) is dict for one in block)
        return (block, end) if alone else ([], position)

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

    def _separator(self, text: Text, position: int) -> re.Pattern[bytes] | None:
        """Find what stands between two objects of this file: most programs begin each with the same key."""
        key = _FIRST_KEY[self._kind].match(text, position)
        if key is None:
            return None
        first = re.escape(key.group(1)[:-1].rstrip()) + rb"\s*+:"
        named = _KEY + rb"\s*+" if self._kind == _KEYED else b""
        return re.compile(rb"\}\s*+,\s*+(?=" + named + rb"\{\s*+" + first + rb")")

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
        first, last = (b"[", b"]") if self._kind == _LIST else (b"{", b"}")
        try:
            parsed = loads(first + text[begin : cut.start() + 1] + last)
        except orjson.JSONDecodeError:
            # Objects inside an object, or damage: the careful way tells which.
            return [], position
        block = parsed if self._kind == _LIST else list(parsed.values())
        # A valid list of objects between two list positions: a cut inside an object would not have parsed.
        return (block, cut.start() + 1) if all(type(one) is dict for one in block) else ([], position)

    def _next(self, text: Text, position: int, number: int) -> tuple[int, int]:
        """Begin and end of the next object; (-1, end of the list) when there is none."""
        depth, start = 0, position
        for match in TOKEN.finditer(text, position):
            first, last = match.span()
            token = text[first]
            if depth == 0:
                between = text[position : min(first, position + _LONGEST_GAP)]
                behind = token == QUOTE and self._kind == _KEYED
                gap = between.strip(SPACE + (b",:" if self._kind == _KEYED else b","))
                if gap or first - position >= _LONGEST_GAP or not (behind or token in (OPEN[1], CLOSE[self._kind])):
                    raise self._error(f"has no object where {self._noun.lower()} {number} should be")
                if behind:
                    position = last
                    continue
                if token == CLOSE[self._kind]:
                    return -1, last
                start = first
            if token in OPEN:
                depth += 1
            elif token in CLOSE:
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
            record: dict[str, Any] = loads(text)
        except orjson.JSONDecodeError as error:
            raise DataError(
                f"{self._noun} {number} of {self.path.name} is not valid JSON at its character {error.pos + 1:,}. "
                "Export it again."
            ) from error
        return record

    def _surroundings(self, around: bytes, text: Text, end: int) -> Any:
        if len(text) - end > _LARGEST_SURROUNDINGS:
            raise self._error(f"goes on for more than {_LARGEST_SURROUNDINGS / 1e6:.0f} MB behind its objects")
        try:
            return loads(around + text[end:])
        except orjson.JSONDecodeError as error:
            raise self._error("is not valid JSON around its objects") from error

    def _error(self, what: str) -> DataError:
        return DataError(f"{self.path.name} {what}. Copy or export it again.")
