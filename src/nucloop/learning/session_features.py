"""The kept features of one session: a folder beside it, filled as nuclei are found, in step with what is moved."""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nucloop.errors import DataError, NucLoopError
from nucloop.learning.feature_store import FeatureStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nucloop.detection.stage import Stage
    from nucloop.learning.feature_store import StoreConfig
    from nucloop.nuclei import Nuclei
    from nucloop.session import Change, Session
    from nucloop.slides import Slide

__all__ = ["Filling", "SessionFeatures", "fill_features", "forget_features"]

SUFFIX = "-features"
_KEY = "features"
"""A name of its own for each session: features of a deleted session must never be taken for those of a new one."""


class SessionFeatures:
    """The feature stores of a session, one per encoder. Made and closed where the session is.

    Parameters
    ----------
    session : Session
        One that can be edited.
    config : StoreConfig, optional
        How much room they may take.
    """

    def __init__(self, session: Session, config: StoreConfig | None = None) -> None:
        self._config = config
        self._temporary: str | None = None
        key = session.recall(_KEY)
        if not isinstance(key, str):
            key = uuid.uuid4().hex[:12]
            if not session.read_only:
                session.remember(_KEY, key)
        if session.path is None or session.read_only:
            self._temporary = tempfile.mkdtemp(prefix="nucloop-features-")
            self._folder = Path(self._temporary)
        else:
            beside = session.path.with_name(session.path.name + SUFFIX)
            self._folder = beside / key
        self._stores: dict[str, FeatureStore] = {}
        self._lock = threading.Lock()
        self._writer: ThreadPoolExecutor | None = None
        self._moved: set[int] = set()
        self._ever_moved: set[int] = set()
        self.trouble = ""
        """Why features that came later could not be kept; empty while all is well."""
        self._fault: BaseException | None = None
        self._end_hearing = session.subscribe(self._heard)

    @property
    def folder(self) -> Path:
        """Where they lie; made with the first features."""
        return self._folder

    def store(self, encoder_sha256: str, features: int) -> FeatureStore:
        """Return the store of an encoder's features of this length, opened if need be; from any thread.

        Raises
        ------
        DataError
            If the folder cannot be written to.
        """
        with self._lock:
            if encoder_sha256 not in self._stores:
                self._drop_strangers()
                self._stores[encoder_sha256] = FeatureStore(self._folder, encoder_sha256, features, self._config)
            return self._stores[encoder_sha256]

    def put_later(self, encoder_sha256: str, ids: NDArray[np.int64], features: NDArray[np.floating]) -> None:
        """Keep features (K, F) of ids (K,), those of id 0 left out, without making anybody wait."""
        known = ids > 0
        if not known.any():
            return
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="nucloop-features")
        task = self._writer.submit(self._put, encoder_sha256, ids[known], features[known])
        task.add_done_callback(self._written)

    def begin(self) -> None:
        """Say that features will be computed from places as they are now; where the session is."""
        self._moved.clear()

    def settle(self) -> None:
        """Forget the features of what was moved since `begin`; where the session is."""
        if self._moved:
            moved = np.array(sorted(self._moved), np.int64)
            self._moved.clear()
            for store in list(self._stores.values()):
                store.forget(moved)

    def flush(self) -> None:
        """Wait until all that came is kept; a fault of the program that kept it from being so is raised here."""
        if self._writer is not None:
            self._writer.submit(lambda: None).result()
        self._raise_fault()

    def close(self) -> None:
        """Let go of the files, and raise what `flush` would; a second call does nothing."""
        self._end_hearing()
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._raise_fault()

    def _put(self, encoder_sha256: str, ids: NDArray[np.int64], features: NDArray[np.floating]) -> None:
        # what was moved since it was found looks different where it is now
        store, moved = self.store(encoder_sha256, features.shape[1]), self._have_moved(ids)
        store.put(ids[~moved], features[~moved])
        # and what was moved meanwhile was heard of before it was here to be forgotten
        store.forget(ids[self._have_moved(ids) & ~moved])

    def _have_moved(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.array([nucleus in self._ever_moved for nucleus in ids.tolist()], bool)

    def _written(self, task: Future[None]) -> None:
        error = task.exception()
        if isinstance(error, NucLoopError):
            self.trouble = str(error)
        elif error is not None:
            self._fault = error

    def _raise_fault(self) -> None:
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _drop_strangers(self) -> None:
        """Remove what sessions that were here before have left."""
        beside = self._folder.parent
        if self._temporary is None and beside.is_dir():
            for folder in beside.iterdir():
                if folder != self._folder and folder.is_dir():
                    shutil.rmtree(folder, ignore_errors=True)

    def _heard(self, change: Change) -> None:
        if len(change.moved):
            self._moved.update(change.moved.tolist())
            self._ever_moved.update(change.moved.tolist())
            for store in list(self._stores.values()):
                try:
                    store.forget(change.moved)
                except DataError as error:
                    self.trouble = str(error)


def forget_features(session: Session) -> None:
    """Have all features of a session computed again when they are next needed: its nuclei look different now.

    What was kept is removed with the first that are kept again. While nobody holds a `SessionFeatures` of it.
    """
    session.remember(_KEY, None)


@dataclass(frozen=True)
class Filling:
    """How many nuclei have features by now."""

    done: int
    total: int


def fill_features(store: FeatureStore, nuclei: Nuclei, slide: Slide, stage: Stage) -> Iterator[Filling]:
    """Compute and keep the features of those nuclei that have none; yield after each tile.

    Nuclei beside the slide, as files of another slide have them, stay without.

    Raises
    ------
    SlideError
        If the slide does not say its resolution, or is damaged.
    DataError
        If they cannot be kept, or the setting leaves no room for them.
    """
    missing = store.missing(nuclei.ids)
    if not len(missing):
        return
    # torch takes seconds to import: whoever only keeps features does not wait for it
    from nucloop.learning.featurise import features_at

    there = slide.box.contains(nuclei.yx)
    rows = np.flatnonzero(np.isin(nuclei.ids, missing) & there)
    ids, total = nuclei.ids[rows], int(there.sum())
    before = total - len(rows)
    yield Filling(before, total)
    done = before
    for part in features_at(slide, stage, nuclei.yx[rows]):
        # whoever was told to stop meanwhile stops here, before anything is kept
        yield Filling(done, total)
        done = before + part.done
        kept = store.put(ids[part.rows], part.features)
        if kept < len(part.rows):
            raise DataError(
                f"Features of {len(nuclei):,} nuclei need more room than the {store.config.max_bytes / 1e9:.1f} GB "
                "that are allowed. Allow more in the settings, or choose an encoder with shorter features."
            )
        yield Filling(done, total)
