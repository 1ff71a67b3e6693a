"""A session leaves as a file and comes back from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.session.conftest import SCHEME, SLIDE, WEIGHTS, found

from nucloop.classes import NucleusClass
from nucloop.errors import DataError
from nucloop.formats import FORMATS, Region, read_document, write_document
from nucloop.nuclei import Nuclei, Origin
from nucloop.session import Session
from nucloop.session.exchange import document_of, keep_regions, kept_regions, read_annotations, read_session

if TYPE_CHECKING:
    from pathlib import Path

    from tests.session.conftest import Opens

WHOLE = sorted(name for name, one in FORMATS.items() if one.carries.ids and one.carries.probability)
SQUARE = np.array([[0, 0], [0, 50.5], [40, 50.5], [40, 0]])


def worked_on(session: Session) -> Session:
    """A session with nuclei of every origin, and two that were deleted."""
    run = session.begin_run(WEIGHTS, 2.0)
    run.add(found(*((10 * k, 20 + k) for k in range(8)), label=[0, 1, 2, 0, 1, 2, 0, 1]))
    session.set_class([1], "stroma", force=True)
    session.confirm([2, 3])
    session.add([[300.25, 400.5]], "tumour")
    session.add([[301.25, 480.5]])
    session.delete([4, 8])
    return session


def same(a: Nuclei, b: Nuclei) -> None:
    assert a.scheme.names == b.scheme.names
    for name in ("ids", "label", "origin"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("yx", "score", "probability"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=1e-3, err_msg=name)


@pytest.mark.parametrize("name", WHOLE)
def test_a_session_exported_and_imported_into_an_empty_one_gives_the_same_table(
    session: Session, tmp_path: Path, name: str
) -> None:
    before = worked_on(session).nuclei()
    path = tmp_path / f"out{FORMATS[name].suffixes[0]}"
    write_document(path, document_of(session), name)

    with Session.open(tmp_path / "b.nucloop", slide=SLIDE, scheme=SCHEME) as other:
        other.import_nuclei(read_document(path).nuclei, source=path.name)
        same(other.nuclei(), before)
        assert other.counts == session.counts
    with Session.open(tmp_path / "b.nucloop") as again:
        same(again.nuclei(), before)
        again.undo()
        assert len(again) == 0
        again.redo()
        same(again.nuclei(), before)


def test_an_id_of_a_nucleus_that_was_deleted_elsewhere_is_given_to_nobody(session: Session) -> None:
    table = Nuclei.from_points(SCHEME, [[5, 5], [9, 9]], label=[0, 1], ids=[2, 5], origin=Origin.IMPORTED)
    assert session.import_nuclei(table).added.tolist() == [2, 5]
    assert session.history()[-1].nuclei == 2
    assert session.in_box(-2e7, -2e7, 4e7, 4e7).tolist() == [2, 5]

    assert session.add([[1, 1]]).added.tolist() == [6]


@pytest.mark.parametrize("ids", [[0, 3], [7, 3_000_000_000]])
def test_ids_that_are_missing_or_out_of_all_bounds_are_given_anew(session: Session, ids: list[int]) -> None:
    table = Nuclei.from_points(SCHEME, [[5, 5], [9, 9]], ids=ids)
    assert session.import_nuclei(table).added.tolist() == [1, 2]


def test_labels_of_another_reader_stand_beside_those_of_the_first(session: Session) -> None:
    session.begin_run(WEIGHTS, 2.0).add(found((10, 10), (20, 20), (30, 30), label=0))
    session.set_class([1], "tumour", force=True)
    theirs = Nuclei.from_points(SCHEME, [[10.5, 10], [20, 20.5], [90, 90]], label=[2, 1, 1], origin=Origin.IMPORTED)

    change = session.import_nuclei(theirs, radius_px=3, reader="Dr B")

    assert change.locked == 1
    assert session.labels([1, 2, 3, 4]).tolist() == [1, 1, 0, 1]
    assert session.labels_of("Dr B", [1, 2, 3, 4]).tolist() == [2, 1, 0, 1]
    assert session.disagreements("Dr A", "Dr B").tolist() == [1]
    session.undo()
    assert session.labels_of("Dr B", [1, 2, 3]).tolist() == [0, 0, 0]
    assert len(session) == 3


def test_a_class_that_comes_with_an_import_goes_with_its_undo(opened: Opens, path: Path) -> None:
    session = opened()
    wider = type(SCHEME)("wider", (*SCHEME.classes, NucleusClass("plasma cell", "#123456")))
    table = Nuclei.from_points(wider, [[5, 5]], label=[3], origin=Origin.IMPORTED)

    session.import_nuclei(table, new_classes=wider.classes[3:])
    assert session.counts["plasma cell"] == 1
    session = opened()
    assert session.counts["plasma cell"] == 1
    session.undo()

    assert session.scheme.names == SCHEME.names
    assert len(session) == 0


def test_a_document_says_who_spoke_and_what_found_it(session: Session, path: Path) -> None:
    worked_on(session)
    keep_regions(session, [Region(SQUARE, name="hot spot", kind="tumour")])

    document = read_session(path)

    by_id = dict(zip(document.nuclei.ids.tolist(), document.notes["author"], strict=True))
    assert (by_id[1], by_id[5]) == ("Dr A", "")
    assert dict(zip(document.nuclei.ids.tolist(), document.notes["model"], strict=True))[1] == "d"
    assert document.weights == WEIGHTS
    assert document.slide == SLIDE.info
    np.testing.assert_array_equal(document.regions[0].outline, SQUARE)
    assert read_annotations(path).regions[0].name == "hot spot"
    assert read_annotations(path).regions[0].kind == "tumour"
    session.undo()
    assert [one.name for one in kept_regions(session)] == ["hot spot"]


def test_a_blinded_reader_exports_their_own_word_alone(session: Session) -> None:
    worked_on(session)
    session.author, session.blinded = "Dr B", True
    session.set_class([1], "lymphocyte")

    document = document_of(session)

    assert (document.nuclei.label >= 0).sum() == 1
    assert not document.notes


def test_micrometres_are_written_where_a_table_can_hold_them(session: Session, tmp_path: Path) -> None:
    from dataclasses import replace

    document = replace(document_of(worked_on(session)), microns=True)

    for name in ("csv", "parquet"):
        path = tmp_path / f"out.{name}"
        write_document(path, document)
        same(read_document(path).nuclei, document.nuclei)
    assert (tmp_path / "out.csv").read_text().splitlines()[0].startswith("id,y_um,x_um,class")
    with pytest.raises(DataError, match="counts in pixels"):
        write_document(tmp_path / "out.geojson", document)


def test_an_import_of_nothing_changes_nothing(opened: Opens) -> None:
    session = opened()

    session.import_nuclei(Nuclei.empty(SCHEME), source="areas.xml")

    assert len(session.nuclei()) == 0
