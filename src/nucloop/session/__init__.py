"""The session of one slide: its nuclei, and every edit, import, model run and head, in one file that loses nothing.

One SQLite file per slide, beside it as ``SLIDE.nucloop``. Nobody saves: an edit that has returned is in the file, and
neither a crash nor kill -9 takes it out again.

    from nucloop.session import Session

    with Session.for_slide(slide, scheme, author="Dr A") as session:
        run = session.begin_run(pipeline.weights, SAME_NUCLEUS_UM / slide.mpp)
        for tile in pipeline.run(slide):
            ids = run.add(tile.nuclei)          # 0 where a nucleus was known: row k of tile.features is that of ids[k]
        nucleus = session.nearest((512, 640), radius=20)
        session.set_class([nucleus], "tumour", force=True)
        session.undo()

For a window onto a session
---------------------------
- ``session.subscribe(callback)`` calls back after each edit, undo and redo with one `Change`: ids added, removed, moved
  and relabelled, the counts, whether the classes changed. What an edit returns is that same change.
- ``session.in_box(...)`` gives the ids in view, ``session.shown(ids)`` their table as the author may see it (class,
  origin, probability, place). Both cost the same however many nuclei there are.
- ``near``, ``nearest`` and ``in_polygon`` serve the cursor, the brush and the lasso; ``density`` the view from afar.
- ``counts``, ``unlabelled``, ``origins`` and ``len`` are kept up to date.
- ``undoable`` and ``redoable`` say what undo and redo would do, for a menu.

For files
---------
``nucloop.session.exchange`` gives a session, open or as a file, as the `Document` that exports, comparisons and
training sets take, with its drawn regions; ``import_nuclei`` is the way back.

The rules
---------
- An id belongs to one nucleus for ever; after undo and redo it is the same one.
- Labels are positions in ``session.scheme``. After `Change.classes_changed` ask for them again.
- What a person has said is locked: brush (``set_class`` without ``force``), imports and models leave it alone. A model
  run only ever adds; it never brings back what a person deleted or moved away.
- Undo takes back one step: an edit, an import, a new head, or a whole model run with all its tiles. An edit after undo
  ends redo; the journal keeps everything all the same. Tiles that come in from a run do not end redo.
- Everything said is kept per reader: ``labels_of(reader)`` and ``disagreements(a, b)``. With ``session.blinded`` an
  author sees and is held back by their own word alone, and undo stops before the work of others.
- Where a nucleus is, its outline, and whether it is there at all, all readers share.
- Outlines stay in the file until somebody asks: ``session.nuclei(ids, outlines=True)``, or ``with_outlines`` for a
  table. They move with their nuclei. A nucleus has the outline it came with, or the first one that an import brings it.
- ``nucloop.session.outlining`` has what a person does to outlines: drawing one, splitting a nucleus, merging several.
  What a person drew (``drawn_by``) no model and no import replaces.

Errors that a person may see are `SessionError`: `OtherSlide`, `SessionInUse`, `DamagedSession`, `NewerSession`,
`PlaceNotWritable` and, for an edit that was not done, `NotKept`.
"""

from nucloop.errors import SessionError
from nucloop.session.change import Change, Direction
from nucloop.session.editing.runs import ModelRun
from nucloop.session.faults import (
    DamagedSession,
    NewerSession,
    NotKept,
    OtherSlide,
    PlaceNotWritable,
    SessionInUse,
)
from nucloop.session.history import EditKind
from nucloop.session.identity import SlideIdentity
from nucloop.session.keeping.place import session_path
from nucloop.session.memory import Edit
from nucloop.session.session import Session

__all__ = [
    "Change",
    "DamagedSession",
    "Direction",
    "Edit",
    "EditKind",
    "ModelRun",
    "NewerSession",
    "NotKept",
    "OtherSlide",
    "PlaceNotWritable",
    "Session",
    "SessionError",
    "SessionInUse",
    "SlideIdentity",
    "session_path",
]
