"""Zeiss CZI, where pylibCZIrw is installed: scenes, resolution, and what is no brightfield picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.errors import SlideError
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (1100, 1500, 3), dtype=np.uint8)


def written(path: Path, *planes: tuple[np.ndarray, dict[str, int], int], at: tuple[int, int] = (10, 20)) -> Path:
    """Pixels with their plane and scene; scenes lie beside each other."""
    czi = pytest.importorskip("pylibCZIrw.czi", reason="pylibCZIrw is not installed: pip install 'napari-nucloop[czi]'")
    with czi.create_czi(str(path)) as document:
        for pixels, plane, scene in planes:
            stored = np.ascontiguousarray(pixels[..., ::-1])
            document.write(data=stored, plane=plane, scene=scene, location=(at[0] + 5000 * scene, at[1]))
        document.write_metadata("a", scale_x=0.25e-6, scale_y=0.25e-6)
    return path


def test_a_scene_is_a_slide_with_its_resolution(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.czi", (RGB, {}, 0))) as slide:
        assert slide.shape == RGB.shape[:2]
        assert slide.mpp == pytest.approx(0.25)
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 1100, 1500), RGB)
        np.testing.assert_array_equal(slide.levels[0].read(30, 40, 90, 140), RGB[30:90, 40:140])
        assert [level.shape for level in slide.levels] == [(1100, 1500), (550, 750)]
        assert slide.levels[1].read(0, 0, 50, 60).shape == (50, 60, 3)


def test_of_several_scenes_the_largest_is_opened_and_the_others_by_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.czi", (RGB[:300, :400], {}, 0), (RGB[:600, :800], {}, 1))

    with open_slide(path) as slide, open_slide(path, image=0) as other:
        assert "Image 1 'scene 1' (600 x 800) was opened" in slide.notice
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 600, 800), RGB[:600, :800])
        np.testing.assert_array_equal(other.levels[0].read(0, 0, 300, 400), RGB[:300, :400])
        assert (slide.is_usual_image, other.is_usual_image) == (True, False)


@pytest.mark.parametrize(
    ("planes", "sentence"),
    [
        ([(RGB[:64, :64], {"Z": 0}, 0), (RGB[:64, :64], {"Z": 1}, 0)], "2 planes"),
        ([(RGB[:64, :64], {"T": 0}, 0), (RGB[:64, :64], {"T": 1}, 0)], "2 points in time"),
        ([(RGB[:64, :64, :1], {"C": 0}, 0), (RGB[:64, :64, :1], {"C": 1}, 0)], "2 channels"),
        ([(RGB[:64, :64, :1].astype(np.uint16), {}, 0)], "pixels of the kind Gray16"),
    ],
)
def test_stacks_and_channels_that_are_no_colours_are_refused(tmp_path: Path, planes: list, sentence: str) -> None:
    path = written(tmp_path / "a.czi", *planes)

    with pytest.raises(SlideError, match=sentence):
        open_slide(path)


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    with open_slide(written(tmp_path / "a.czi", (RGB[:64, :64, :1], {}, 0))) as slide:
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 64, 64), np.repeat(RGB[:64, :64, :1], 3, axis=2))


def test_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = written(tmp_path / "a.czi", (RGB[:64, :64], {}, 0))
    path.write_bytes(path.read_bytes()[:400])

    with pytest.raises(SlideError, match="no complete CZI"):
        open_slide(path)


def test_without_the_library_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibCZIrw.czi", None)
    (tmp_path / "a.czi").write_bytes(b"ZISRAWFILE")

    with pytest.raises(SlideError, match=r"needs pylibCZIrw.*napari-nucloop\[czi\]"):
        open_slide(tmp_path / "a.czi")
