"""Why slides have no result: one small file each, until they have one."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nucloop.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Failure", "forget_failure", "keep_failure", "read_failures"]


@dataclass(frozen=True)
class Failure:
    """What went wrong with a slide."""

    slide: str
    key: str
    """Of the result that it should have become."""
    sentence: str
    """For a person."""
    attempts: int = 1
    """How often it was tried in the run that gave up."""
    details: str = ""
    """For whoever mends the program."""


def keep_failure(folder: Path, failure: Failure) -> None:
    """Write a failure down, as far as there is room on the disk."""
    from nucloop.formats.atomic import replacing

    with suppress(DataError), replacing(folder / f"{failure.slide}.json") as file:
        file.write(json.dumps(asdict(failure), indent=2, ensure_ascii=False).encode())


def forget_failure(folder: Path, slide: str) -> None:
    """Remove the failure of a slide that has a result now."""
    with suppress(OSError):
        (folder / f"{slide}.json").unlink(missing_ok=True)


def read_failures(folder: Path) -> dict[str, Failure]:
    """Return what went wrong, by slide; files that are no failures are passed over."""
    found = {}
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            failure = Failure(**json.loads(path.read_bytes()))
            found[failure.slide] = failure
    return found
