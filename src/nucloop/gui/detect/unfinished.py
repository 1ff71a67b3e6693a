"""Runs that were stopped: the tiles that they had finished stay finished, and the same run goes on with the others.

The same is: the same networks and settings, the same region, the same resolution. What was found must still be there:
once it was undone, the run begins anew. What people did in between is kept by the rules of every run.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import NucLoopError
from nucloop.slides import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.detection.pipeline import Pipeline, TileResult
    from nucloop.geometry import Region
    from nucloop.session import ModelRun, Session

__all__ = ["Unfinished", "key_of", "not_finished", "recall_unfinished"]

_NOTE = "unfinished"
KEEP_S = 5.0
"""How often the finished tiles of a run that goes on are written down."""


def key_of(pipeline: Pipeline, regions: Sequence[Box | Region] | None, mpp: float | None) -> str:
    """Return what tells a run from every other one."""
    config = {name: value for name, value in asdict(pipeline.config).items() if name != "batch"}
    parts = [_plain(part) for part in regions] if regions is not None else "all"
    said = {"weights": pipeline.weights, "config": config, "regions": parts, "mpp": mpp}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Unfinished:
    """What a run has finished so far."""

    key: str
    boxes: list[Box] = field(default_factory=list)
    """What finished tiles own, level-0 pixels."""
    steps: list[int] = field(default_factory=list)
    """The session's steps that hold what was found."""

    kept: int = 0
    """Tiles that were finished before this run and are not computed again."""
    _written: float = 0.0

    def add(self, tiles: Sequence[TileResult], run: ModelRun, session: Session | None) -> None:
        """Take note of tiles whose nuclei are in the session, which remembers them now and then: a program may end."""
        self.boxes += [tile.box for tile in tiles]
        if run.step is not None and run.step not in self.steps:
            self.steps.append(run.step)
        if tiles[-1].done < tiles[-1].total and time.monotonic() > self._written + KEEP_S:
            self._keep(session)
            self._written = time.monotonic()

    def end(self, session: Session | None, *, done: bool) -> None:
        """Have the session forget it, the run being done, or remember it instead of any other."""
        if not done and self.boxes:
            self._keep(session)
        elif done and session is not None and not session.closed:
            known = recall_unfinished(session)
            if known is not None and known.key == self.key:
                self._write(session, None)

    def _keep(self, session: Session | None) -> None:
        boxes = [_plain(box) for box in self.boxes]
        self._write(session, {"key": self.key, "boxes": boxes, "steps": self.steps})

    @staticmethod
    def _write(session: Session | None, value: Any) -> None:
        if session is None or session.closed or session.read_only or session.recall(_NOTE) == value:
            return
        session.remember(_NOTE, value)


def recall_unfinished(session: Session) -> Unfinished | None:
    """Return the run that a session remembers as stopped; None when there is none, or what it found was undone."""
    try:
        said = session.recall(_NOTE)
        if said is None:
            return None
        known = Unfinished(str(said["key"]), [Box(*box) for box in said["boxes"]], [int(one) for one in said["steps"]])
    except (NucLoopError, TypeError, ValueError, KeyError):
        # it saves work and is worth no question: the run begins anew
        return None
    return known if all(session.ledger.history.is_done(step) for step in known.steps) else None


def not_finished(boxes: Sequence[Box], finished: Sequence[Box]) -> list[int]:
    """Return which boxes are not yet covered by finished ones, which overlap nowhere: their places in the list."""
    done = np.array([_plain(box) for box in finished], np.int64).reshape(-1, 4)
    low, high = done[:, :2], done[:, :2] + done[:, 2:]
    left = []
    for place, box in enumerate(boxes):
        corner = np.array([box.y, box.x])
        common = np.minimum(high, [box.y + box.height, box.x + box.width]) - np.maximum(low, corner)
        if int(np.clip(common, 0, None).prod(1).sum()) < box.area:
            left.append(place)
    return left


def _plain(part: Box | Region) -> Any:
    if isinstance(part, Box):
        return [part.y, part.x, part.height, part.width]
    return [[ring.tolist() for ring in piece] for piece in part.pieces]
