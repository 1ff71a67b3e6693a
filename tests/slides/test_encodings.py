"""How samples are encoded: what is read comes out in its colours, what is not is named and not called damaged."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.slides.written import planes_of, reduced, tissue

from nucloop.errors import SlideError
from nucloop.slides import Box, open_slide

RGB = tissue(128, 128)
YCBCR = 6


def read_all(path: Path) -> np.ndarray:
    with open_slide(path) as slide:
        return slide.levels[0].read(0, 0, *slide.shape)


def overwrite(path: Path, tag: str, value: Any) -> None:
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            page.tags[tag].overwrite(value)


def differs(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def ycbcr_of(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).convert("YCbCr"))


@pytest.mark.parametrize("compression", ["jpegxr", "jpegxl", "webp", "png", "jpeg"])
@pytest.mark.parametrize("subsampled", [False, True])
def test_codecs_that_give_rgb_themselves_are_not_converted_again(
    tmp_path: Path, compression: str, subsampled: bool
) -> None:
    kind: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "compression": compression, "metadata": None}
    extra = [] if compression == "jpeg" else [(530, 3, 2, (2, 2), True)] if subsampled else [(530, 3, 2, (1, 1), True)]
    tifffile.imwrite(tmp_path / "a.tif", RGB, extratags=extra, **kind)
    overwrite(tmp_path / "a.tif", "PhotometricInterpretation", YCBCR)

    assert differs(read_all(tmp_path / "a.tif"), RGB) < 4


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_codecs_that_know_no_colours_leave_the_conversion_to_us(
    tmp_path: Path, compression: str | None, layout: str
) -> None:
    pixels = ycbcr_of(RGB)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels if layout == "contig" else planes_of(pixels),
        photometric="rgb",
        planarconfig=layout,
        tile=(64, 64),
        compression=compression,
        metadata=None,
        extratags=[(530, 3, 2, (1, 1), True)],
    )
    overwrite(tmp_path / "a.tif", "PhotometricInterpretation", YCBCR)

    assert differs(read_all(tmp_path / "a.tif"), RGB) < 1.5


@pytest.mark.parametrize("code", [33003, 33004, 33005, 34712])
@pytest.mark.parametrize("transformed", [False, True])
def test_jpeg_2000_is_converted_where_its_codestream_was_not(tmp_path: Path, code: int, transformed: bool) -> None:
    """What Matrox's library wrote for Aperio is luminance and differences; Kakadu's transforms inside."""
    kind: dict[str, Any] = {"photometric": "rgb", "tile": (128, 128), "compression": "jpeg2000", "metadata": None}
    means_ycbcr = not transformed and code != 33005
    options = {"mct": transformed, "level": 0, "codecformat": "j2k"}
    tifffile.imwrite(tmp_path / "a.tif", ycbcr_of(RGB) if means_ycbcr else RGB, compressionargs=options, **kind)
    overwrite(tmp_path / "a.tif", "Compression", code)
    if code != 33005:
        overwrite(tmp_path / "a.tif", "PhotometricInterpretation", YCBCR)

    assert differs(read_all(tmp_path / "a.tif"), RGB) < 1.5


def packed(values: np.ndarray, bits: int) -> bytes:
    return bytes(imagecodecs.packints_encode(values, bits, runlen=values.shape[1]))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("tiled", [False, True])
def test_grey_of_few_bits_reaches_from_black_to_white(tmp_path: Path, bits: int, photometric: str, tiled: bool) -> None:
    top = 2**bits - 1
    values = (np.arange(64 * 64).reshape(64, 64) * 7 % (top + 1)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        values if bits > 1 else values.astype(bool),
        photometric=photometric,
        bitspersample=bits,
        tile=(32, 32) if tiled else None,
        compression="zlib" if bits in (1, 8) else None,
        metadata=None,
    ) if bits in (1, 8) else write_packed(tmp_path / "a.tif", values, bits, photometric)

    seen = read_all(tmp_path / "a.tif")

    shown = np.round((top - values if photometric == "miniswhite" else values) * (255 / top)).astype(np.uint8)
    np.testing.assert_array_equal(seen, np.repeat(shown[..., None], 3, -1))


def write_packed(path: Path, values: np.ndarray, bits: int, photometric: str) -> None:
    """Write strips of samples that share bytes, which tifffile itself does not."""
    stored = packed(values, bits)
    tifffile.imwrite(path, np.frombuffer(stored, np.uint8).reshape(64, -1), photometric=photometric, metadata=None)
    overwrite(path, "BitsPerSample", bits)
    overwrite(path, "ImageWidth", 64)


@pytest.mark.parametrize("bits", [10, 12])
def test_grey_of_10_and_12_bits_knows_its_white(tmp_path: Path, bits: int) -> None:
    top = 2**bits - 1
    values = (np.arange(64 * 64).reshape(64, 64) % (top + 1)).astype(np.uint16)
    stored = packed(values, bits)
    tifffile.imwrite(
        tmp_path / "a.tif", np.frombuffer(stored, np.uint8).reshape(64, -1), photometric="minisblack", metadata=None
    )
    overwrite(tmp_path / "a.tif", "BitsPerSample", bits)
    overwrite(tmp_path / "a.tif", "ImageWidth", 64)

    assert (np.abs(read_all(tmp_path / "a.tif")[..., 0] - values * (255 / top)) <= 0.51).all()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_whatever_the_storage(tmp_path: Path, compression: str | None, dtype: Any) -> None:
    grey = RGB[..., 0].astype(dtype) * (1 if dtype == np.uint8 else 257)
    tifffile.imwrite(
        tmp_path / "a.tif", np.iinfo(dtype).max - grey, photometric="miniswhite", compression=compression, metadata=None
    )

    np.testing.assert_array_equal(read_all(tmp_path / "a.tif")[..., 0], RGB[..., 0])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_16_bits_are_read_in_either_byte_order(tmp_path: Path, byteorder: str, compression: str | None) -> None:
    pixels = RGB.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", byteorder=byteorder, compression=compression)

    np.testing.assert_array_equal(read_all(tmp_path / "a.tif"), RGB)


def write_plain(path: Path, **options: Any) -> None:
    tifffile.imwrite(path, RGB, **({"photometric": "rgb", "tile": (64, 64), "metadata": None} | options))


@pytest.mark.parametrize(
    ("tag", "value", "named"),
    [
        ("Compression", 34676, "compression SGILOG"),
        ("Compression", 34661, "compression JBIG"),
        ("Compression", 64123, "compression number 64123"),
        ("PhotometricInterpretation", 5, "colours of the kind SEPARATED"),
        ("PhotometricInterpretation", 8, "colours of the kind CIELAB"),
        ("PhotometricInterpretation", 3, "colours of the kind PALETTE"),
        ("PhotometricInterpretation", 6, "YCbCr with fewer differences than pixels"),
        ("Predictor", 77, "predictor number 77"),
        ("BitsPerSample", (8, 8, 4), "samples of .* bits"),
    ],
)
def test_an_encoding_that_is_not_read_is_named_and_not_called_damaged(
    tmp_path: Path, tag: str, value: Any, named: str
) -> None:
    path = tmp_path / "a.tif"
    write_plain(path, compression="zlib", predictor=True)
    overwrite(path, tag, value)

    with pytest.raises(SlideError, match=rf"a\.tif is whole, but has (the )?{named}.*Export it as RGB") as caught:
        open_slide(path).read_region(Box(0, 0, 9, 9))
    assert "opy" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("a.png", b"RIFF\0\0\0\0WEBPVP8 ", "a WebP picture"),
        ("a.jpg", b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture"),
        ("a.jpeg", b"GIF89a\0\0\0\0\0\0", "a GIF picture"),
        ("a.png", b"II*\0\x08\0\0\0", "a TIFF file"),
        ("a.tif", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        ("a.svs", b"PK\x03\x04\x14\0\0\0\0\0", "a ZIP archive"),
        ("a.ndpi", b"<!DOCTYPE html><html>", "a web page"),
        ("a.tiff", b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    ],
)
def test_a_file_of_another_kind_than_its_name_says_is_named(tmp_path: Path, name: str, start: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(start + bytes(200))

    with pytest.raises(SlideError, match=f"{name}: it is no .* but {kind}") as caught:
        open_slide(tmp_path / name)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("at", "value", "named"),
    [(1, 0xC5, "a hierarchical JPEG"), (1, 0xCF, "a hierarchical JPEG"), (4, 12, "a JPEG of 12 bits")],
)
def test_a_jpeg_of_an_unusual_kind_is_named(tmp_path: Path, at: int, value: int, named: str) -> None:
    data = bytearray(imagecodecs.jpeg8_encode(RGB))
    data[data.index(b"\xff\xc0") + at] = value
    (tmp_path / "a.jpg").write_bytes(data)

    with pytest.raises(SlideError, match=rf"a\.jpg is {named}.*which NucLoop does not read"):
        read_all(tmp_path / "a.jpg")


def write_ventana(path: Path, overlap: str, quote: str = '"') -> None:
    """Write what Ventana's iScan writes: a label, then levels whose XMP tells how tiles join."""
    xmp = (
        '<EncodeInfo Ver="2"><SlideStitchInfo><ImageInfo AOIScanned="1" NumRows="2" NumCols="2">'
        f'<TileJointInfo FlagJoined="1" Confidence="98" Direction="RIGHT" Tile1="1" Tile2="2" {overlap}/>'
        "</ImageInfo></SlideStitchInfo></EncodeInfo>"
    ).replace('"', quote)
    scan = '<Metadata><iScan Magnification="40" ScanRes="0.2500"/></Metadata>'.replace('"', quote)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        tiled: dict[str, Any] = {
            "photometric": "rgb",
            "tile": (64, 64),
            "metadata": None,
            "software": "ScanOutputManager",
        }
        file.write(
            np.zeros((300, 90, 3), np.uint8),
            photometric="rgb",
            metadata=None,
            description="Label Image",
            software="ScanOutputManager",
            extratags=[(700, 1, len(scan), scan.encode(), True)],
        )
        for level in range(2):
            text = f"level={level} mag={40 / 2**level} quality=95"
            extra = [(700, 1, len(xmp), xmp.encode(), True)] if level == 0 else []
            file.write(reduced(RGB, level), description=text, extratags=extra, **tiled)


@pytest.mark.parametrize("overlap", ['OverlapX="118" OverlapY="0"', 'OverlapX="0" OverlapY="2"', 'OverlapX="-3.5"'])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_ventanas_tiles_that_overlap_are_left_to_openslide(
    tmp_path: Path, overlap: str, quote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nucloop.slides.registry.openslide_is_installed", lambda: False)
    write_ventana(tmp_path / "a.bif", overlap, quote)

    with pytest.raises(SlideError, match=r"a\.bif needs OpenSlide: its tiles overlap.*pip install openslide-python"):
        open_slide(tmp_path / "a.bif")


def test_ventanas_tiles_that_meet_are_read_with_their_resolution(tmp_path: Path) -> None:
    write_ventana(tmp_path / "a.bif", 'OverlapX="0" OverlapY="0"', "'")

    with open_slide(tmp_path / "a.bif") as slide:
        assert (len(slide.levels), slide.mpp, slide.notice) == (2, 0.25, "")
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 128, 128), RGB)


def test_where_openslide_is_installed_it_opens_what_overlaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr("nucloop.slides.registry.openslide_is_installed", lambda: True)
    monkeypatch.setattr("nucloop.slides.registry._openslide", lambda path, image: opened.append(path) or "slide")
    write_ventana(tmp_path / "a.bif", 'OverlapX="9"')

    assert open_slide(tmp_path / "a.bif") == "slide"
    assert opened == [tmp_path / "a.bif"]
