"""Whatever a small file claims, it is opened or refused within seconds and without filling the memory."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.slides.written import ome_xml, tissue, write_pages

from nucloop.errors import SlideError
from nucloop.slides import open_slide
from nucloop.slides.tiff.tile_sizes import size_within

RGB = tissue(64, 64)
FIRST = 8 + 256
BARE_TAGS = [(256, 4, 1, 16), (257, 4, 1, 16), (273, 4, 1, 8), (279, 4, 1, 256)]
PROGRAM = """
import resource, sys
from nucloop.errors import NucLoopError
from nucloop.slides import open_slide
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    slide = open_slide(sys.argv[1])
    level = slide.levels[0]
    level.read(0, 0, *(min(64, side) for side in level.shape))
    said = f"opened {level.shape[0]} x {level.shape[1]}"
except NucLoopError as error:
    said = str(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1000, said)
"""


def opened_elsewhere(path: Path, seconds: int = 10) -> tuple[int, str]:
    """Open a file and read its corner in a process of its own; megabytes that took, and what was said."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=seconds, check=True
    )
    megabytes, _, said = run.stdout.strip().partition(" ")
    return int(megabytes), said


def directory(tags: list[tuple[int, int, int, int]], following: int) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)


def chain(path: Path, count: int, last: int = 0, tags: list[tuple[int, int, int, int]] = BARE_TAGS) -> None:
    """Write pages of 16 x 16 grey pixels that all lie at the same place; the last one points to `last`."""
    size = 2 + 12 * len(tags) + 4
    out = bytearray(b"II*\0" + struct.pack("<I", FIRST) + bytes(FIRST - 8))
    for page in range(count):
        out += directory(tags, FIRST + (page + 1) * size if page < count - 1 else last)
    path.write_bytes(out)


def many_pages(path: Path) -> None:
    chain(path, 180_000)


def pages_in_a_circle(path: Path) -> None:
    chain(path, 150, FIRST)


def page_that_follows_itself(path: Path) -> None:
    chain(path, 1, FIRST)


def many_small_pages(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for _ in range(2100):
            file.write(RGB[:8, :8], photometric="rgb", metadata=None)


def millions_of_subordinate_pages(path: Path) -> None:
    count = 2_000_000
    chain(path, 1, tags=[*BARE_TAGS, (330, 4, count, FIRST + 2 + 12 * 5 + 4)])
    path.write_bytes(path.read_bytes() + struct.pack("<I", FIRST) * count)


def one_long_list_for_many_pages(path: Path) -> None:
    count, pages = 2_000_000, 1500
    where = FIRST + pages * (2 + 12 * 4 + 4)
    chain(path, pages, tags=[*BARE_TAGS[:2], (273, 4, count, where), (279, 4, count, where)])
    path.write_bytes(path.read_bytes() + struct.pack("<I", 8) * count)


def huge_sizes_in_words(path: Path) -> None:
    write_pages(path, [RGB], ome_xml({"shape": (64, 64), "t": 999_999_999, "z": 999_999_999}))


def a_billion_channels(path: Path) -> None:
    write_pages(path, [RGB], ome_xml({"shape": (64, 64), "c": 999_999_999, "channels": ""}))


def tile_of(path: Path, data: bytes, compression: int) -> None:
    """Write one tile of 256 x 256 pixels with these bytes."""
    tifffile.imwrite(path, np.zeros((256, 256, 3), np.uint8), photometric="rgb", tile=(256, 256), metadata=None)
    start = path.stat().st_size
    path.write_bytes(path.read_bytes() + data)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag, value in (("TileOffsets", start), ("TileByteCounts", len(data)), ("Compression", compression)):
            file.pages[0].tags[tag].overwrite(value)


def jpeg_that_says(height: int, width: int) -> bytes:
    data = bytearray(imagecodecs.jpeg8_encode(RGB))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_tile(path: Path) -> None:
    tile_of(path, jpeg_that_says(65_000, 65_000), 7)


def jpeg_2000_tile(path: Path) -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(RGB, codecformat="j2k", level=0))
    for at in (8, 24):
        data[at : at + 8] = struct.pack(">II", 60_000, 60_000)
    tile_of(path, bytes(data), 34712)


def deflate_tile(path: Path) -> None:
    tile_of(path, zlib.compress(bytes(400_000_000), 1), 8)


def zstandard_tile(path: Path) -> None:
    tile_of(path, imagecodecs.zstd_encode(bytes(400_000_000)), 50000)


def png_of(path: Path, width: int, height: int, colour: int, bits: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.tif", many_pages, "holds more than 2,000 pictures"),
        ("a.tif", many_small_pages, "holds more than 2,000 pictures"),
        ("a.tif", pages_in_a_circle, "its pages follow each other in a circle"),
        ("a.svs", page_that_follows_itself, "its pages follow each other in a circle"),
        ("a.tif", millions_of_subordinate_pages, "holds more than 2,000 pictures"),
        ("a.tif", one_long_list_for_many_pages, "its pages claim more than it holds"),
        ("a.ome.tif", huge_sizes_in_words, "holds 999,999,999 planes of a stack"),
        ("a.ome.tif", a_billion_channels, "has 999,999,999 channels"),
        ("a.tif", jpeg_tile, "says that it is 65000 x 65000 pixels"),
        ("a.tif", jpeg_2000_tile, "says that it is 60000 x 60000 pixels"),
        ("a.tif", deflate_tile, "tile 0 of level 0"),
        ("a.tif", zstandard_tile, "tile 0 of level 0"),
        ("a.png", lambda path: png_of(path, 22_000, 22_000, 0, 1), "too large for a picture"),
        ("a.png", lambda path: png_of(path, 12_000, 12_000, 6, 16), "too large"),
        ("a.png", lambda path: png_of(path, 19_000, 19_000, 3, 8), "too large"),
        ("a.jpg", lambda path: path.write_bytes(jpeg_that_says(30_000, 30_000)), "too large"),
    ],
)  # fmt: skip
def test_a_file_that_claims_too_much_is_refused_before_it_takes_memory(
    tmp_path: Path, name: str, make: Callable[[Path], Any], said: str
) -> None:
    make(tmp_path / name)

    megabytes, sentence = opened_elsewhere(tmp_path / name)

    assert said in sentence
    assert name in sentence
    assert megabytes < 300


def comments(path: Path) -> None:
    text = ome_xml({"shape": (64, 64), "inside": "<!--" + " <Channel" * 60_000 + "-->"})
    write_pages(path, [RGB], text)


def many_blocks(path: Path) -> None:
    data = '<TiffData IFD="0" PlaneCount="99999"/>' * 100_000
    write_pages(path, [RGB], ome_xml({"shape": (64, 64), "data": data}))


def many_images(path: Path) -> None:
    write_pages(path, [RGB], ome_xml(*({"shape": (64, 64), "name": f"image {k}"} for k in range(5000))))


def entities(path: Path) -> None:
    declared = "".join(f'<!ENTITY {chr(98 + k)} "{f"&{chr(97 + k)};" * 10}">' for k in range(12))
    text = ome_xml({"shape": (64, 64), "name": "x"}).replace('"x"', '"&m;"')
    write_pages(path, [RGB], text.replace("?>", f'?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">{declared}]>'))


def a_slide_before_many_pages(path: Path) -> None:
    pages = [RGB, *([RGB[:8, :8]] * 3000)]
    write_pages(path, pages, ome_xml({"shape": (64, 64)}))


def a_picture_that_is_just_allowed(path: Path) -> None:
    Image.fromarray(np.zeros((14_000, 14_000, 3), np.uint8)).save(path, compress_level=1)


@pytest.mark.parametrize(
    ("name", "make", "shape"),
    [
        ("a.ome.tif", comments, (64, 64)),
        ("a.ome.tif", many_blocks, (64, 64)),
        ("a.ome.tif", many_images, (64, 64)),
        ("a.ome.tif", entities, (64, 64)),
        ("a.ome.tif", a_slide_before_many_pages, (64, 64)),
        ("a.png", a_picture_that_is_just_allowed, (14_000, 14_000)),
    ],
)
def test_a_file_that_only_looks_dangerous_is_opened(
    tmp_path: Path, name: str, make: Callable[[Path], Any], shape: tuple[int, int]
) -> None:
    make(tmp_path / name)

    megabytes, sentence = opened_elsewhere(tmp_path / name)

    assert sentence == f"opened {shape[0]} x {shape[1]}"
    assert megabytes < 1500


def test_a_strip_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(22_000)

    with pytest.raises(SlideError, match=r"a\.tif is cut into tiles of 22000 x 22000 pixels, which is too large"):
        open_slide(tmp_path / "a.tif")


@pytest.mark.parametrize("shape", [(64, 64), (100, 37), (601, 400), (512, 512), (1000, 700)])
def test_compressed_tiles_tell_their_size_before_they_are_decoded(shape: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    encoded = {
        7: imagecodecs.jpeg8_encode(pixels),
        34712: imagecodecs.jpeg2k_encode(pixels, level=0),
        34933: imagecodecs.png_encode(pixels),
        34934: imagecodecs.jpegxr_encode(pixels),
        50002: imagecodecs.jpegxl_encode(pixels),
        52546: imagecodecs.jpegxl_encode(pixels, usecontainer=True),
    }

    assert {code: size_within(code, data) for code, data in encoded.items()} == dict.fromkeys(encoded, shape)
    assert [size_within(code, data[:6]) for code, data in encoded.items() if code < 50_000] == [None] * 4
    assert size_within(5, b"anything") is None


@pytest.mark.parametrize("tag", [322, 323, 324, 325])
@pytest.mark.parametrize(("kind", "value"), [("<f", 16.0), ("<f", 16.5), ("<i", -256), ("<I", 0)])
def test_a_tile_that_lies_nowhere_or_is_as_large_as_nothing_is_a_sentence(
    tmp_path: Path, tag: int, kind: str, value: float
) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", tile=(64, 64), compression="deflate", metadata=None)
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].tags[tag].offset
    data = bytearray(path.read_bytes())
    struct.pack_into("<HI", data, at + 2, {"<f": 11, "<i": 9, "<I": 4}[kind], 1)
    struct.pack_into(kind, data, at + 8, value)
    path.write_bytes(data)
    with suppress(SlideError), open_slide(path, mpp=0.5) as slide:
        slide.levels[0].read(0, 0, 64, 64)


@pytest.mark.parametrize("tag", [273, 279])
@pytest.mark.parametrize(("count", "kind", "value"), [(1, 4, 0x7FFFFFF0), (0, 4, 8), (2, 2, 0x31003100), (1, 11, 5)])
def test_a_strip_whose_place_is_no_place_is_a_sentence(
    tmp_path: Path, tag: int, count: int, kind: int, value: int
) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, RGB, photometric="rgb", rowsperstrip=16, compression="deflate", metadata=None)
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].tags[tag].offset
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, at + 2, kind, count, value)
    path.write_bytes(data)
    with pytest.raises(SlideError, match=r"slide\.tif"), open_slide(path, mpp=0.5) as slide:
        slide.levels[0].read(0, 0, 64, 64)


@pytest.mark.parametrize("chunk", [b"iCCP", b"sRGB", b"pHYs", b"tRNS", b"gAMA", b"zTXt"])
def test_a_png_with_an_empty_chunk_behind_its_pixels_is_a_picture_or_a_sentence(tmp_path: Path, chunk: bytes) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path)
    data = path.read_bytes()
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:end] + struct.pack(">I", 0) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[end:])
    with suppress(SlideError), open_slide(path, mpp=0.5) as slide:
        slide.levels[0].read(0, 0, 64, 64)


def test_ome_tiffs_of_twenty_thousand_pages_open_or_are_refused_within_seconds(tmp_path: Path) -> None:
    small = np.zeros((16, 16), np.uint8)
    for name, description in (("a.ome.tif", ome_xml({"shape": (16, 16), "c": 1})), ("b.tif", None)):
        with tifffile.TiffWriter(tmp_path / name, ome=False) as file:
            for number in range(20_000):
                text = {"description": description.encode()} if number == 0 and description else {}
                file.write(small, photometric="minisblack", metadata=None, **text)

        megabytes, sentence = opened_elsewhere(tmp_path / name, seconds=60)

        assert sentence.startswith(("opened", f"{name} holds more than"))
        assert megabytes < 500
