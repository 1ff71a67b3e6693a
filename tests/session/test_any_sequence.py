"""Any sequence of edits, undos, redos, model runs, imports and reopenings gives what the reference model gives."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS
from tests.session.reference_model import Point, Reference, Ring, box_of, outline_now, ring_of, same_ring

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.outlines import Outlines
from nucloop.session import ModelRun, Session
from nucloop.session.outlining import draw_outline, give_outlines, merge, split

RADIUS = 2.0
places = st.tuples(st.integers(0, 9), st.integers(0, 9))
some_places = st.lists(places, min_size=1, max_size=4)
some_ids = st.lists(st.integers(0, 11), min_size=1, max_size=6)
pick = st.integers(0, 5)
AUTHORS = ("Dr A", "Dr B")
somebody = st.tuples(st.sampled_from(AUTHORS), st.booleans())
"""Who edits, and whether blinded."""


def ring_around(place: tuple[float, float], k: int) -> Ring:
    """An outline with a few corners, other than those of the nuclei beside it."""
    y, x = place
    return [(y - 1, x - k), (y - 1, x + 3), (y + 2, x + 1), (y + k, x - 1)][: 3 + k % 2]


def rings_of(nuclei: Nuclei) -> list[Ring | None]:
    outlines = Outlines.none(len(nuclei)) if nuclei.outlines is None else nuclei.outlines
    return [None if ring is None else same_ring(ring.tolist()) for ring in outlines]


class AnySequence(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "a.svs.nucloop"
        self.session = Session.open(self.path, slide=SLIDE, scheme=SCHEME, author=AUTHORS[0])
        self.reference = Reference(list(SCHEME.names))
        self.run: ModelRun | None = None
        self.runs = 0
        self.run_step: int | None = None
        self.named = 0

    def teardown(self) -> None:
        self.session.close()
        shutil.rmtree(self.folder)

    @property
    def author(self) -> str:
        return self.session.author

    def known(self, ids: list[int]) -> list[int]:
        """Ids that were given, whatever numbers were drawn: else most edits would meet nobody."""
        last = self.reference.last_id
        return list(dict.fromkeys(k % last + 1 for k in ids)) if last else []

    def there(self, ids: list[int]) -> list[int]:
        """Those of them that are there."""
        return [k for k in self.known(ids) if k in self.reference.alive()]

    def name(self, number: int, nothing: bool = True) -> str | None:
        names = [*self.reference.scheme(), *([None] if nothing else [])]
        return names[number % len(names)]

    def label(self, name: str | None) -> int | str:
        return UNLABELLED if name is None else name

    def table(self, points: list[tuple[int, int]], number: int, origin: Origin) -> tuple[Nuclei, list[Point]]:
        """Nuclei as they come from elsewhere: every third has no outline, or none of them has one."""
        scheme = self.session.scheme
        labels = [(number + k) % len(scheme) for k in range(len(points))]
        rings = [ring_around(place, k) if number and k % 3 < 2 else None for k, place in enumerate(points)]
        outlines = Outlines.of(rings) if number else None
        nuclei = Nuclei.from_points(scheme, points, label=labels, origin=origin, outlines=outlines)
        return nuclei, list(zip(points, [scheme.names[k] for k in labels], rings, strict=True))

    @rule(yx=some_places, number=pick)
    def add(self, yx: list[tuple[int, int]], number: int) -> None:
        name = self.name(number)
        self.session.add(yx, self.label(name))
        self.reference.add(self.author, yx, name)

    @rule(ids=some_ids, to=st.lists(places, min_size=6, max_size=6))
    def move(self, ids: list[int], to: list[tuple[int, int]]) -> None:
        ids = self.known(ids)
        self.session.move(ids, to[: len(ids)])
        self.reference.move(self.author, dict(zip(ids, to, strict=False)))

    @rule(ids=some_ids)
    def delete(self, ids: list[int]) -> None:
        self.session.delete(self.known(ids))
        self.reference.delete(self.author, self.known(ids))

    @rule(ids=some_ids, number=pick, force=st.booleans(), who=somebody)
    def set_class(self, ids: list[int], number: int, force: bool, who: tuple[str, bool]) -> None:
        self.session.author, self.session.blinded = who
        name = self.name(number)
        self.session.set_class(self.known(ids), self.label(name), force=force)
        self.reference.set_class(self.author, self.known(ids), name, force, self.session.blinded)

    @rule(ids=some_ids, who=somebody)
    def confirm(self, ids: list[int], who: tuple[str, bool]) -> None:
        self.session.author, self.session.blinded = who
        self.session.confirm(self.known(ids))
        self.reference.confirm(self.author, self.known(ids), self.session.blinded)

    @rule(yx=some_places, number=pick)
    def import_points(self, yx: list[tuple[int, int]], number: int) -> None:
        nuclei, points = self.table(yx, number, Origin.IMPORTED)
        self.session.import_nuclei(nuclei)
        self.reference.import_points(self.author, points)

    @rule(yx=some_places, number=pick)
    def import_onto(self, yx: list[tuple[int, int]], number: int) -> None:
        alive = [n["yx"] for n in self.reference.alive().values()]
        nuclei, points = self.table([p for p in dict.fromkeys(yx) if alive.count(p) < 2], number, Origin.IMPORTED)
        self.session.import_nuclei(nuclei, radius_px=0.5)
        self.reference.import_onto(self.author, points)

    @rule(yx=some_places, number=pick, begin=st.booleans())
    def tile(self, yx: list[tuple[int, int]], number: int, begin: bool) -> None:
        if begin or self.run is None or not self.run.is_open:
            self.run, self.run_step = self.session.begin_run(WEIGHTS, RADIUS), None
            self.runs += 1
        nuclei, points = self.table(yx, number, Origin.PREDICTED)
        self.run.add(nuclei)
        self.run_step = self.reference.tile(self.author, points, RADIUS, self.run_step, self.runs)

    @rule(ids=some_ids, number=pick, force=st.booleans())
    def relabel(self, ids: list[int], number: int, force: bool) -> None:
        ids, scheme = self.known(ids), self.session.scheme
        labels = [(number + k) % len(scheme) for k in range(len(ids))]
        p = np.full((len(ids), len(scheme)), np.nan)
        self.session.relabel(ids, labels, p, weights=WEIGHTS, force=force)
        self.reference.relabel(self.author, {k: scheme.names[n] for k, n in zip(ids, labels, strict=True)}, force)

    @rule(ids=some_ids, sides=st.tuples(*[st.integers(1, 3)] * 4), who=somebody)
    def draw_around(self, ids: list[int], sides: tuple[int, int, int, int], who: tuple[str, bool]) -> None:
        self.session.author, self.session.blinded = who
        for number in self.there(ids)[:1]:
            (y, x), (up, left, down, right) = self.reference.alive()[number]["yx"], sides
            ring = ring_of((y - up, x - left, y + down, x + right))
            draw_outline(self.session, number, ring)
            self.reference.draw(self.author, number, ring)

    @rule(ids=some_ids, wide=st.integers(1, 5))
    def split_a_box(self, ids: list[int], wide: int) -> None:
        boxes = {k: box_of(outline_now(self.reference.alive()[k])) for k in self.there(ids)}
        for number, box in list(boxes.items())[:1]:
            if box is None or wide >= box[3] - box[1] or 2 * wide == box[3] - box[1]:
                continue
            x, line = box[1] + wide, [(box[0] - 1, box[1] + wide), (box[2] + 1, box[1] + wide)]
            if self.reference.split(self.author, number, x):
                split(self.session, number, line)
            else:
                with pytest.raises(SessionError, match="does not cut"):
                    split(self.session, number, line)

    @rule(ids=some_ids)
    def merge_some(self, ids: list[int]) -> None:
        alive, ids = self.reference.alive(), sorted(self.there(ids)[:3])
        if len(ids) < 2:
            with pytest.raises(SessionError, match="Select two"):
                merge(self.session, ids)
            return
        rings = [outline_now(alive[k]) for k in ids]
        if any(ring is not None and box_of(ring) is None for ring in rings):
            return
        if outline_now(alive[self.reference.stays(ids)]) is None and (any(rings) or len(ids) > 2):
            # it would go to a middle that is no whole number
            return
        if self.reference.merge(self.author, ids):
            merge(self.session, ids)
        else:
            with pytest.raises(SessionError, match="too far apart"):
                merge(self.session, ids)

    @rule(ids=some_ids, number=pick)
    def learn_outlines(self, ids: list[int], number: int) -> None:
        nuclei = self.session.nuclei(self.there(ids))
        rings = [ring_around(tuple(yx), number + k) for k, yx in enumerate(nuclei.yx.tolist())]
        give_outlines(self.session, replace(nuclei, outlines=Outlines.of(rings)), WEIGHTS)
        self.reference.learn(self.author, dict(zip(nuclei.ids.tolist(), rings, strict=True)))

    @precondition(lambda self: len(self.session.scheme) < 6)
    @rule()
    def add_class(self) -> None:
        self.named += 1
        self.session.add_class(NucleusClass(f"class {self.named}", "#000000"))
        self.reference.add_class(self.author, f"class {self.named}")

    @precondition(lambda self: len(self.session.scheme) > 2)
    @rule(number=pick, into=pick)
    def remove_class(self, number: int, into: int) -> None:
        name, target = self.name(number, nothing=False), self.name(into)
        if name is not None and target != name:
            if self.session.blinded and set(self.session.use_of(name).said) - {self.author}:
                with pytest.raises(SessionError, match="other readers"):
                    self.session.remove_class(name, target)
                return
            self.session.remove_class(name, target)
            self.reference.remove_class(self.author, name, target)

    @rule()
    def undo(self) -> None:
        self.session.undo()
        self.reference.undo(self.author, self.session.blinded)

    @rule()
    def redo(self) -> None:
        self.session.redo()
        self.reference.redo(self.author, self.session.blinded)

    @rule(who=somebody)
    def sit_down(self, who: tuple[str, bool]) -> None:
        self.session.author, self.session.blinded = who

    @rule(snapshot=st.booleans())
    def reopen(self, snapshot: bool) -> None:
        author, blinded = self.author, self.session.blinded
        if snapshot:
            self.session.snapshot()
        self.session.close()
        self.session = Session.open(self.path, slide=SLIDE, scheme=ClassScheme.named("nucleus"), author=author)
        self.session.blinded, self.run = blinded, None

    @rule()
    def open_a_copy_as_a_crash_would_leave_it(self) -> None:
        crash = self.folder / "crash"
        crash.mkdir(exist_ok=True)
        for file in self.folder.glob("a.svs.nucloop*"):
            shutil.copy(file, crash)
        with Session.open(crash / self.path.name) as copy:
            np.testing.assert_array_equal(copy.nuclei().yx, self.session.nuclei().yx)
            assert rings_of(copy.nuclei(outlines=True)) == rings_of(self.session.nuclei(outlines=True))
            assert copy.counts == self.session.counts
        shutil.rmtree(crash)

    @invariant()
    def the_table_is_that_of_the_reference(self) -> None:
        if not hasattr(self, "session"):
            return
        session, alive, names = self.session, self.reference.alive(), self.reference.scheme()
        nuclei, called = session.nuclei(), [*names, None]
        assert session.scheme.names == tuple(names)
        assert nuclei.ids.tolist() == sorted(alive)
        expected = [alive[k] for k in sorted(alive)]
        assert nuclei.yx.tolist() == [list(n["yx"]) for n in expected]
        assert rings_of(session.with_outlines(nuclei)) == [same_ring(outline_now(n)) for n in expected]
        assert session.drawn_by(nuclei.ids) == [n.get("hand", "") for n in expected]
        # a run may have gone on with a class whose addition was undone since: nobody sees it until that is redone
        labels = [word if (word := n.get("label")) in names else None for n in expected]
        assert [called[k] for k in nuclei.label] == labels
        assert nuclei.origin.tolist() == [n["origin"] for n in expected]
        assert session.counts == {name: sum(n.get("label") == name for n in expected) for name in names}
        assert session.unlabelled == labels.count(None)
        assert len(session) == len(expected)
        assert sum(session.origins.values()) == len(expected)
        assert session.in_box(0, 0, 7, 7).tolist() == [
            k for k in sorted(alive) if min(alive[k]["yx"]) >= 0 and max(alive[k]["yx"]) < 7
        ]
        for reader in AUTHORS:
            said = [n.get(f"said {reader}") or n.get("model") for n in expected]
            seen = [called[k] for k in session.labels_of(reader, nuclei.ids)]
            assert seen == [word if word in names else None for word in said]


AnySequence.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_sequence_gives_what_the_reference_gives = AnySequence.TestCase
