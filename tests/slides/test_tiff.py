import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from nucloop.errors import SlideError
from nucloop.slides import Box, open_slide


def tissue(height: int = 512, width: int = 640) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([200 + 40 * np.sin(y / 31), 150 + 60 * np.cos(x / 27), 190 + 30 * np.sin((x + y) / 40)], -1).astype(
        np.uint8
    )


def write_pyramid(path: Path, base: np.ndarray, count: int = 3, **options: Any) -> None:
    """Write reduced pages after the first, as generic pyramids do."""
    with tifffile.TiffWriter(path) as file:
        for level in range(count):
            pixels = np.ascontiguousarray(base[:: 2**level, :: 2**level])
            kind = {"photometric": "rgb", "tile": (128, 128), "subfiletype": 1 if level else 0, "metadata": None}
            file.write(pixels, **(kind | options))


def write_ome(path: Path, base: np.ndarray, metadata: dict[str, Any], **options: Any) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        kind = {"photometric": "rgb", "tile": (128, 128), "metadata": {"axes": "YXS"} | metadata} | options
        file.write(base, subifds=2, **kind)
        for level in (1, 2):
            file.write(
                np.ascontiguousarray(base[:: 2**level, :: 2**level]),
                subfiletype=1,
                photometric="rgb",
                tile=(128, 128),
                metadata=None,
            )


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "jpeg", "jpeg2000"])
def test_a_pyramidal_tiff_is_read_whatever_its_compression(tmp_path: Path, compression: str | None) -> None:
    base = tissue()
    write_pyramid(tmp_path / "slide.tif", base, compression=compression)

    with open_slide(tmp_path / "slide.tif") as slide:
        assert [level.shape for level in slide.levels] == [(512, 640), (256, 320), (128, 160)]
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        pixels = slide.read_region(Box(100, 120, 200, 300))

    difference = np.abs(pixels.astype(int) - base[100:300, 120:420])
    assert difference.max() <= (12 if compression == "jpeg" else 0)


@pytest.mark.parametrize("options", [{"tile": None, "rowsperstrip": 32, "compression": "deflate"}, {"tile": None}])
def test_strips_and_bare_pixels_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    base = tissue(100, 90)
    write_pyramid(tmp_path / "slide.tif", base, 1, **options)

    np.testing.assert_array_equal(open_slide(tmp_path / "slide.tif").read_region(Box(0, 0, 100, 90)), base)


def test_separate_colour_planes_are_read(tmp_path: Path) -> None:
    base = tissue(256, 256)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(base, -1, 0),
        photometric="rgb",
        planarconfig="separate",
        compression="deflate",
        tile=(64, 64),
    )

    np.testing.assert_array_equal(open_slide(tmp_path / "a.tif").read_region(Box(0, 0, 256, 256)), base)


def test_grey_and_alpha_tiffs_are_read_as_rgb(tmp_path: Path) -> None:
    base = tissue(64, 64)
    tifffile.imwrite(tmp_path / "grey.tif", base[..., 0], compression="lzw")
    rgba = np.dstack([base, np.zeros((64, 64), np.uint8)])
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"], compression="lzw")

    grey = open_slide(tmp_path / "grey.tif").read_region(Box(0, 0, 64, 64))
    np.testing.assert_array_equal(grey, np.repeat(base[..., :1], 3, axis=2))
    assert (open_slide(tmp_path / "rgba.tif").read_region(Box(0, 0, 64, 64)) == 255).all()


def test_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    grey = tissue(64, 64)[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", 255 - grey, photometric="miniswhite", compression="lzw")

    pixels = open_slide(tmp_path / "a.tif").read_region(Box(0, 0, 64, 64))

    np.testing.assert_array_equal(pixels[..., 0], grey)


def test_an_ome_tiff_gives_its_levels_and_resolution(tmp_path: Path) -> None:
    base = tissue()
    write_ome(
        tmp_path / "a.ome.tif",
        base,
        {"PhysicalSizeX": 253.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.000253, "PhysicalSizeYUnit": "mm"},
        compression="deflate",
    )

    slide = open_slide(tmp_path / "a.ome.tif")

    assert slide.mpp == pytest.approx(0.253)
    assert len(slide.levels) == 3
    np.testing.assert_array_equal(slide.read_region(Box(3, 5, 300, 300)), base[3:303, 5:305])


def test_an_ome_tiff_with_a_page_a_channel_is_read(tmp_path: Path) -> None:
    base = tissue(96, 128)
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.ascontiguousarray(np.moveaxis(base, -1, 0)),
        photometric="minisblack",
        compression="deflate",
        metadata={"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5},
    )

    slide = open_slide(tmp_path / "a.ome.tif")

    assert slide.mpp == 0.5
    np.testing.assert_array_equal(slide.read_region(Box(0, 0, 96, 128)), base)


def test_fluorescence_is_refused_by_the_names_of_its_channels(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.zeros((3, 64, 64), np.uint8),
        photometric="minisblack",
        metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "FITC", "Cy5"]}},
    )

    with pytest.raises(SlideError, match=r"a\.ome\.tif is a fluorescence image \(channels DAPI, FITC, Cy5\)"):
        open_slide(tmp_path / "a.ome.tif")


@pytest.mark.parametrize(
    ("shape", "axes", "sentence"),
    [((5, 64, 64), "CYX", "has 5 channels"), ((4, 64, 64), "ZYX", "planes of a stack"), ((7, 64, 64), "TYX", "time")],
)
def test_stacks_and_many_channels_are_refused(tmp_path: Path, shape: tuple[int, ...], axes: str, sentence: str) -> None:
    tifffile.imwrite(
        tmp_path / "a.ome.tif", np.zeros(shape, np.uint8), photometric="minisblack", metadata={"axes": axes}
    )

    with pytest.raises(SlideError, match=sentence):
        open_slide(tmp_path / "a.ome.tif")


def test_16_bit_tiffs_are_read_when_their_range_is_full_and_else_refused(tmp_path: Path) -> None:
    base = tissue(64, 64)
    options: dict[str, Any] = {"photometric": "rgb", "compression": "deflate"}
    tifffile.imwrite(tmp_path / "full.tif", base.astype(np.uint16) * 257, **options)
    tifffile.imwrite(tmp_path / "dim.tif", base.astype(np.uint16), **options)

    np.testing.assert_array_equal(open_slide(tmp_path / "full.tif").read_region(Box(0, 0, 64, 64)), base)
    with pytest.raises(SlideError, match=r"dim\.tif holds uint16 pixels.*Convert it to 8-bit RGB"):
        open_slide(tmp_path / "dim.tif")


@pytest.mark.parametrize(
    ("unit", "resolution", "mpp"),
    [
        ("CENTIMETER", (20_000, 20_000), 0.5),
        ("INCH", (50_800, 50_800), 0.5),
        ("INCH", (72, 72), None),
        ("INCH", (96, 96), None),
        ("NONE", (20_000, 20_000), None),
        ("CENTIMETER", (20_000, 10_000), None),
    ],
)
def test_resolution_tags_count_only_when_a_microscope_can_have_them(
    tmp_path: Path, unit: str, resolution: tuple[int, int], mpp: float | None
) -> None:
    write_pyramid(tmp_path / "a.tif", tissue(), 1, resolution=resolution, resolutionunit=unit)

    assert open_slide(tmp_path / "a.tif").mpp == (None if mpp is None else pytest.approx(mpp))


def test_imagejs_microns_are_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(64, 64), imagej=True, resolution=(4, 4), metadata={"unit": "micron"})

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.25)


def test_philips_millimetres_are_read(tmp_path: Path) -> None:
    description = (
        '<Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028">&quot;0.000227&quot; &quot;0.000227&quot;</Attribute>'
    )
    write_pyramid(tmp_path / "a.tif", tissue(), 1, description=description)

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.227)


def test_ventanas_scan_resolution_is_read(tmp_path: Path) -> None:
    xmp = b'<iScan Magnification="40" ScanRes="0.2325"/>'
    write_pyramid(tmp_path / "a.tif", tissue(), 1, extratags=[(700, "B", len(xmp), xmp, True)])

    assert open_slide(tmp_path / "a.tif").mpp == pytest.approx(0.2325)


def write_svs(path: Path, description: str) -> np.ndarray:
    """Write what Aperio writes: base, thumbnail, level, then label and macro, both untiled."""
    base = tissue(768, 1024)
    with tifffile.TiffWriter(path) as file:
        tiled = {"photometric": "rgb", "tile": (256, 256), "compression": "jpeg", "metadata": None}
        plain = {"photometric": "rgb", "compression": "jpeg", "metadata": None}
        file.write(base, description=description, **tiled)
        file.write(np.ascontiguousarray(base[::3, ::3]), description="Aperio thumbnail", **plain)
        file.write(np.ascontiguousarray(base[::4, ::4]), description="Aperio level", **tiled)
        file.write(np.zeros((1500, 900, 3), np.uint8), description="Aperio label", subfiletype=1, **plain)
        file.write(np.zeros((700, 2000, 3), np.uint8), description="Aperio macro", subfiletype=9, **plain)
    return base


def test_thumbnail_label_and_macro_of_an_svs_are_no_levels(tmp_path: Path) -> None:
    base = write_svs(tmp_path / "a.svs", "Aperio Image Library v1\n1024x768 JPEG/RGB|AppMag = 40|MPP = 0.2524")

    slide = open_slide(tmp_path / "a.svs")

    assert [level.shape for level in slide.levels] == [(768, 1024), (192, 256)]
    assert slide.mpp == pytest.approx(0.2524)
    assert slide.magnification == 40
    assert np.abs(slide.read_region(slide.box).astype(int) - base).max() <= 12


def test_a_magnification_alone_is_a_hint_and_no_resolution(tmp_path: Path) -> None:
    write_svs(tmp_path / "a.svs", "Aperio Image Library v1\n1024x768 JPEG/RGB|AppMag = 40")

    slide = open_slide(tmp_path / "a.svs")

    assert slide.mpp is None
    with pytest.raises(SlideError, match=r"a\.svs does not say .* scanned at 40x, so 0\.25 is likely"):
        slide.require_mpp()
    assert open_slide(tmp_path / "a.svs", mpp=0.23).mpp == 0.23


def test_a_truncated_slide_names_the_tile_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "cut.tif"
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    write_pyramid(path, noise, 1, compression="jpeg", metadata=None)
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[9]
    path.write_bytes(path.read_bytes()[: offset + 100])

    slide = open_slide(path)

    assert slide.read_region(Box(0, 0, 200, 200)).shape == (200, 200, 3)
    with pytest.raises(
        SlideError, match=r"Cannot read cut\.tif: tile 9 of level 0 \(row 256, column 128\) is truncated. Copy the file"
    ):
        slide.read_region(Box(300, 150, 10, 10))


def test_a_damaged_tile_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "bad.tif"
    write_pyramid(path, tissue(256, 256), 1, compression="deflate")
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
    data = bytearray(path.read_bytes())
    data[offset : offset + size] = bytes(size)
    path.write_bytes(data)

    with pytest.raises(SlideError, match=r"bad\.tif: tile 1 of level 0 .* is damaged"):
        open_slide(path).read_region(Box(0, 0, 256, 256))


def test_tiles_a_scanner_left_out_are_white(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    write_pyramid(path, tissue(256, 256), 1, compression="deflate")
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages[0].tags["TileByteCounts"]
        tag.overwrite([0, *tag.value[1:]])

    pixels = open_slide(path).read_region(Box(0, 0, 128, 128))

    assert (pixels == 255).all()


@pytest.mark.parametrize(
    "content", [b"", b"II*\x00", b"II*\x00\xff\xff\xff\xff", b"not a tiff at all", b"II*\x00" * 40]
)
def test_what_is_no_tiff_is_refused_clearly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.svs").write_bytes(content)

    with pytest.raises(SlideError, match=r"x\.svs"):
        open_slide(tmp_path / "x.svs")


def test_a_hostile_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    write_pyramid(path, tissue(256, 256), 1, compression="deflate")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageWidth"].overwrite(2**31 - 1)

    with pytest.raises(SlideError, match=r"huge\.tif"):
        open_slide(path).read_region(Box(0, 0, 10, 10))


def test_many_threads_read_one_file(tmp_path: Path) -> None:
    base = tissue()
    write_pyramid(tmp_path / "a.tif", base, compression="deflate")
    slide = open_slide(tmp_path / "a.tif")
    boxes = [Box(41 * k % 400, 67 * k % 500, 90, 110) for k in range(60)]

    with ThreadPoolExecutor(8) as pool:
        for box, pixels in zip(boxes, pool.map(slide.read_region, boxes), strict=True):
            expected = base[box.y : box.y + 90, box.x : box.x + 110]
            np.testing.assert_array_equal(pixels, expected[:90, :110] if expected.shape == pixels.shape else pixels)
            assert (pixels[: len(expected), : expected.shape[1]] == expected).all()


def test_a_slide_from_a_file_is_opened_again_after_pickling(tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", tissue(), compression="deflate")
    slide = open_slide(tmp_path / "a.tif", mpp=0.4)

    again = pickle.loads(pickle.dumps(slide))

    assert again.mpp == 0.4
    np.testing.assert_array_equal(again.read_region(Box(0, 0, 50, 50)), slide.read_region(Box(0, 0, 50, 50)))
