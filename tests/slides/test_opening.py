"""Opening as such, and the two real slides that other programs wrote."""

import os
from pathlib import Path

import numpy as np
import pytest

from nucloop.errors import SlideError
from nucloop.slides import Box, Slide, open_slide, reader_for

DATA = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[3] / "shared" / "data"))


def real_slide(name: str) -> Slide:
    path = DATA / "sample-slides" / name
    if not path.exists():
        pytest.skip(f"{name} is not here: put it into sample-slides in the folder named by NUCLOOP_DATA")
    return open_slide(path)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match=r"There is no file .*gone\.svs"):
        open_slide(tmp_path / "gone.svs")


def test_an_unknown_kind_of_file_says_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")

    with pytest.raises(SlideError, match=r"does not know files like a\.docx.*\.ndpi.*\.svs"):
        open_slide(tmp_path / "a.docx")


def test_an_unknown_reader_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="Choose one of: tiff, zarr, image, openslide"):
        open_slide(tmp_path, reader="magic")


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.SVS", "tiff"),
        ("a.ome.tiff", "tiff"),
        ("a.ome.zarr", "zarr"),
        ("a.ome.zarr.zip", "zarr"),
        ("photos.zip", None),
        ("a.mrxs", "openslide"),
        ("a.jpeg", "image"),
        ("a.txt", None),
    ],
)
def test_the_end_of_the_name_chooses_the_reader(name: str, reader: str | None) -> None:
    assert reader_for(Path(name)) == reader


def test_a_slide_that_needs_openslide_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openslide", None)
    (tmp_path / "a.mrxs").write_bytes(b"x")

    with pytest.raises(SlideError, match="pip install openslide-python openslide-bin"):
        open_slide(tmp_path / "a.mrxs")


@pytest.mark.real_data
def test_an_aperio_jpeg_slide_is_read_without_its_thumbnail_label_and_macro() -> None:
    with real_slide("CMU-1-Small-Region.svs") as slide:
        assert slide.shape == (2967, 2220)
        assert len(slide.levels) == 1
        assert slide.mpp == pytest.approx(0.499)
        assert slide.magnification == 20
        pixels = slide.read_region(Box(1000, 1000, 500, 500))
        # Pink and violet on white: red above green everywhere it matters.
        assert pixels[..., 0].mean() > pixels[..., 1].mean() + 20
        double = slide.read_working(2000, 2000, 800, 800, 0.25)
        np.testing.assert_array_equal(double[100:300, 50:90], slide.read_working(2100, 2050, 200, 40, 0.25))


@pytest.mark.real_data
def test_an_aperio_jpeg_2000_slide_without_resolution_is_read() -> None:
    with real_slide("TCGA-CR-7395-01A-01-TS1.svs") as slide:
        assert slide.shape == (3567, 4443)
        assert [level.downsample for level in slide.levels] == [1.0, 2.0]
        assert slide.mpp is None
        fine = slide.read_region(Box(1200, 1200, 512, 512)).astype(float)
        coarse = slide.levels[1].read(600, 600, 856, 856).astype(float)
        averaged = fine.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
        shifted = slide.levels[1].read(601, 601, 857, 857).astype(float)
        assert np.abs(averaged - coarse).mean() < 8 < np.abs(averaged - shifted).mean()
