"""NumPy's .npz: one array a column, and the metadata as JSON; nothing in it is ever unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from nucloop.errors import DataError, MisfitError, why
from nucloop.formats.atomic import replacing
from nucloop.formats.document import NOTES, Document, file_header
from nucloop.formats.found_classes import FoundClasses
from nucloop.formats.rings import GrowingOutlines
from nucloop.formats.slide_info import FileHeader
from nucloop.formats.source.room import check_room
from nucloop.nuclei import Nuclei, Origin

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_npz", "write_npz"]

COLUMNS = ("ids", "yx", "score", "label", "probability", "origin")
_VALUE_BYTES = 16
SHAPES = ("outlines", "cell_outlines")
"""Each as two arrays, NAME_corners (P, 2) as (y, x) and NAME_ends (N + 1,): see `nucloop.outlines.Outlines`."""
_WANTED = ("header", *COLUMNS, *NOTES, *(f"{name}_{part}" for name in SHAPES for part in ("corners", "ends")))
_NO_ARCHIVE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, EOFError, KeyError, TypeError, RuntimeError, SyntaxError,
    tokenize.TokenError,
)  # fmt: skip
"""What reading raises of what is none; NumPy reads headers of old versions as pieces of Python."""
_KINDS = {"ids": "iu", "yx": "iuf", "score": "iuf", "label": "iu", "probability": "iuf", "origin": "iu"}


def write_npz(path: Path, document: Document) -> None:
    """Write the columns `COLUMNS`, outlines, the notes as codes and values, and ``header``, JSON as bytes.

    Raises
    ------
    DataError
        If the file cannot be written; what stood there is unchanged.
    """
    arrays = {name: getattr(document.nuclei, name) for name in COLUMNS}
    for name in SHAPES:
        outlines = getattr(document.nuclei, name)
        if outlines is not None and len(outlines.corners):
            arrays |= {f"{name}_corners": outlines.corners, f"{name}_ends": outlines.ends}
    header = file_header(document)
    for name, texts in document.notes.items():
        values, codes = np.unique(texts.astype(str), return_inverse=True)
        header[name] = values.tolist()
        arrays[name] = codes.astype(np.int32)
    with replacing(path) as file:
        np.savez_compressed(file, header=np.frombuffer(orjson.dumps(header), np.uint8), **arrays)


def read_npz(path: Path) -> Document:
    """Read columns of `write_npz`; of another program's file only ``yx`` is required.

    Raises
    ------
    DataError
        If the file is no such archive, is damaged, or unpacks to more than memory holds.
    """
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _WANTED if name in archive.files}
    except _NO_ARCHIVE as error:
        raise DataError(f"{path.name} is not a NumPy archive of nuclei, or is damaged. Export it again.") from error
    except (OSError, zlib.error) as error:
        raise DataError(
            f"Cannot read {path}: it is not there, or damaged. Check the path, or export the file again."
        ) from error
    return _document(arrays, path)


def _check_sizes(path: Path) -> None:
    """Refuse, by the headers of the arrays, what fills the memory."""
    cost = 0
    with zipfile.ZipFile(path) as archive:
        for name in set(archive.namelist()) & {f"{one}.npy" for one in _WANTED}:
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, dtype = read(file)
            cost += prod(shape) * max(_VALUE_BYTES, dtype.itemsize)
    check_room(path.name, path.stat().st_size, cost)


def _document(arrays: dict[str, NDArray[Any]], path: Path) -> Document:
    if "yx" not in arrays:
        raise DataError(f"{path.name} has no array yx, so it does not say where the nuclei are.")
    for name, kinds in _KINDS.items():
        if name in arrays and arrays[name].dtype.kind not in kinds:
            raise DataError(f"The array {name} of {path.name} holds no numbers. Export it again.")
    about: dict[str, Any] = {}
    header = FileHeader()
    if "header" in arrays:
        header = FileHeader.from_text(arrays["header"].tobytes(), path.name)
        about = orjson.loads(arrays["header"].tobytes())
    if header.scheme is None:
        # Numbers without names for them say nothing about classes.
        arrays = {name: values for name, values in arrays.items() if name not in {"label", "probability"}}
    try:
        columns: dict[str, Any] = {"origin": Origin.IMPORTED}
        columns |= {name: arrays[name] for name in COLUMNS if name in arrays and name != "yx"}
        yx = arrays["yx"]
        if yx.ndim != 2 or yx.shape[1] != 2 or not np.isfinite(yx).all() or np.max(columns["origin"], initial=0) > 4:
            raise MisfitError("yx is not a finite (N, 2), or an origin is unknown")
        shapes = {name: _outlines(arrays, name, len(yx), path) for name in SHAPES if f"{name}_ends" in arrays}
        columns |= {name: outlines.table(len(yx)) for name, outlines in shapes.items()}
        nuclei = Nuclei.from_points(header.scheme or FoundClasses(path.name).scheme, yx, **columns)
        notes = {name: np.array(about[name], object)[arrays[name]] for name in NOTES if name in arrays}
        remarks = tuple(chain.from_iterable(outlines.remarks for outlines in shapes.values()))
        return Document(nuclei=nuclei, slide=header.slide, weights=header.weights, notes=notes, remarks=remarks)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise DataError(f"The arrays of {path.name} do not fit each other{why(error)}. Export it again.") from error


def _outlines(arrays: dict[str, NDArray[Any]], name: str, count: int, path: Path) -> GrowingOutlines:
    corners, ends = arrays[f"{name}_corners"], arrays[f"{name}_ends"]
    if corners.dtype.kind not in "iuf" or corners.ndim != 2 or corners.shape[1] != 2 or ends.dtype.kind not in "iu":
        raise MisfitError(f"{name}_corners is no (P, 2) of numbers")
    counts: NDArray[Any] = np.diff(ends.astype(np.int64))
    if ends.shape != (count + 1,) or ends[0] != 0 or ends[-1] != len(corners) or (counts < 0).any():
        raise MisfitError(f"{name}_ends does not rise from 0 to the number of corners, one for each nucleus")
    outlines = GrowingOutlines(path.name, "Whole cells" if name.startswith("cell") else "")
    outlines.extend(0, corners, counts)
    return outlines
