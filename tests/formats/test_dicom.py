"""DICOM bulk simple annotations, both ways, as highdicom writes and reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nucloop.classes import ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.formats import Asked, Document, read_document, write_document
from nucloop.formats.slide_info import SlideInfo
from nucloop.nuclei import Nuclei
from nucloop.outlines import Outlines
from nucloop.slides import open_slide

highdicom: Any = pytest.importorskip(
    "highdicom", reason="highdicom is not installed: pip install 'napari-nucloop[dicom]'"
)
import pydicom  # noqa: E402
from tests.slides.dicom_files import write_dicom_slide  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = ClassScheme("two", (NucleusClass("tumour cell", "#ff0000"), NucleusClass("b" * 80, "#00ff00")))
SQUARE = np.array([[10.25, 20.5], [10.25, 30.5], [20.25, 30.5], [20.25, 20.5]])
PICTURE = np.full((150, 300, 3), 200, np.uint8)


@pytest.fixture
def slide(tmp_path: Path) -> SlideInfo:
    path, *_ = write_dicom_slide(tmp_path / "slide", PICTURE)
    with open_slide(path) as slide:
        return SlideInfo.of(slide)


def test_nuclei_come_back_with_classes_and_outlines(tmp_path: Path, slide: SlideInfo) -> None:
    yx = [[15.25, 25.5], [3, 4], [100, 200.75], [140.5, 290]]
    nuclei = Nuclei.from_points(SCHEME, yx, label=[0, 0, 1, -1], outlines=Outlines.of([SQUARE, None, None, None]))

    lost = write_document(tmp_path / "a.ann.dcm", Document(nuclei=nuclei, slide=slide))
    back = read_document(tmp_path / "slide" / ".." / "a.ann.dcm")

    assert not any("outlines" in words for words in lost)
    assert back.nuclei.scheme.names == ("tumour cell", "b" * 80)
    found = {
        tuple(place): label for place, label in zip(back.nuclei.yx.tolist(), back.nuclei.label.tolist(), strict=True)
    }
    assert found == {tuple(place): label for place, label in zip(nuclei.yx.tolist(), [0, 0, 1, -1], strict=True)}
    assert back.nuclei.outlines is not None
    row = int(np.flatnonzero(back.nuclei.outlines.there)[0])
    np.testing.assert_allclose(back.nuclei.outlines[row], SQUARE, atol=1e-4)
    np.testing.assert_allclose(back.nuclei.yx[row], [15.25, 25.5], atol=1e-4)


def test_the_file_says_what_the_standard_asks_of_it(tmp_path: Path, slide: SlideInfo) -> None:
    nuclei = Nuclei.from_points(SCHEME, [[3, 4]], label=[0])
    write_document(tmp_path / "a.ann.dcm", Document(nuclei=nuclei, slide=slide))

    said = highdicom.ann.annread(tmp_path / "a.ann.dcm")
    group = said.get_annotation_groups()[0]

    assert slide.file is not None
    assert said.ReferencedImageSequence[0].ReferencedSOPInstanceUID == pydicom.dcmread(slide.file).SOPInstanceUID
    assert (group.label, group.annotated_property_type.meaning) == ("tumour cell", "Nucleus")
    # counted from the corner of the first pixel, x before y
    np.testing.assert_array_equal(group.get_graphic_data("2D"), [[[4.5, 3.5]]])


@pytest.mark.parametrize("about", [None, SlideInfo(name="a.svs", height=150, width=300)])
def test_without_its_dicom_slide_nothing_is_written(tmp_path: Path, about: SlideInfo | None) -> None:
    nuclei = Nuclei.from_points(SCHEME, [[3, 4]], label=[0])

    with pytest.raises(DataError, match="DICOM slide"):
        write_document(tmp_path / "a.ann.dcm", Document(nuclei=nuclei, slide=about))
    assert not (tmp_path / "a.ann.dcm").exists()


def test_a_slide_of_another_kind_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"no DICOM")
    about = SlideInfo(name="a.svs", height=150, width=300, file=tmp_path / "a.svs")

    with pytest.raises(DataError, match="another format"):
        write_document(tmp_path / "a.ann.dcm", Document(nuclei=Nuclei.from_points(SCHEME, [[3, 4]]), slide=about))


def annotated(
    path: Path, source: Any, kind: str, shapes: list[Any], *, nucleus: bool = True, space: str = "2D"
) -> Path:
    """A file of another program with one group of shapes."""
    code = ("84640000", "SCT", "Nucleus") if nucleus else ("108369006", "SCT", "Neoplasm")
    concept = highdicom.sr.CodedConcept
    group = highdicom.ann.AnnotationGroup(
        number=1,
        uid=highdicom.UID(),
        label="theirs",
        annotated_property_category=concept("91723000", "SCT", "Anatomical Structure"),
        annotated_property_type=concept(*code),
        graphic_type=kind,
        graphic_data=[np.asarray(shape, np.float32) for shape in shapes],
        algorithm_type="MANUAL",
    )
    highdicom.ann.MicroscopyBulkSimpleAnnotations(
        [source], space, [group], highdicom.UID(), 2, highdicom.UID(), 1, "Other", "Other", "1", "1", content_label="A"
    ).save_as(path)
    return path


def header(slide: SlideInfo, level: int = 0) -> Any:
    assert slide.file is not None
    return pydicom.dcmread(slide.file.parent / f"{level}.dcm", stop_before_pixels=True)


def test_polygons_of_nuclei_are_nuclei_and_other_areas_are_regions(tmp_path: Path, slide: SlideInfo) -> None:
    ring = [[10, 10], [20, 10], [20, 20], [10, 20]]
    nuclei = read_document(annotated(tmp_path / "a.dcm", header(slide), "POLYGON", [ring, [[0, 0], [4, 0], [0, 4]]]))
    path = annotated(tmp_path / "b.dcm", header(slide), "POLYGON", [ring], nucleus=False)
    regions, said = read_document(path), read_document(path, asked=Asked(areas_are_nuclei=True))

    np.testing.assert_allclose(nuclei.nuclei.yx, [[14.5, 14.5], [4 / 3 - 0.5, 4 / 3 - 0.5]], atol=1e-5)
    assert nuclei.nuclei.outlines is not None
    assert nuclei.nuclei.outlines.there.all()
    assert ([region.name for region in regions.regions], len(regions.nuclei)) == (["theirs"], 0)
    assert len(said.nuclei) == 1


@pytest.mark.parametrize(
    ("kind", "shape", "area"),
    [
        ("RECTANGLE", [[10, 10], [30, 10], [30, 20], [10, 20]], 200),
        ("ELLIPSE", [[10, 15], [30, 15], [20, 10], [20, 20]], np.pi * 50),
    ],
)
def test_rectangles_and_ellipses_have_outlines(
    tmp_path: Path, slide: SlideInfo, kind: str, shape: list[Any], area: float
) -> None:
    nuclei = read_document(annotated(tmp_path / "a.dcm", header(slide), kind, [shape])).nuclei

    np.testing.assert_allclose(nuclei.yx, [[14.5, 19.5]], atol=1e-4)
    assert nuclei.outlines is not None
    ring = nuclei.outlines[0]
    assert ring is not None
    y, x = ring.astype(float).T
    assert abs(np.sum(y * np.roll(x, -1) - x * np.roll(y, -1))) / 2 == pytest.approx(area, rel=0.01)


def test_places_on_the_glass_are_found_by_the_slide_beside_them(tmp_path: Path, slide: SlideInfo) -> None:
    assert slide.file is not None
    # the slide is turned: rows of the picture run along -y, columns along -x, from 10 mm; a pixel has 0.25 µm
    place = [10 - 40 * 0.25e-3, 10 - 60 * 0.25e-3, 0]
    beside = annotated(slide.file.parent / "a.dcm", header(slide), "POINT", [[place]], space="3D")
    alone = annotated(tmp_path / "a.dcm", header(slide), "POINT", [[place]], space="3D")

    np.testing.assert_allclose(read_document(beside, "dicom").nuclei.yx, [[40, 60]], atol=0.02)
    with pytest.raises(DataError, match="beside the files of the DICOM slide"):
        read_document(alone, "dicom")


def test_places_of_a_coarser_level_are_brought_to_the_finest(tmp_path: Path, slide: SlideInfo) -> None:
    assert slide.file is not None
    coarse = header(slide, 1)
    beside = annotated(slide.file.parent / "a.dcm", coarse, "POINT", [[[10, 20]]])
    alone = annotated(tmp_path / "a.dcm", coarse, "POINT", [[[10, 20]]])

    np.testing.assert_allclose(read_document(beside, "dicom").nuclei.yx, [[39.5, 19.5]])
    assert "not beside them" in " ".join(read_document(alone, "dicom").remarks)


def refusal(path: Path) -> str:
    """What a person is told of a file; empty where it is read."""
    try:
        read_document(path, "dicom")
    except DataError as error:
        return str(error)
    return ""


def test_damage_is_said_in_a_sentence(tmp_path: Path, slide: SlideInfo) -> None:
    good = annotated(tmp_path / "a.dcm", header(slide), "POLYGON", [SQUARE, SQUARE + 30])
    whole = good.read_bytes()
    rng = np.random.default_rng(0)

    sentences = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(len(data))] = rng.integers(256)
        good.write_bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        said = refusal(good)
        sentences.add(said)
        assert not re.search(r"Error|Traceback|NoneType|0x", said), said
    assert len(sentences) > 2  # some were refused, for several reasons


def test_a_slide_is_no_annotation_file(slide: SlideInfo) -> None:
    assert slide.file is not None
    with pytest.raises(DataError, match="no bulk simple annotations"):
        read_document(slide.file, "dicom")


def test_of_the_slides_of_a_folder_the_one_of_these_nuclei_is_referred_to(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    small = write_dicom_slide(folder, PICTURE[:100, :200])
    write_dicom_slide(folder, PICTURE, start=2)
    nuclei = Nuclei.from_points(SCHEME, [[3, 4]], label=[0])
    about = {"name": "folder", "mpp": 0.25, "file": folder}

    fits = Document(nuclei=nuclei, slide=SlideInfo(height=100, width=200, **about))
    write_document(tmp_path / "a.ann.dcm", fits)

    [referred] = pydicom.dcmread(tmp_path / "a.ann.dcm").ReferencedImageSequence
    assert referred.ReferencedSOPInstanceUID == pydicom.dcmread(small[0]).SOPInstanceUID

    other = Document(nuclei=nuclei, slide=SlideInfo(height=99, width=200, **about))
    with pytest.raises(DataError, match=r"All 2 slides in .* have another size"):
        write_document(tmp_path / "b.ann.dcm", other)
