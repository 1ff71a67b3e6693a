"""What was there while libraries were imported is left out of later searches for garbage; nothing else is."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from typing import TYPE_CHECKING

import pytest

from nucloop.garbage import (
    importing,
    leave_out_what_is_here,
    search_all,
    search_everywhere,
    search_what_came_late,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Loop:
    """Refers to itself, so that only a search can find that nobody else does."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    while not gc.isenabled():
        # for a window of an earlier test something is still being imported
        time.sleep(0.05)
    search_everywhere()
    leave_out_what_is_here()
    yield
    search_everywhere()


def test_what_was_imported_is_not_looked_at_again_until_a_window_is_gone():
    with importing():
        assert not gc.isenabled()
        imported = weakref.ref(Loop())
    assert gc.isenabled()
    later = weakref.ref(Loop())
    gc.collect()
    assert later() is None
    assert imported() is not None
    search_everywhere()
    gc.collect()
    assert imported() is None


def test_what_is_imported_when_the_window_is_gone_hides_nothing_of_it():
    search_everywhere()
    with importing():
        window = weakref.ref(Loop())
    gc.collect()
    assert window() is None


def test_what_was_left_out_is_found_by_a_search_of_everything_alone():
    with importing():
        imported = weakref.ref(Loop())
    late = weakref.ref(Loop())
    search_what_came_late()
    assert late() is None
    assert imported() is not None
    kept = Loop()
    search_all()
    assert imported() is None
    # what is left is left out again
    still_kept = weakref.ref(kept)
    del kept
    gc.collect()
    assert still_kept() is not None
    search_everywhere()
    search_all()
    assert still_kept() is None
    assert gc.get_freeze_count() == 0, "a window is gone, and may be looked for later"


def test_a_failed_import_leaves_the_search_as_it_was():
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    try:
        with importing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_program_that_ends_clears_up_what_was_there():
    program = (
        "from nucloop.garbage import importing\n"
        "class Loop:\n"
        "    def __init__(self): self.me = self\n"
        "    def __del__(self, say=print): say('cleared up')\n"
        "with importing(): Loop()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "cleared up\n"
