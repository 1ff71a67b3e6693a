import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.errors import SlideError
from nucloop.slides import Box, open_slide

RGB = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_a_png_is_read_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")

    slide = open_slide(tmp_path / "a.png")

    assert slide.shape == (60, 80)
    assert slide.mpp is None
    np.testing.assert_array_equal(slide.read_region(Box(0, 0, 60, 80)), RGB)


def test_a_jpeg_is_read(tmp_path: Path) -> None:
    smooth = np.repeat(np.linspace(0, 255, 80, dtype=np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    Image.fromarray(smooth).save(tmp_path / "a.JPG", "JPEG", quality=95)

    slide = open_slide(tmp_path / "a.JPG")

    assert np.abs(slide.read_region(slide.box).astype(int) - smooth).max() < 6


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "PA", "1", "I;16"])
def test_every_kind_of_png_becomes_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(RGB)
    if mode == "I;16":
        picture = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
    elif mode == "PA":
        picture = picture.convert("P")
        picture.info["transparency"] = 0
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "a.png")

    slide = open_slide(tmp_path / "a.png")

    pixels = slide.read_region(slide.box)
    assert pixels.shape == (60, 80, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 20


def test_a_grey_png_is_read_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.png")

    pixels = open_slide(tmp_path / "a.png").read_region(Box(0, 0, 60, 80))

    np.testing.assert_array_equal(pixels, np.repeat(RGB[..., :1], 3, axis=2))


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([RGB, np.zeros((60, 80), np.uint8)])).save(tmp_path / "a.png")

    assert (open_slide(tmp_path / "a.png").read_region(Box(0, 0, 60, 80)) == 255).all()


def test_a_dim_16_bit_png_is_refused(tmp_path: Path) -> None:
    Image.fromarray(RGB[..., 0].astype(np.uint16)).save(tmp_path / "dim.png")

    slide = open_slide(tmp_path / "dim.png")

    with pytest.raises(SlideError, match=r"dim\.png holds uint16 pixels from 0 to 255.*Convert it to 8-bit RGB"):
        slide.read_region(slide.box)


@pytest.mark.parametrize(("dpi", "mpp"), [(72, None), (96, None), (300, None), (50_800, 0.5), (101_600, 0.25)])
def test_dots_per_inch_count_only_when_a_microscope_can_have_them(tmp_path: Path, dpi: int, mpp: float | None) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png", dpi=(dpi, dpi))

    assert open_slide(tmp_path / "a.png").mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-3))


def test_a_truncated_picture_says_so(tmp_path: Path) -> None:
    for name in ("cut.png", "cut.jpg"):
        Image.fromarray(RGB).save(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        slide = open_slide(tmp_path / name)

        with pytest.raises(SlideError, match=rf"Cannot read {name}: the picture is truncated or damaged"):
            slide.read_region(slide.box)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"hello", b"\xff\xd8\xff"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(SlideError, match=r"Cannot open a\.png"):
        open_slide(tmp_path / "a.png")


def png_that_says(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_says(60_000, 60_000))

    with pytest.raises(SlideError, match=r"bomb\.png is 60000 x 60000 pixels, too large"):
        open_slide(tmp_path / "bomb.png")


def test_a_large_annotated_field_is_opened_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png_that_says(20_000, 20_000))

    assert open_slide(tmp_path / "large.png").shape == (20_000, 20_000)
