"""Every refusal in these tests is in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.plain_words import refusals_in_plain_words

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def plain_words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    yield from refusals_in_plain_words(monkeypatch)
