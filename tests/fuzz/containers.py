"""Changes inside containers whose checksums, lengths and pages are right again afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz.mutations import WORDS, in_bytes, in_json, in_tokens, value

if TYPE_CHECKING:
    from random import Random

__all__ = ["in_dicom", "in_gzip", "in_npz", "in_parquet", "in_png", "in_safetensors", "in_sqlite", "in_tiff", "in_zip"]


def in_zip(data: bytes, rng: Random) -> bytes:
    """Change one member of an archive, or its name; all checksums are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    member = members[name]
    match rng.randrange(5):
        case 0:
            members[rng.choice(["../x.npy", "a" * 300, name.upper(), "yx.npy", ".zattrs"])] = members.pop(name)
        case 1:
            del members[name]
        case 2 if member[:1] in b"{[":
            members[name] = in_json(member, rng)
        case _:
            members[name] = rng.choice([in_bytes, in_tokens])(member, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for one, content in members.items():
            archive.writestr(one, content)
    return out.getvalue()


def in_npz(data: bytes, rng: Random) -> bytes:
    """Give an array of an archive another shape, type or values."""
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
    name = rng.choice(list(arrays))
    array = arrays[name]
    kinds = ["<f2", "<f8", "|i1", "|u1", "<i8", "<u8", ">f4", "<U3", "|S2", "?", "<M8[s]", "<c8", "|V4"]
    match rng.randrange(7):
        case 0:
            arrays[name] = array.reshape(-1)[: rng.randrange(array.size + 1)]
        case 1:
            arrays[name] = np.zeros(
                [rng.choice([0, 1, 2, 3, len(array)]) for _ in range(rng.randrange(4))], array.dtype
            )
        case 2:
            arrays[name] = np.zeros(array.shape, rng.choice(kinds))
        case 3 if array.size and array.dtype.kind in "iuf":
            with np.errstate(all="ignore"):
                flat = array.astype(rng.choice(["<f8", "<i8", array.dtype.str])).copy()
                fraction = rng.choice([np.nan, np.inf, 1e30, -5.0, 3e9])
                number = rng.choice([-1, 2**40, 255, 256, 65_537, 7])
                flat.reshape(-1)[rng.randrange(flat.size)] = fraction if flat.dtype.kind == "f" else number
            arrays[name] = flat
        case 4:
            del arrays[name]
        case 5:
            arrays[rng.choice(list(arrays))] = array
        case _:
            text = arrays.get("header")
            if text is not None:
                arrays["header"] = np.frombuffer(in_json(text.tobytes(), rng), np.uint8)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def in_parquet(data: bytes, rng: Random) -> bytes:
    """Give a column of a table another type, name or values, or change what the table says of itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    k = rng.randrange(table.num_columns)
    name, rows = table.column_names[k], table.num_rows
    others = [
        pa.nulls(rows), pa.array([str(n) for n in range(rows)]), pa.array([[1.0, 2.0, 3.0]] * rows),
        pa.array([2**62] * rows), pa.array([float("nan")] * rows), pa.array([-1.5] * rows),
        pa.array([b"\xff\xfe"] * rows),
        pa.array([True] * rows), pa.array([[]] * rows, pa.list_(pa.float32())), pa.array([{"a": 1}] * rows),
        pa.array(["x" * 300] * rows).dictionary_encode(), pa.array([0] * rows, pa.timestamp("s")),
        pa.array([1] * rows, pa.uint64()),
    ]  # fmt: skip
    match rng.randrange(5):
        case 0:
            table = table.remove_column(k)
        case 1:
            names = list(table.column_names)
            names[k] = rng.choice(["y", "x", "class", "id", "p_", "p_a", "", "outline", "y_um", "author", "\0"])
            table = table.rename_columns(names)
        case 2:
            about = dict(table.schema.metadata or {})
            key = rng.choice([*about, b"nucloop", b"geo"])
            about[key] = in_json(about.get(key, b'{"primary_column": "y"}'), rng)
            table = table.replace_schema_metadata(about)
        case _:
            table = table.set_column(k, name, rng.choice(others))
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=rng.choice([1, 2, 1000]))
    return out.getvalue()


def in_png(data: bytes, rng: Random) -> bytes:
    """Change, leave out or repeat chunks, or the pixels before they are compressed; all checksums are right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    k = rng.randrange(len(chunks))
    kind, body = chunks[k]
    match rng.randrange(5):
        case 0:
            del chunks[k]
        case 1:
            chunks[k:k] = [chunks[k]] * rng.choice([1, 3])
        case 2 if kind == b"IDAT":
            chunks[k] = (kind, zlib.compress(in_bytes(zlib.decompress(body), rng)))
        case 3:
            chunks[k] = (rng.choice([b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"gAMA", b"iCCP", b"zTXt", b"IDAT"]), body)
        case _ if body:
            chunks[k] = (kind, in_bytes(body, rng))
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def in_gzip(data: bytes, rng: Random) -> bytes:
    """Change a text that is packed with gzip."""
    import gzip

    return gzip.compress(in_tokens(gzip.decompress(data), rng), 1)


def in_safetensors(data: bytes, rng: Random) -> bytes:
    """Change the names, types, shapes and places of tensors; the length of the header is right."""
    (length,) = struct.unpack("<Q", data[:8])
    header = in_json(data[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def in_tiff(data: bytes, rng: Random) -> bytes:
    """Change entries of a directory of a TIFF."""
    out = bytearray(data)
    order: Any = "little" if data[:2] == b"II" else "big"
    directories, at = [], int.from_bytes(data[4:8], order)
    while 8 <= at < len(data) - 6 and at not in directories and len(directories) < 20:
        directories.append(at)
        count = int.from_bytes(data[at : at + 2], order)
        at = int.from_bytes(data[at + 2 + 12 * count : at + 6 + 12 * count], order)
    for _ in range(rng.randint(1, 3)):
        start = rng.choice(directories or [8])
        count = max(int.from_bytes(data[start : start + 2], order), 1)
        entry = start + 2 + 12 * rng.randrange(count)
        field, size = rng.choice([(0, 2), (2, 2), (4, 4), (8, 4), (8, 2)])
        word = rng.choice(
            [*WORDS, rng.randrange(20), rng.randrange(len(data)), rng.choice([256, 257, 258, 259, 277, 322, 330])]
        )
        out[entry + field : entry + field + size] = (word % 256**size).to_bytes(size, order)
    return bytes(out)


def in_dicom(data: bytes, rng: Random) -> bytes:
    """Change the value, or the kind of value, of an element."""
    marks = [
        k
        for k in range(132, min(len(data), 20_000) - 8)
        if data[k + 4 : k + 6].isalpha() and data[k + 4 : k + 6].isupper()
    ]
    if not marks:
        return in_bytes(data, rng)
    out, at = bytearray(data), rng.choice(marks)
    if rng.random() < 0.4:
        out[at + 4 : at + 6] = rng.choice([b"US", b"UL", b"SQ", b"OB", b"DS", b"IS", b"UI", b"FD", b"UN", b"LT"])
    else:
        out[at + 8 : at + 12] = bytes(rng.randrange(256) for _ in range(4))
    return bytes(out)


def in_sqlite(data: bytes, rng: Random) -> bytes:
    """Change rows and tables of a database by SQL, so that its pages are right; of blobs with a crc beside them too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        path.write_bytes(data)
        with closing(sqlite3.connect(path, isolation_level=None)) as store:
            store.execute("PRAGMA journal_mode=DELETE")
            for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                store.execute(f'DROP TRIGGER "{name}"')
            for _ in range(rng.randint(1, 3)):
                try:
                    _change(store, rng)
                except (sqlite3.Error, OverflowError, UnicodeError):
                    continue
        return path.read_bytes()


def _change(store: sqlite3.Connection, rng: Random) -> None:
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = rng.choice(tables)
    columns = [row[1] for row in store.execute(f'PRAGMA table_info("{table}")')]
    column = rng.choice(columns)
    match rng.randrange(12):
        case 0:
            store.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_"')
        case 1:
            store.execute(
                f'DELETE FROM "{table}" WHERE rowid IN '
                f'(SELECT rowid FROM "{table}" ORDER BY rowid LIMIT 1 OFFSET {rng.randrange(9)})'
            )
        case 2:
            store.execute(f'INSERT INTO "{table}" SELECT * FROM "{table}" LIMIT 1')
        case 3:
            store.execute(f'DROP TABLE "{table}"')
        case _:
            _change_value(store, table, columns, column, rng)


def _change_value(store: sqlite3.Connection, table: str, columns: list[str], column: str, rng: Random) -> None:
    rows = store.execute(f'SELECT rowid, "{column}" FROM "{table}"').fetchall()
    if not rows:
        return
    row, old = rng.choice(rows)
    new = value(rng)
    if isinstance(old, bytes) and rng.random() < 0.8:
        new = in_bytes(old, rng)
        if len(old) > 8 and rng.random() < 0.5:
            length = int.from_bytes(old[:4], "little")
            header = in_json(old[4 : 4 + length], rng)
            new = len(header).to_bytes(4, "little") + header + old[4 + length :]
    elif isinstance(old, str) and rng.random() < 0.7:
        new = in_json(old.encode(), rng).decode("utf-8", "replace")
    elif isinstance(new, list | dict):
        new = json.dumps(new)
    store.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (new, row))
    if "crc" in columns and isinstance(new, bytes):
        store.execute(f'UPDATE "{table}" SET crc = ? WHERE rowid = ?', (zlib.crc32(new), row))


def sha256(data: bytes) -> str:
    """Return what a card must say of such a file."""
    return hashlib.sha256(data).hexdigest()
