"""Where slides lie: files, folders, and addresses that fsspec reads (s3://, gs://, https://)."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from nucloop.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_address", "local_copy", "size_and_time"]


def is_address(path: str) -> bool:
    """Whether a path is an address for fsspec."""
    return "://" in path


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """Give a path that the slide readers can open: the file itself, or a copy of what an address names.

    The copy lies in the temporary folder and goes when the block ends. A file that has others beside it, such as MIRAX,
    cannot be had by its address.

    Raises
    ------
    SlideError
        If it cannot be fetched.
    """
    if not is_address(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="nucloop-slide-") as folder:
        target = Path(folder) / path.rstrip("/").rpartition("/")[2]
        try:
            files, inner = _file_system(path)
            files.get(inner, str(target), recursive=bool(files.isdir(inner)))
        except (OSError, ImportError, ValueError) as error:
            raise SlideError(
                f"Cannot fetch {path} ({error}). Check the address, the rights, and that fsspec's driver for it "
                "(s3fs, gcsfs, aiohttp) is installed where the work is done."
            ) from error
        yield target


def size_and_time(path: str) -> tuple[int, int]:
    """Return size (bytes) and last change (ns) of a file; zeros for folders, addresses and what is gone."""
    if not is_address(path):
        with suppress(OSError):
            about = os.stat(path)
            return (about.st_size, about.st_mtime_ns) if S_ISREG(about.st_mode) else (0, 0)
    return 0, 0


def _file_system(path: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    files, inner = url_to_fs(path)
    return files, inner
