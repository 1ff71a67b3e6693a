"""A file as its format has it: unpacked, and text as UTF-8 without a mark at its beginning."""

from __future__ import annotations

import codecs
import gzip
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PACKED", "TEXTS", "plain"]

PACKED = (".gz", ".zip", ".snappy")
"""Endings of packed files, behind that of the format."""
TEXTS = (".csv", ".tsv", ".txt", ".json", ".geojson", ".geojsonl", ".geojsonseq", ".jsonl", ".ndjson", ".xml")
"""Endings of files of text."""

_PIECE = 1 << 20
_LARGEST = 4_000_000_000
_SMALL = 64_000_000
_MOST_EXPANDED = 30
_MOST_SNAPPY = 2_000_000_000
_MOST_LISTED = 5
_PROBE = 64
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Give the file itself where it is plain already, else a plain copy that is there as long as the context.

    Parameters
    ----------
    path : Path
        Of any format; packed with gzip, ZIP (one file in it) or Snappy where its name says so; text in UTF-8, UTF-16,
        UTF-32 or a Latin encoding of one byte a letter.

    Raises
    ------
    DataError
        If it cannot be unpacked, holds several files, or would become too large.
    """
    with ExitStack() as stack:
        current = path
        while current.is_file() and current.suffix.lower() in PACKED:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nucloop-")))
            current = _unpacked(current, folder, path.name)
        encoding = _encoding_of(current) if current.is_file() and current.suffix.lower() in TEXTS else None
        if encoding is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nucloop-")))
            current = _in_utf8(current, folder, encoding)
        yield current


def _unpacked(path: Path, folder: Path, name: str) -> Path:
    """Unpack into a folder; `name` is that of the file a person gave."""
    kind = path.suffix.lower()
    most = _LARGEST if kind == ".snappy" else max(_SMALL, min(_LARGEST, _MOST_EXPANDED * path.stat().st_size))
    try:
        if kind == ".gz":
            with gzip.open(path) as source:
                return _copied(_pieces(source), folder / path.stem, most, name)
        if kind == ".zip":
            with zipfile.ZipFile(path) as archive:
                member = _only_member(archive, name)
                with archive.open(member) as source:
                    return _copied(_pieces(source), folder / Path(member.filename).name, most, name)
        return _copied([_from_snappy(path)], folder / path.stem, most, name)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{name} cannot be unpacked: it is damaged, locked or cut off. Copy or export it again."
        ) from error


def _only_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    members = [
        one
        for one in archive.infolist()
        if not one.is_dir()
        and not one.filename.startswith("__MACOSX/")
        and Path(one.filename).name[:1] not in ("", ".")
    ]
    if len(members) != 1:
        listed = ", ".join(one.filename for one in members[:_MOST_LISTED])
        more = ", ..." if len(members) > _MOST_LISTED else ""
        raise DataError(
            f"{name} holds {len(members):,} files{f' ({listed}{more})' if listed else ''}, and one is read at a time. "
            "Unpack it, and choose one of them."
        )
    return members[0]


def _pieces(source: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def _copied(pieces: Iterable[bytes], target: Path, most: int, name: str) -> Path:
    size = 0
    with target.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            if size > most:
                raise DataError(f"{name} unpacks to more than {most / 1e9:.1f} GB, more than nuclei can be.")
            file.write(piece)
    return target


def _from_snappy(path: Path) -> bytes:
    import imagecodecs

    text = path.read_bytes()
    size = 0
    for place, byte in enumerate(text[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            break
    # a block of Snappy never shrinks its text to less than a twenty-second
    if size > min(_MOST_SNAPPY, 24 * len(text) + 64):
        raise DataError(f"{path.name} is damaged, or unpacks to {size / 1e9:.1f} GB. Export it again.")
    try:
        return bytes(imagecodecs.snappy_decode(text))
    except (imagecodecs.SnappyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path.name} is not compressed with Snappy, or damaged. Export it again.") from error


def _encoding_of(path: Path) -> str | None:
    """Name the encoding of a text; None when it is UTF-8 without a mark, as everything here reads it."""
    try:
        with path.open("rb") as file:
            start = file.read(_PROBE)
            for mark, encoding in _MARKS:
                if start.startswith(mark):
                    return encoding
            if len(start) >= 4 and start[1::2].count(0) * 8 >= 3 * len(start) and 0 not in start[::2]:
                return "utf-16-le"
            if len(start) >= 4 and start[::2].count(0) * 8 >= 3 * len(start) and 0 not in start[1::2]:
                return "utf-16-be"
            file.seek(0)
            return None if _is_utf8(file) else "cp1252"
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or 'it is not there'}. Check the path.") from error


def _is_utf8(file: IO[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    waiting = False
    try:
        for piece in _pieces(file):
            if waiting or not piece.isascii():
                decoder.decode(piece)
                waiting = bool(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _in_utf8(path: Path, folder: Path, encoding: str) -> Path:
    """Copy a text; letters that its encoding does not have become question marks, as a browser shows them."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    with path.open("rb") as file, (folder / path.name).open("wb") as target:
        for piece in _pieces(file):
            target.write(decoder.decode(piece).encode("utf-8", "replace"))
        target.write(decoder.decode(b"", final=True).encode("utf-8", "replace"))
    return folder / path.name
