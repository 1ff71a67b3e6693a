"""What another program knows imported nuclei by, kept so that they go back to it as the same."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import numpy as np

from nucloop.session.faults import damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nucloop.session.session import Session

__all__ = ["keep_uuids", "kept_uuids"]

_NOTE = "uuids"
_ROW = 24
"""Bytes: an id of eight, a UUID of sixteen."""


def keep_uuids(session: Session, ids: NDArray[np.int64], uuids: NDArray[np.object_]) -> None:
    """Keep the UUIDs of nuclei, (N,) texts, outside of undo; what is none is left aside.

    Raises
    ------
    SessionError
        If the session cannot be written to.
    """
    rows = [(number, one) for number, text in zip(ids.tolist(), uuids, strict=True) if (one := _parsed(text))]
    if rows:
        data = b"".join(number.to_bytes(8, "little") + one.bytes for number, one in rows)
        session.remember(_NOTE, [*session.recall(_NOTE, []), session.keep_weights(data)])


def kept_uuids(session: Session, ids: NDArray[np.int64]) -> NDArray[np.object_] | None:
    """Return the UUIDs of nuclei (N,) as texts, empty where none is known; None where a session has none at all.

    Raises
    ------
    DamagedSession
        If they cannot be read.
    """
    parts = session.recall(_NOTE, [])
    if not parts:
        return None
    known: dict[int, bytes] = {}
    for sha256 in parts:
        data = session.kept_weights(sha256)
        if data is None or len(data) % _ROW:
            raise damaged(session.path, "the ids that another program gave its nuclei cannot be read")
        for first in range(0, len(data), _ROW):
            known[int.from_bytes(data[first : first + 8], "little")] = data[first + 8 : first + _ROW]
    texts = [str(uuid.UUID(bytes=known[number])) if number in known else "" for number in ids.tolist()]
    return np.array(texts, object)


def _parsed(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text)) if text else None
    except ValueError:
        return None
