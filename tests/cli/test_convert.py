from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import builtin_schemes
from nucloop.formats import SlideInfo, read_document, read_nuclei, write_nuclei
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.session import Session, SlideIdentity

SCHEME = builtin_schemes()["brca-m2c"]


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    path = tmp_path / "nuclei.csv"
    table = Nuclei.from_points(SCHEME, [[10.5, 20], [30, 40]], label=[0, 1], ids=[3, 4], score=[0.5, 0.75])
    write_nuclei(path, table, SlideInfo(name="slide", height=160, width=208, mpp=0.25))
    return path


def test_a_table_becomes_geojson_and_says_how_much_it_wrote(tmp_path: Path, nuclei: Path, nucloop: Callable) -> None:
    outcome = nucloop("convert", nuclei, tmp_path / "out.geojson")

    assert outcome.code == 0
    assert "2 nuclei (1 lymphocyte, 1 tumour), QuPath GeoJSON" in outcome.out
    assert read_nuclei(tmp_path / "out.geojson", SCHEME).ids.tolist() == [3, 4]


def test_what_a_format_cannot_carry_is_said(tmp_path: Path, nuclei: Path, nucloop: Callable) -> None:
    outcome = nucloop("convert", nuclei, tmp_path / "out.txt")

    assert outcome.code == 0
    assert "BRCA-M2C labels cannot carry the ids of 2 nuclei; the places of 1 nuclei between pixels" in outcome.err


def test_classes_are_mapped_for_a_format_that_has_its_own(tmp_path: Path, nuclei: Path, nucloop: Callable) -> None:
    refused = nucloop("convert", nuclei, tmp_path / "out.ocelot.csv")
    done = nucloop("convert", nuclei, tmp_path / "out.ocelot.csv", "--map", "lymphocyte=background cell")

    assert refused.code == 1
    assert "'lymphocyte' (1) is not in scheme ocelot" in refused.err
    assert done.code == 0
    assert (tmp_path / "out.ocelot.csv").read_text() == "20,10,1\n40,30,2\n"


def test_places_are_brought_to_another_resolution(tmp_path: Path, nuclei: Path, nucloop: Callable) -> None:
    outcome = nucloop("convert", nuclei, tmp_path / "out.parquet", "--out-mpp", "0.5")

    assert outcome.code == 0
    document = read_document(tmp_path / "out.parquet")
    np.testing.assert_allclose(document.nuclei.yx, [[5, 9.75], [14.75, 19.75]])
    assert document.slide == SlideInfo(name="slide", height=80, width=104, mpp=0.5)


def test_a_file_of_another_slide_is_refused_unless_one_insists(tmp_path: Path, nuclei: Path, nucloop: Callable) -> None:
    Image.fromarray(np.zeros((100, 30, 3), np.uint8)).save(tmp_path / "other.png")
    arguments = ("convert", nuclei, tmp_path / "out.csv", "--slide", tmp_path / "other.png")

    refused, done = nucloop(*arguments), nucloop(*arguments, "--anyway")

    assert refused.code == 1
    assert "made for a slide of 208 x 160 pixels" in refused.err
    assert "1 of 2 nuclei lie outside the slide" in refused.err
    assert done.code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["out.xyz"], "does not know the format of out.xyz"),
        (["out.csv", "--map", "a"], "is not CLASS=CLASS"),
        (["out.csv", "--map", "a=b"], "--map needs --scheme"),
        (["out.csv", "--scheme", "lizard"], "'tumour' (1) is not in scheme lizard"),
        (["out.csv", "--class", "unicorn"], "'unicorn' is not in scheme"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_a_sentence(
    tmp_path: Path, nuclei: Path, nucloop: Callable, arguments: list[str], sentence: str
) -> None:
    outcome = nucloop("convert", nuclei, tmp_path / arguments[0], *arguments[1:])

    assert outcome.code == 1
    assert sentence in outcome.err
    assert not (tmp_path / arguments[0]).exists()


def test_outlines_go_from_format_to_format_and_through_a_session(tmp_path: Path, nucloop: Callable) -> None:
    ring = np.array([[8, 8], [8, 12], [12.5, 12], [12, 8]])
    table = Nuclei.from_points(SCHEME, [[10.5, 10], [30, 40]], label=[0, 1], outlines=Outlines.of([ring, None]))
    slide = SlideInfo(name="slide", height=160, width=208, mpp=0.25)
    with Session.open(tmp_path / "s.nucloop", slide=SlideIdentity(slide), scheme=SCHEME) as session:
        session.import_nuclei(table)

    source = "s.nucloop"
    for target in ("a.geojson", "b.csv", "c.db", "d.dsa.json", "e.parquet", "f.coco.json", "g.cellvit.json", "h.npz"):
        outcome = nucloop("convert", tmp_path / source, tmp_path / target)
        assert "outlines" not in outcome.err
        source = target

    outlines = read_document(tmp_path / source).nuclei.outlines
    assert outlines is not None
    np.testing.assert_allclose(outlines[0], ring, atol=0.01)
    assert outlines[1] is None
    lost = nucloop("convert", tmp_path / "s.nucloop", tmp_path / "out.txt").err
    assert "the outlines of 1 nuclei" in lost


def test_a_file_whose_name_is_not_in_utf_8_is_converted_and_named(nucloop, tmp_path):
    strange = tmp_path / b"pr\xe9paration.csv".decode("utf-8", "surrogateescape")
    try:
        strange.write_bytes(b"y,x,class\n5,6,tumour\n")
    except OSError:
        pytest.skip("this disk takes no such names")
    run = nucloop("convert", strange, tmp_path / "out.geojson")
    assert run.code == 0, run.err
    back = nucloop("convert", tmp_path / "out.geojson", strange.with_name("back" + strange.name))
    assert back.code == 0, back.err
    assert "backpr?paration.csv" in back.out
