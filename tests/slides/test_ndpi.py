"""Hamamatsu's NDPI, written here byte by byte: JPEGs with restart markers, 64-bit offsets in a classic TIFF."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.slides import Box, open_slide

Tag = tuple[int, int, int, bytes]


def restart_jpeg(pixels: np.ndarray, interval: int) -> tuple[bytes, list[int]]:
    """Return a JPEG and where each restart interval (`interval` blocks of 8 x 8) begins in it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0, restart_marker_blocks=interval)
    data = buffer.getvalue()
    scan = data.index(b"\xff\xda")
    starts = [scan + 2 + struct.unpack(">H", data[scan + 2 : scan + 4])[0]]
    starts += [i + 2 for i in range(starts[0], len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    return data, starts


def write_ndpi(path: Path, levels: list[tuple[np.ndarray, float]]) -> None:
    out = bytearray(b"II*\x00" + bytes(8))
    link = 4
    for pixels, lens in levels:
        jpeg, starts = restart_jpeg(pixels, pixels.shape[1] // 8 // 2)

        def put(data: bytes) -> int:
            out.extend(bytes(len(out) % 2))
            out.extend(data)
            return len(out) - len(data)

        image, density = put(jpeg), put(struct.pack("<II", 22_000 // round(20 / abs(lens)), 1))
        mcu = put(struct.pack(f"<{len(starts)}I", *starts))
        maker, bits = put(b"Hamamatsu\x00"), put(struct.pack("<3H", 8, 8, 8))
        height, width = pixels.shape[:2]

        def short(value: int) -> bytes:
            return struct.pack("<HH", value, 0)

        def long(value: int) -> bytes:
            return struct.pack("<I", value)

        tags: list[Tag] = [
            (256, 4, 1, long(width)),
            (257, 4, 1, long(height)),
            (258, 3, 3, long(bits)),
            (259, 3, 1, short(7)),
            (262, 3, 1, short(6)),
            (271, 2, 10, long(maker)),
            (273, 4, 1, long(image)),
            (277, 3, 1, short(3)),
            (278, 4, 1, long(height)),
            (279, 4, 1, long(len(jpeg))),
            (282, 5, 1, long(density)),
            (283, 5, 1, long(density)),
            (284, 3, 1, short(1)),
            (296, 3, 1, short(3)),
            (65420, 4, 1, long(1)),
            (65421, 11, 1, struct.pack("<f", lens)),
            (65426, 4, len(starts), long(mcu)),
        ]
        offset = put(struct.pack("<H", len(tags)))
        out.extend(b"".join(struct.pack("<HHI", *tag[:3]) + tag[3] for tag in tags))
        out[link : link + 8] = struct.pack("<Q", offset)
        link = len(out)
        out.extend(bytes(8) + bytes(4 * len(tags)))
    path.write_bytes(out)


def test_an_ndpi_gives_levels_resolution_and_lens(tmp_path: Path) -> None:
    y, x = np.mgrid[:512, :1024]
    base = np.stack([200 + 40 * np.sin(y / 31), 150 + 60 * np.cos(x / 27), 190 + 30 * np.sin((x + y) / 40)], -1)
    base = base.astype(np.uint8)
    macro = np.zeros((1600, 800, 3), np.uint8)
    coarse = [np.ascontiguousarray(base[:: 2**k, :: 2**k]) for k in (1, 2)]
    write_ndpi(tmp_path / "a.ndpi", [(base, 20.0), (coarse[0], 10.0), (coarse[1], 5.0), (macro, -1.0)])

    with open_slide(tmp_path / "a.ndpi") as slide:
        assert [level.shape for level in slide.levels] == [(512, 1024), (256, 512), (128, 256)]
        assert slide.mpp == pytest.approx(10_000 / 22_000)
        assert slide.magnification == 20
        pixels = slide.read_region(Box(101, 200, 300, 700))

    assert np.abs(pixels.astype(int) - base[101:401, 200:900]).max() <= 8
