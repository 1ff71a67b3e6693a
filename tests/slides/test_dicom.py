"""DICOM whole slides: the files of one series are one slide, whichever of them is chosen."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.errors import SlideError
from nucloop.slides import open_slide

pytest.importorskip("wsidicom", reason="wsidicom is not installed: pip install 'napari-nucloop[dicom]'")
from tests.slides.dicom_files import write_dicom_slide

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (150, 300, 3), dtype=np.uint8)


@pytest.mark.parametrize("chosen", ["0.dcm", "1.dcm", ""])
def test_any_file_of_a_series_opens_its_slide(tmp_path: Path, chosen: str) -> None:
    write_dicom_slide(tmp_path / "slide", RGB)

    with open_slide(tmp_path / "slide" / chosen) as slide:
        assert slide.shape == (150, 300)
        assert slide.mpp == pytest.approx(0.25)
        assert slide.magnification == 40
        assert [level.shape for level in slide.levels] == [(150, 300), (75, 150)]
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 150, 300), RGB)
        np.testing.assert_array_equal(slide.levels[0].read(60, 100, 140, 290), RGB[60:140, 100:290])
        np.testing.assert_array_equal(slide.levels[1].read(10, 20, 70, 140), RGB[::2, ::2][10:70, 20:140])
        again = pickle.loads(pickle.dumps(slide))
        np.testing.assert_array_equal(again.levels[0].read(5, 5, 20, 20), RGB[5:20, 5:20])
        again.close()
        if chosen:
            assert slide.name == "0.dcm"  # so there is one session, whichever level a person chose


def test_jpeg_has_its_colours(tmp_path: Path) -> None:
    smooth = np.zeros((128, 128, 3), np.uint8)
    smooth[:64], smooth[64:] = (200, 60, 90), (60, 90, 200)
    path, *_ = write_dicom_slide(tmp_path / "slide", smooth, jpeg=True)

    with open_slide(path) as slide:
        assert np.abs(slide.levels[0].read(0, 0, 128, 128).astype(int) - smooth).max() < 8


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB[..., :1])

    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 64, 64), np.repeat(RGB[:64, :64, :1], 3, axis=2))


def test_labels_and_other_slides_in_the_folder_are_no_levels(tmp_path: Path) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, series="1.2.3")
    write_dicom_slide(tmp_path / "slide", RGB[:100, :100], series="1.2.3", kind="LABEL", levels=1, start=5)
    write_dicom_slide(tmp_path / "slide", RGB[:120], description="other", start=7)
    (tmp_path / "slide" / "notes.dcm").write_text("no DICOM at all")

    with open_slide(path) as slide:
        assert [level.shape for level in slide.levels] == [(150, 300), (75, 150)]
    with open_slide(tmp_path / "slide") as slide:
        assert slide.shape == (150, 300)
        assert "other" in slide.notice
    with open_slide(tmp_path / "slide", image="other") as slide:
        assert slide.shape == (120, 300)
        assert not slide.is_usual_image


def test_a_stack_of_planes_is_refused_with_their_number(tmp_path: Path) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, planes=3, levels=1)

    with pytest.raises(SlideError, match="3 planes"):
        open_slide(path)


def test_a_label_alone_is_no_slide(tmp_path: Path) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, kind="LABEL", levels=1)

    with pytest.raises(SlideError, match="no level of a whole slide"):
        open_slide(path)


@pytest.mark.parametrize("keep", [0, 60, 200, 1500, 9000])
def test_what_is_cut_is_refused_in_a_sentence(tmp_path: Path, keep: int) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, levels=1)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(SlideError, match=r"0\.dcm|slide"), open_slide(path) as slide:
        slide.levels[0].read(0, 0, 150, 300)


def test_an_element_of_a_wrong_kind_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, levels=1)
    whole, kind = path.read_bytes(), bytes([8, 0, 22, 0])
    assert kind + b"UI" in whole
    path.write_bytes(whole.replace(kind + b"UI", kind + b"FD"))

    with pytest.raises(SlideError, match=r"damaged\. Copy it again"):
        open_slide(path)


def test_without_wsidicom_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, *_ = write_dicom_slide(tmp_path / "slide", RGB, levels=1)
    monkeypatch.setitem(sys.modules, "wsidicom", None)

    with pytest.raises(SlideError, match=r"napari-nucloop\[dicom\]"):
        open_slide(path, reader="dicom")
