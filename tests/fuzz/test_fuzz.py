"""No file makes a reader end in a foreign error, die, hang, fill the memory, or poison a session."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.campaign import Campaign
from tests.fuzz.worker import ALL_READERS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are Linux's")


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    # a session costs as much as fifty files: `make fuzz` opens one for every file that is accepted
    os.environ.setdefault("NUCLOOP_FUZZ_SESSION_OF_EVERY", "20")
    one = Campaign(seed=13)
    yield one
    one.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("reader", ALL_READERS)
def test_a_changed_file_is_read_or_refused_in_a_sentence(campaign: Campaign, reader: str) -> None:
    failures = campaign.run(reader, 0, ALL_READERS[reader].inputs)

    assert not failures, "\n".join(map(str, failures))
