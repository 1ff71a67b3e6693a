"""What a listener hears after each edit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nucloop.session.columns import distinct
from nucloop.session.history import EditKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nucloop.session.columns import Effect

__all__ = ["Change", "Direction", "Listeners"]

_NONE = np.zeros(0, np.int64)


class Direction(StrEnum):
    """Which way an edit went."""

    DONE = "done"
    UNDONE = "undone"
    REDONE = "redone"


@dataclass(frozen=True)
class Change:
    """What one edit changed, told after it is safe on disk; false when it changed nothing.

    All ids are ascending. A nucleus that was added or removed is in no other list.
    """

    kind: EditKind
    way: Direction
    author: str
    """Whose edit it is; of an undo, who took it back."""
    added: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    """Ids that are there now and were not before."""
    removed: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    """Ids that are no longer there."""
    moved: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    relabelled: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    """Ids whose class, origin, probability or any reader's word has changed."""
    outlined: NDArray[np.int64] = field(default_factory=lambda: _NONE)
    """Ids that were there and got an outline, or another one, or lost it again by undo."""
    counts: dict[str, int] = field(default_factory=dict)
    """Nuclei per class, after the change."""
    classes_changed: bool = False
    """Whether the class scheme is another one: labels of all nuclei may have new positions."""
    labels_now: tuple[int, ...] = ()
    """If so, what each label from before is now, -1 where its class is gone."""
    locked: int = 0
    """Nuclei that were asked for and left alone, as a person had spoken about them."""
    seq: int = 0
    """Number of the journal's entry; 0 when there is none."""

    def __bool__(self) -> bool:
        return self.seq > 0

    @property
    def touched(self) -> NDArray[np.int64]:
        """All ids of the change, ascending."""
        return distinct(np.concatenate([self.added, self.removed, self.moved, self.relabelled, self.outlined]))


def ids_of(effects: Sequence[Effect]) -> dict[str, NDArray[np.int64]]:
    """Join what the patches of one step did to rows, as ids for a Change."""
    added, removed = _joined([e.added for e in effects]), _joined([e.removed for e in effects])
    gone_or_new = np.concatenate([added, removed])

    def stayed(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        ids = _joined(parts)
        return ids[~np.isin(ids, gone_or_new)] if len(gone_or_new) and len(ids) else ids

    kinds = ("moved", "relabelled", "outlined")
    return {"added": added, "removed": removed} | {k: stayed([getattr(e, k) for e in effects]) for k in kinds}


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    parts = [part for part in parts if len(part)]
    if not parts:
        return _NONE
    return (parts[0] if len(parts) == 1 else distinct(np.concatenate(parts))) + 1


class Listeners:
    """Calls everybody who wants to hear, in the order in which changes were made."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[Change], None]] = {}
        self._waiting: deque[Change] = deque()
        self._telling = False

    def add(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Begin to tell somebody; the function returned ends it."""
        # the function returned knows a token only: kept by whoever heard, it would otherwise keep them alive
        token = object()
        self._callbacks[token] = callback

        def end() -> None:
            self._callbacks.pop(token, None)

        return end

    def tell(self, change: Change) -> None:
        """Tell everybody. An edit made by a listener is told after this one has been told to all.

        Raises
        ------
        Exception
            What a listener raised, after all have been told.
        """
        self._waiting.append(change)
        if self._telling:
            return
        faults: list[Exception] = []
        self._telling = True
        try:
            while self._waiting:
                current = self._waiting.popleft()
                for callback in list(self._callbacks.values()):
                    try:
                        callback(current)
                    except Exception as fault:  # noqa: BLE001 - raised below: one listener must not silence the others
                        faults.append(fault)
        finally:
            self._telling = False
        if faults:
            raise faults[0]
