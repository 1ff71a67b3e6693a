"""The words of JSON's text: tokens that are stepped over without being read, and files as such text."""

from __future__ import annotations

import mmap
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CLOSE", "OPEN", "QUOTE", "SPACE", "TOKEN", "Text", "closing", "is_nothing", "opened"]

# Strings are stepped over whole, so a bracket inside one is never counted. Possessive, and a string that never ends
# runs to the end of the file: no input makes it look at a byte twice.
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
OPEN, CLOSE, QUOTE = b"[{", b"]}", ord('"')
# a GeoJSON text sequence has a record separator before every object
SPACE = b" \t\r\n\x1e"
_BLANK = re.compile(rb"[ \t\r\n\x1e]*+")

Text = mmap.mmap


def is_nothing(text: Text) -> bool:
    """Whether a text has no JSON object or list in it at all."""
    first = _BLANK.match(text)
    return first is None or text[first.end() : first.end() + 1] not in (b"{", b"[")


def closing(text: bytes) -> bytes:
    """Brackets that end what a beginning of JSON leaves open."""
    open_brackets = bytearray()
    for match in TOKEN.finditer(text):
        token = text[match.start()]
        if token in OPEN:
            open_brackets.append(token + 2)
        elif token in CLOSE and open_brackets:
            open_brackets.pop()
    return bytes(reversed(open_brackets))


@contextmanager
def opened(path: Path) -> Iterator[Text]:
    """Give the text of a file, mapped into memory; DataError when it cannot be read or is empty."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise DataError(f"{path.name} is empty. Export it again.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                yield text
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it cannot be opened'}. Check the path.") from error
