"""Writing a file so that a reader, a full disk or a crash never meets half of it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replacing", "replacing_path"]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` only when the block ends without an error.

    Parameters
    ----------
    path : Path
        Where the finished file goes; missing folders are made.

    Raises
    ------
    DataError
        If the folder cannot be written to or the disk is full. What stood at `path` is unchanged.
    """
    with replacing_path(path) as part, part.open("wb") as file:
        yield file


@contextmanager
def replacing_path(path: Path) -> Iterator[Path]:
    """Give the path of an empty file that takes the place of `path` only when the block ends without an error.

    For libraries that want a path and not an open file; otherwise as `replacing`.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        part = Path(name)
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes a private file; the result gets the rights any new file would get.
        part.chmod(0o666 & ~_umask())
        part.replace(path)
        part = None
    except OSError as error:
        raise DataError(
            f"Cannot write {path}: {error.strerror or error}. Nothing was changed there; choose another folder "
            "or make room, and export again."
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
