"""Whatever nuclei there are: what a format says it carries comes back, and what it cannot carry is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.formats.tables import ODD, same_outlines, tables

from nucloop.classes import builtin_schemes
from nucloop.formats import (
    FORMATS,
    Document,
    Region,
    SlideInfo,
    read_document,
    read_nuclei,
    write_document,
    write_nuclei,
)
from nucloop.nuclei import UNLABELLED, Nuclei
from nucloop.outlines import Outlines

SLIDE = SlideInfo(name='a "slide", of\nodd name.svs', height=30_000, width=40_000, mpp=0.25, sha256="ab" * 32)
SQUARE = np.array([[1.0, 2.0], [1.0, 12.0], [11.0, 12.0], [11.0, 2.0]])
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def round_trip(name: str, document: Document) -> tuple[Document, list[str]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"nuclei{FORMATS[name].suffixes[0]}"
        lost = write_document(path, document)
        return read_document(path), lost


def in_order(nuclei: Nuclei) -> Nuclei:
    return nuclei.take(np.lexsort((nuclei.label, nuclei.yx[:, 1], nuclei.yx[:, 0])))


@pytest.mark.parametrize("name", FORMATS)
@QUICK
@given(data=st.data())
def test_what_a_format_carries_comes_back(name: str, data: st.DataObject) -> None:
    carries = FORMATS[name].carries
    scheme = ODD if carries.classes is None else builtin_schemes()[carries.classes]
    nuclei = drawn = data.draw(tables(scheme))

    document, lost = round_trip(name, Document(nuclei=nuclei, slide=SLIDE))

    if not carries.unlabelled:
        nuclei = nuclei.take(nuclei.label != UNLABELLED)
    nuclei, found = in_order(nuclei), in_order(document.nuclei)
    np.testing.assert_allclose(found.yx, nuclei.yx, atol=5e-4 if carries.fractions else 0.5)
    names = [[table.scheme.names[label] if label >= 0 else "" for label in table.label] for table in (nuclei, found)]
    if carries.fractions:
        assert names[0] == names[1]
    else:
        assert sorted(names[0]) == sorted(names[1])
    for column in ("ids", "origin"):
        if getattr(carries, column.replace("ids", "ids")):
            np.testing.assert_array_equal(getattr(found, column), getattr(nuclei, column))
    for column in ("score", "probability"):
        if getattr(carries, column) and carries.fractions:
            np.testing.assert_allclose(getattr(found, column), getattr(nuclei, column), atol=1e-5)
    assert not carries.slide or document.slide == SLIDE
    for column, carried, words in (
        ("outlines", carries.outlines, "the outlines of {:,} nuclei"),
        ("cell_outlines", carries.cells, "the outlines of the cells around {:,} nuclei"),
    ):
        if carried:
            same_outlines(getattr(found, column), getattr(nuclei, column), len(nuclei), atol=5e-4)
        else:
            outlines = getattr(drawn, column)
            there = 0 if outlines is None else int(outlines.there.sum())
            assert (words.format(there) in lost) == (there > 0)
            assert getattr(found, column) is None


@pytest.mark.parametrize("name", ["csv", "parquet", "npz"])
@QUICK
@given(nuclei=tables(ODD))
def test_our_own_tables_come_back_to_the_last_bit(name: str, nuclei: Nuclei) -> None:
    notes = {"author": np.array([f"Dr. {k}\n" for k in range(len(nuclei))], object)}

    document, lost = round_trip(name, Document(nuclei=nuclei, slide=SLIDE, notes=notes))

    assert lost == []
    for column in ("ids", "yx", "score", "label", "probability", "origin"):
        np.testing.assert_array_equal(getattr(document.nuclei, column), getattr(nuclei, column))
    for column in ("outlines", "cell_outlines"):
        same_outlines(getattr(document.nuclei, column), getattr(nuclei, column), len(nuclei))
    assert document.nuclei.scheme == ODD or not len(nuclei)
    assert len(nuclei) == 0 or document.notes["author"].tolist() == notes["author"].tolist()


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.carries.notes])
def test_author_time_and_model_come_back(name: str) -> None:
    nuclei = Nuclei.from_points(ODD, [[1, 2], [3, 4]], label=[0, 1], ids=[5, 6])
    notes = {key: np.array([f"{key} one", ""], object) for key in ("author", "time", "model")}

    document, _ = round_trip(name, Document(nuclei=nuclei, slide=SLIDE, notes=notes))

    assert {key: texts.tolist() for key, texts in document.notes.items()} == {k: v.tolist() for k, v in notes.items()}


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.carries.regions])
@pytest.mark.parametrize("kind", ["", "tumour", "ignore", "hot spot"])
def test_regions_and_their_holes_come_back(name: str, kind: str) -> None:
    region = Region(SQUARE, (SQUARE / 4 + 3,), "field 1", kind=kind)

    document, lost = round_trip(name, Document(nuclei=Nuclei.from_points(ODD, [[3, 4]], label=[0]), regions=(region,)))

    [found] = document.regions
    np.testing.assert_allclose(found.outline, region.outline, atol=1e-3)
    np.testing.assert_allclose(found.holes[0], region.holes[0], atol=1e-3)
    assert (found.name, found.kind) == ("field 1", kind)
    assert len(document.nuclei) == 1
    assert lost == []


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.carries.outlines])
def test_outlines_come_back_and_leave_the_centre_where_it_was(name: str) -> None:
    nuclei = Nuclei.from_points(ODD, [[5.25, 6.5], [30, 40]], label=[0, 1], ids=[3, 4])
    nuclei = replace(nuclei, outlines=Outlines.of([SQUARE, None]))

    document, lost = round_trip(name, Document(nuclei=nuclei))

    same_outlines(document.nuclei.outlines, nuclei.outlines, 2, atol=1e-3)
    np.testing.assert_array_equal(document.nuclei.yx, nuclei.yx)
    assert lost == []


def test_a_lossy_export_says_what_was_left_out(tmp_path: Path) -> None:
    scheme = builtin_schemes()["ocelot"]
    nuclei = Nuclei.from_points(scheme, [[1.25, 2], [3, 4]], label=[1, UNLABELLED], ids=[1, 2], score=[0.5, np.nan])

    lost = write_nuclei(tmp_path / "labels.ocelot.csv", nuclei, SLIDE, regions=[Region(SQUARE)])

    assert lost == [
        "the ids of 2 nuclei",
        "the places of 1 nuclei between pixels (rounded to whole pixels)",
        "1 nuclei without a class (not written at all)",
        "the detection scores of 1 nuclei",
        "who gave the class of 2 nuclei",
        "1 regions",
        "what is known of the slide",
    ]
    assert len(read_nuclei(tmp_path / "labels.ocelot.csv", scheme)) == 1


def test_a_format_with_classes_of_its_own_refuses_others(tmp_path: Path) -> None:
    nuclei = Nuclei.from_points(ODD, [[1, 2]], label=[0])

    with pytest.raises(Exception, match="OCELOT labels"):
        write_nuclei(tmp_path / "labels.ocelot.csv", nuclei)

    assert not (tmp_path / "labels.ocelot.csv").exists()
