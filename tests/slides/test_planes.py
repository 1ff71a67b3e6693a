"""Colours in planes of their own, with and without pyramids, in one file and several; stacks; missing parts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.slides.written import ome_xml, planes_of, reduced, tissue, write_multiscale, write_pages, write_planes

from nucloop.errors import SlideError
from nucloop.slides import Box, open_slide

RGB = tissue(192, 256)


def read_all(path: Path, level: int = 0) -> np.ndarray:
    with open_slide(path) as slide:
        return slide.levels[level].read(0, 0, *slide.levels[level].shape)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "jpeg2000"},
        {"compression": "lzw", "predictor": True},
        {"compression": None},
        {"tile": None, "rowsperstrip": 16},
        {"tile": None, "compression": None},
    ],
    ids=["zlib", "JPEG 2000", "LZW", "bare tiles", "strips", "bare"],
)
def test_planes_with_a_pyramid_as_raw2ometiff_writes_them_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    write_planes(tmp_path / "a.ome.tif", RGB, **options)

    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert [level.shape for level in slide.levels] == [(192, 256), (96, 128), (48, 64)]
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        assert slide.mpp == 0.25
        np.testing.assert_array_equal(slide.read_region(Box(3, 5, 150, 200)), RGB[3:153, 5:205])
        for level in (1, 2):
            np.testing.assert_array_equal(slide.levels[level].read(7, 9, 40, 50), reduced(RGB, level)[7:40, 9:50])


def test_planes_of_16_bits_with_a_pyramid_are_read(tmp_path: Path) -> None:
    write_planes(tmp_path / "a.ome.tif", RGB.astype(np.uint16) * 257)

    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif"), RGB)
    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif", 2), reduced(RGB, 2))


@pytest.mark.parametrize("compression", ["zlib", "jpeg2000", None])
@pytest.mark.parametrize("ome", [True, False])
def test_planar_rgb_with_a_pyramid_is_read(tmp_path: Path, ome: bool, compression: str | None) -> None:
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    kind: dict[str, Any] = {
        "photometric": "rgb", "planarconfig": "separate", "tile": (64, 64), "compression": compression
    }  # fmt: skip
    with tifffile.TiffWriter(path, ome=ome) as file:
        file.write(planes_of(RGB), subifds=2, metadata={"axes": "SYX"} if ome else None, **kind)
        for level in (1, 2):
            file.write(planes_of(reduced(RGB, level)), subfiletype=1, metadata=None, **kind)

    with open_slide(path) as slide:
        assert len(slide.levels) == 3
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 192, 256), RGB)
        np.testing.assert_array_equal(slide.levels[1].read(0, 0, 96, 128), reduced(RGB, 1))


def test_a_grey_plane_with_a_pyramid_is_read(tmp_path: Path) -> None:
    kind: dict[str, Any] = {"photometric": "minisblack", "tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(RGB[..., 0], subifds=1, metadata={"axes": "YX"}, **kind)
        file.write(reduced(RGB, 1)[..., 0], subfiletype=1, metadata=None, **kind)

    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif"), np.repeat(RGB[..., :1], 3, -1))


def test_a_tile_that_one_plane_lacks_is_named_and_one_that_all_lack_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_planes(path, RGB, subifds=0)
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            tag = page.tags["TileByteCounts"]
            tag.overwrite([0, *tag.value[1:]])
        damaged = file.pages[1].dataoffsets[9]
    data = bytearray(path.read_bytes())
    data[damaged : damaged + 8] = bytes(8)
    path.write_bytes(data)

    with open_slide(path) as slide:
        assert (slide.read_region(Box(0, 0, 32, 32)) == 255).all()
        np.testing.assert_array_equal(slide.read_region(Box(0, 32, 32, 32)), RGB[:32, 32:64])
        with pytest.raises(SlideError, match=r"a\.ome\.tif: tile 9 of level 0 .* is damaged"):
            slide.read_region(Box(33, 33, 5, 5))


@pytest.mark.parametrize(("height", "width"), [(700, 40), (65, 513), (129, 100), (300, 17)])
@pytest.mark.parametrize("layout", ["planes", "planar", "together", "separate pages"])
def test_pyramids_may_end_in_a_few_pixels(tmp_path: Path, layout: str, height: int, width: int) -> None:
    pixels, path = tissue(height, width), tmp_path / "a.ome.tif"
    levels = [reduced(pixels, level) for level in range(1, 10)]
    kind: dict[str, Any] = {"tile": (32, 32), "compression": "zlib"}
    if layout == "planes":
        write_planes(path, pixels, 9, **kind)
    elif layout == "separate pages":
        write_pages(path, [pixels, *levels], None, **kind)
    else:
        turned = planes_of if layout == "planar" else np.asarray
        kind |= {"photometric": "rgb", "planarconfig": "separate" if layout == "planar" else "contig"}
        with tifffile.TiffWriter(path, ome=True) as file:
            file.write(turned(pixels), subifds=9, metadata={"axes": "SYX" if layout == "planar" else "YXS"}, **kind)
            for level in levels:
                file.write(turned(level), subfiletype=1, metadata=None, **kind)

    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, height, width), pixels)
        assert len(slide.levels) >= 2
        assert min(min(level.shape) for level in slide.levels) >= min(8, width)
        np.testing.assert_array_equal(slide.levels[1].read(0, 0, *slide.levels[1].shape), levels[0])
        far = slide.with_mpp(0.25).read_working(0, 0, 3, 3, 0.25 * 64)
    assert far.shape == (3, 3, 3)


@pytest.mark.parametrize("axes", ["tczyx", "yxc"])
def test_an_ome_zarr_may_end_in_a_few_pixels(tmp_path: Path, axes: str) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    write_multiscale(group, planes_of(tissue(321, 50)), axes, levels=9)

    assert [level.shape for level in open_slide(tmp_path / "a.zarr").levels] == [(321, 50), (161, 25), (81, 13)]


def stack_of(count: int, letters: str) -> np.ndarray:
    return np.stack([RGB if "S" in letters else RGB[..., 0]] * count)


@pytest.mark.parametrize(
    ("name", "axes", "options"),
    [
        ("a.ome.tif", "ZYX", {}),
        ("a.ome.tif", "ZYXS", {"photometric": "rgb"}),
        ("a.ome.tif", "ZYXS", {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}),
        ("a.tif", "ZYX", {"imagej": True}),
        ("a.tif", "ZYXS", {"imagej": True}),
        ("a.tif", "ZYX", {}),
        ("a.tif", None, {"metadata": None}),
        ("a.tif", None, {"metadata": None, "compression": "zlib"}),
    ],
)
def test_a_stack_is_refused_with_the_number_of_its_planes(
    tmp_path: Path, name: str, axes: str | None, options: dict[str, Any]
) -> None:
    kind: dict[str, Any] = {"photometric": "minisblack", "metadata": {"axes": axes}} | options
    if "imagej" in options:
        kind.pop("photometric")
    tifffile.imwrite(tmp_path / name, stack_of(3, axes or ""), **kind)

    with pytest.raises(SlideError, match=rf"{name} holds 3 planes.* the one that is in focus, or a projection"):
        open_slide(tmp_path / name)


def test_a_stack_with_a_pyramid_and_one_in_a_zarr_are_refused_too(tmp_path: Path) -> None:
    kind: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(stack_of(3, "S"), subifds=1, metadata={"axes": "ZYXS"}, **kind)
        file.write(stack_of(3, "S")[:, ::2, ::2], subfiletype=1, metadata=None, **kind)
    group = zarr.open_group(tmp_path / "c.zarr", mode="w", zarr_format=2)
    array = group.create_array("0", shape=(3, 3, 64, 64), chunks=(1, 1, 64, 64), dtype="uint8")
    axes = [{"name": letter, "type": "space"} for letter in "czyx"]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": [{"path": array.basename}]}]

    for name in ("a.ome.tif", "c.zarr"):
        with pytest.raises(SlideError, match=f"{name} holds 3 planes of a stack"):
            open_slide(tmp_path / name)


def write_set(folder: Path, planes: int, axis: str = "C") -> list[Path]:
    """Write an image whose planes are in files of their own, all described in each of them."""
    names = [f"plane{k}.ome.tif" for k in range(planes)]
    first = {"C": "FirstC", "Z": "FirstZ"}[axis]
    data = "".join(
        f'<TiffData {first}="{k}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{k}</UUID></TiffData>'
        for k, name in enumerate(names)
    )
    channels = "".join(f'<Channel ID="C:{k}" SamplesPerPixel="1"/>' for k in range(planes if axis == "C" else 1))
    image = {"shape": RGB.shape[:2], "c": planes if axis == "C" else 1, "channels": channels, "data": data}
    for number, name in enumerate(names):
        xml = ome_xml(image | ({"z": planes} if axis == "Z" else {}), attributes=f'UUID="urn:uuid:{number}"')
        write_pages(folder / name, [RGB[..., number % 3]], xml, compression="zlib")
    return [folder / name for name in names]


def test_an_ome_tiff_in_several_files_is_read_from_any_of_them(tmp_path: Path) -> None:
    for path in write_set(tmp_path, 3):
        np.testing.assert_array_equal(read_all(path), RGB)


@pytest.mark.parametrize("gone", [(1,), (0, 2), (1, 2)])
def test_files_of_a_set_that_are_missing_are_named(tmp_path: Path, gone: tuple[int, ...]) -> None:
    files = write_set(tmp_path, 3)
    for number in gone:
        files[number].unlink()
    left = next(path for path in files if path.exists())

    with pytest.raises(SlideError, match=r"not in its folder\. Put all files of the image into one folder") as caught:
        open_slide(left)

    for number in gone:
        assert files[number].name in str(caught.value)


def test_a_set_of_planes_of_a_stack_is_refused_as_a_stack(tmp_path: Path) -> None:
    files = write_set(tmp_path, 3, "Z")
    files[2].unlink()

    with pytest.raises(SlideError, match="holds 3 planes of a stack"):
        open_slide(files[0])


def test_a_part_that_is_described_elsewhere_is_read_from_there_or_names_what_is_missing(tmp_path: Path) -> None:
    files = write_set(tmp_path, 3)
    with tifffile.TiffFile(files[0]) as file:
        text = file.pages[0].description.replace('UUID="urn:uuid:0"', 'UUID="urn:uuid:8"')
    (tmp_path / "set.companion.ome").write_text(text)
    pointer = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="{}" UUID="urn:uuid:9"/></OME>'
    )
    for name, described in (("plane1.ome.tif", "set.companion.ome"), ("plane2.ome.tif", "plane0.ome.tif")):
        write_pages(tmp_path / name, [RGB[..., int(name[5])]], pointer.format(described), compression="zlib")
        np.testing.assert_array_equal(read_all(tmp_path / name), RGB)
    (tmp_path / "set.companion.ome").unlink()

    with pytest.raises(SlideError, match=r"plane1\.ome\.tif is a part of an image that set\.companion\.ome describes"):
        open_slide(tmp_path / "plane1.ome.tif")


def test_a_single_file_that_was_renamed_is_still_itself(tmp_path: Path) -> None:
    data = '<TiffData IFD="0" PlaneCount="1"><UUID FileName="old name.ome.tif">urn:uuid:1</UUID></TiffData>'
    write_pages(tmp_path / "new.ome.tif", [RGB], ome_xml({"shape": RGB.shape[:2], "data": data}))

    np.testing.assert_array_equal(read_all(tmp_path / "new.ome.tif"), RGB)


def test_planes_that_the_description_promises_and_the_file_lacks_are_missed(tmp_path: Path) -> None:
    channels = "".join(f'<Channel ID="C:{k}" SamplesPerPixel="1"/>' for k in range(3))
    data = '<TiffData IFD="0" PlaneCount="3"/>'
    xml = ome_xml({"shape": RGB.shape[:2], "channels": channels, "data": data})
    write_pages(tmp_path / "a.ome.tif", [RGB[..., 0], RGB[..., 1]], xml)

    with pytest.raises(
        SlideError, match=r"a\.ome\.tif says that its image has 3 planes, and not all of them are there"
    ):
        open_slide(tmp_path / "a.ome.tif")


def test_planes_are_found_in_whatever_order_they_are_stored(tmp_path: Path) -> None:
    channels = "".join(f'<Channel ID="C:{k}" SamplesPerPixel="1"/>' for k in range(3))
    data = "".join(f'<TiffData IFD="{ifd}" FirstC="{c}" PlaneCount="1"/>' for ifd, c in ((0, 2), (1, 0), (2, 1)))
    xml = ome_xml({"shape": RGB.shape[:2], "channels": channels, "data": data})
    write_pages(tmp_path / "a.ome.tif", [RGB[..., 2], RGB[..., 0], RGB[..., 1]], xml)

    np.testing.assert_array_equal(read_all(tmp_path / "a.ome.tif"), RGB)
