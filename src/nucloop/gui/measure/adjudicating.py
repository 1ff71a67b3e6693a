"""Agreement of the person with a reference, and the consensus that somebody decides place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points
from qtpy.QtCore import QObject, Signal

from nucloop.classes import join
from nucloop.errors import NucLoopError
from nucloop.evaluation.readers import Readings, compare_readers
from nucloop.gui.canvas.view import placement
from nucloop.gui.layer.points_style import DIAMETER_UM, SCREEN_LIMITS
from nucloop.gui.widgets.jobs import How, Job
from nucloop.gui.widgets.messages import Message, Tone
from nucloop.metrics.consensus import Place, consensus, place_of
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from nucloop.gui.measure.measuring import Measuring
    from nucloop.gui.widgets.jobs import Ending
    from nucloop.metrics.agreement import Disagreement

__all__ = ["CONSENSUS_NAME", "Adjudicating"]

CONSENSUS_NAME = "Consensus"
_NOTE = "adjudicated"


class Adjudicating(QObject):
    """Compares readers in the background, and keeps what was decided in the session.

    Parameters
    ----------
    measuring : Measuring
        Knows the nuclei, the reference and the radius.
    """

    changed = Signal()
    said = Signal(object)
    """A Message."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring)
        self._measuring = measuring
        self.readings: Readings | None = None
        self.decisions: dict[Place, int | None] = {}
        self.question: Disagreement | None = None
        self._of_gone_classes: list[list[Any]] = []
        self._asked = False
        self._job: Job | None = None

    def start(self) -> None:
        """Compare the readers as they are now; who was being asked is asked on."""
        self.stop()
        measuring = self._measuring
        nuclei, live = measuring.nuclei, measuring.live
        if nuclei is None or live is None or measuring.reference is None:
            return
        first, second = measuring.sides()
        radius, regions, mpp = live.config.radius_um, live.config.regions, nuclei.mpp
        self.decisions = self._recall()
        self._job = Job(lambda: iter([compare_readers(first, second, mpp, radius, regions)]), self)
        self._job.items.connect(self._arrived)
        self._job.ended.connect(self._ended)
        self._job.start()

    def stop(self) -> None:
        """Forget what was compared, but not that somebody was being asked."""
        if self._job is not None:
            self._job.items.disconnect(self._arrived)
            self._job.ended.disconnect(self._ended)
            self._job.cancel()
            self._job = None
        self._asked |= self.question is not None
        self.readings, self.question = None, None

    @property
    def open(self) -> list[Disagreement]:
        """Places that nobody has decided yet."""
        places = () if self.readings is None else self.readings.places
        return [place for place in places if place_of(place) not in self.decisions]

    def next(self) -> None:
        """Ask about the next open place; while readers are being compared anew, once that is done."""
        self._asked = self.readings is None
        left = self.open
        self.question = left[0] if left else None
        self.changed.emit()

    def decide(self, answer: str | int) -> None:
        """Say what stands at the place in question; then ask on.

        Parameters
        ----------
        answer : str or int
            What the ``first`` or the ``second`` reader says, ``nothing``, or a label of the first reader's scheme.
        """
        place, readings = self.question, self.readings
        if place is None or readings is None:
            return
        label: int | None = None
        if isinstance(answer, int):
            label = answer
        elif answer == "first" and place.first is not None:
            label = place.first_label
        elif answer == "second" and place.second is not None and place.second_label is not None:
            label = _in_scheme(readings, place.second_label)
        self.decisions[place_of(place)] = label
        self._remember()
        self.next()

    def make_layer(self) -> Points | None:
        """Show what both agree on, and what was decided, as a layer that can be exported or compared with."""
        readings, nuclei = self.readings, self._measuring.nuclei
        if readings is None or nuclei is None:
            return None
        known = {place_of(place) for place in readings.places}
        decisions = {key: label for key, label in self.decisions.items() if key in known}
        made = consensus(
            readings.first, readings.second, nuclei.mpp, decisions, self._measuring.config.radius_um
        )  # fmt: skip
        names, colours = made.nuclei.scheme.names, np.array([*made.nuclei.scheme.colors, "#bdbdbd"])
        layer = Points(
            made.nuclei.yx,
            name=CONSENSUS_NAME,
            features={"class": np.array([*names, ""], object)[made.nuclei.label]},
            face_color=colours[made.nuclei.label] if len(made.nuclei) else "white",
            size=DIAMETER_UM / nuclei.mpp,
            border_width=0.08,
            canvas_size_limits=SCREEN_LIMITS,
            metadata={"nucloop": {"reference": True, "scheme": made.nuclei.scheme.name, "mpp": nuclei.mpp}},
            **placement(nuclei.image),
        )
        active = nuclei.viewer.layers.selection.active
        nuclei.viewer.add_layer(layer)
        nuclei.viewer.layers.selection.active = active
        left = f"; {len(made.open):,} open places are left out" if made.open else ""
        self.said.emit(Message(f"The layer {layer.name} has {len(made.nuclei):,} nuclei{left}.", Tone.GOOD))
        return layer

    def _arrived(self, items: list[Any]) -> None:
        self.readings = items[-1]
        if self._asked:
            self.next()
        else:
            self.changed.emit()

    def _ended(self, ending: Ending) -> None:
        self._job = None
        if ending.how is How.FAILED:
            self.said.emit(Message(ending.message, Tone.ERROR, ending.details))

    def _key(self) -> str:
        reference = self._measuring.reference
        return f"{_NOTE} {reference.title if reference else ''}"

    def _recall(self) -> dict[Place, int | None]:
        """Return what was decided; it is kept by the names of classes, which have other labels tomorrow."""
        nuclei = self._measuring.nuclei
        decisions: dict[Place, int | None] = {}
        self._of_gone_classes = []
        for first, second, kept in [] if nuclei is None else nuclei.session.recall(self._key(), []):
            label = kept
            if isinstance(kept, str) and nuclei is not None:
                name = nuclei.session.name_now(kept) if kept else None
                label = UNLABELLED if name is None else nuclei.session.scheme.names.index(name)
                if kept and name is None:
                    # the place is open again, and decided once more if the class comes back
                    self._of_gone_classes.append([first, second, kept])
                    continue
            decisions[first, second] = label
        return decisions

    def _remember(self) -> None:
        nuclei = self._measuring.nuclei
        if nuclei is None or nuclei.session.read_only:
            return
        names = (*nuclei.session.scheme.names, "")
        kept = [[*place, None if label is None else names[label]] for place, label in self.decisions.items()]
        kept += [one for one in self._of_gone_classes if (one[0], one[1]) not in self.decisions]
        try:
            nuclei.session.remember(self._key(), kept)
        except NucLoopError as error:
            self.said.emit(Message(str(error), Tone.ERROR))


def _in_scheme(readings: Readings, label: int) -> int:
    """Return a label of the second reader's in the first reader's scheme; -1 where it has no such class."""
    return join(readings.second.scheme.classes, readings.first.scheme.classes).table()[label]
