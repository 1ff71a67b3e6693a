"""JSON in which NaN and Infinity stand bare, as Python and QuPath 0.4.0 to 0.4.3 write them: null for a reader."""

from __future__ import annotations

import re
from typing import Any

import orjson

__all__ = ["loads"]

# strings are stepped over whole: a class may be called NaN
_BARE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[-+]?+(?:Infinity|NaN)\b', re.DOTALL)
_WORDS = (b"NaN", b"Infinity")


def loads(text: bytes) -> Any:
    """Read JSON; numbers that are none become None.

    Raises
    ------
    orjson.JSONDecodeError
        If it is damaged otherwise.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if not any(word in text for word in _WORDS):
            raise
        return orjson.loads(_BARE.sub(_as_null, text))


def _as_null(match: re.Match[bytes]) -> bytes:
    word = match.group()
    return word if word.startswith(b'"') else b"null"
