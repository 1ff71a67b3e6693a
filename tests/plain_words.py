"""What a person reads is ours: no word of Python or of a library stands in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nucloop.errors import NucLoopError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PYTHONS_WORDS = re.compile(
    r"Traceback|\b[A-Z]\w*(?:Error|Exception|Warning)\b|NoneType|'\w+' object|object (?:is not|has no)|subscriptable|"
    r"unhashable|\[Errno|invalid literal|could not convert|list index|index out of|out of range for|codec can't|"
    r"unexpected keyword|positional argument|not enough values|too many values|tokenizing|line \d+ column|\(char \d+|"
    r"byte 0x|<class |struct\b|buffer|numpy|not well-formed|data type|broadcast|maximum recursion|C error|(?<!')\bb'"
)


def refusals_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Keep what is said in errors of ours while a test runs, and look through it afterwards."""
    said: list[str] = []
    made = NucLoopError.__init__

    def kept(error: NucLoopError, *arguments: object) -> None:
        said.append(" ".join(map(str, arguments)))
        made(error, *arguments)

    monkeypatch.setattr(NucLoopError, "__init__", kept)
    yield said
    assert [words for words in said if PYTHONS_WORDS.search(words)] == []
