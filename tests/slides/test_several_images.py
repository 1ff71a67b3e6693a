"""Which of several images in a file is the slide."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from tests.slides.written import ome_xml, planes_of, tissue, write_bioformats2raw, write_multiscale, write_pages

from nucloop.errors import SlideError
from nucloop.slides import open_slide
from nucloop.slides.pictures import Picture, choose_picture

SLIDE = tissue(96, 128)
LARGER = np.full((300, 500, 3), 90, np.uint8)
SMALL = np.full((40, 30, 3), 30, np.uint8)


def picture_of(name: str, shape: tuple[int, int], **rest: Any) -> Picture:
    return Picture(name, shape, **rest)


@pytest.mark.parametrize(
    "names",
    [
        ("macro image", "Label image", "Image 3"),
        ("MacroImage", "labelImage", "resolution #1"),
        ("slide.svs [macro]", "slide.svs [label]", "slide.svs #1"),
        ("overview_1", "THUMBNAIL", ""),
        ("Preview", "barcode", "20x"),
        ("label-free 7 macro", "label-free 7 label", "label-free 7"),
    ],
)
def test_a_name_says_that_an_image_is_not_the_slide_however_large_it_is(names: tuple[str, str, str]) -> None:
    pictures = [picture_of(names[0], (900, 900)), picture_of(names[1], (800, 800)), picture_of(names[2], (100, 100))]

    assert choose_picture(pictures, None, "a.tif") == 2


def test_words_that_only_begin_like_those_of_a_macro_say_nothing() -> None:
    pictures = [
        picture_of("Macrophages", (900, 900)),
        picture_of("mapped", (90, 90)),
        picture_of("relabeled", (80, 80)),
    ]

    assert choose_picture(pictures, None, "a.tif") == 0


def test_an_overview_without_a_name_is_known_by_its_kind_then_size_decides() -> None:
    coarse = picture_of("a", (900, 900), mpp=16.0)
    with_pyramid = picture_of("b", (500, 500), pyramid=True, mpp=0.25)
    flat = picture_of("c", (600, 600), mpp=0.25)

    assert choose_picture([coarse, flat], None, "a.tif") == 1
    assert choose_picture([coarse, flat, with_pyramid], None, "a.tif") == 2
    assert choose_picture([flat, picture_of("d", (601, 600))], None, "a.tif") == 1
    assert choose_picture([picture_of("tiny", (60, 60), pyramid=True), flat], None, "a.tif") == 1


def test_a_file_of_labels_alone_still_opens_the_largest() -> None:
    assert choose_picture([picture_of("label", (9, 9)), picture_of("macro", (90, 90))], None, "a.tif") == 1


@pytest.mark.parametrize("names", [("macro image", "Label image", "Tissue"), ("overview", "", "collection_2")])
def test_an_ome_tiff_opens_the_tissue_and_says_so(tmp_path: Path, names: tuple[str, str, str]) -> None:
    pages = [LARGER, SMALL, SLIDE]
    shapes = [page.shape[:2] for page in pages]
    write_pages(
        tmp_path / "a.ome.tif",
        pages,
        ome_xml(*({"name": name, "shape": shape} for name, shape in zip(names, shapes, strict=True))),
    )

    with open_slide(tmp_path / "a.ome.tif") as slide:
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 96, 128), SLIDE)
        assert (slide.image, slide.images) == (2, names)
        assert slide.notice.startswith(f"a.ome.tif holds 3 images: 0 '{names[0]}' (300 x 500)")
        assert f"Image 2 '{names[2]}' (96 x 128) was opened; on the command line --image opens another." in slide.notice


def test_each_image_has_its_own_resolution_and_objective(tmp_path: Path) -> None:
    inside = '<InstrumentRef ID="I:0"/><ObjectiveSettings ID="O:{}"/>'
    instrument = (
        '<Instrument ID="I:0"><Objective ID="O:0" NominalMagnification="1.25"/>'
        '<Objective ID="O:1" NominalMagnification="40"/></Instrument>'
    )
    size = 'PhysicalSizeX="{0}" PhysicalSizeY="{0}"'
    xml = ome_xml(
        {"name": "first", "shape": (300, 500), "pixels": size.format(8.5), "inside": inside.format(0)},
        {"name": "second", "shape": (96, 128), "pixels": size.format(0.25), "inside": inside.format(1)},
        before=instrument,
    )
    write_pages(tmp_path / "a.ome.tif", [LARGER, SLIDE], xml)

    slide, other = open_slide(tmp_path / "a.ome.tif"), open_slide(tmp_path / "a.ome.tif", image=0)

    assert (slide.image, slide.mpp, slide.magnification) == (1, 0.25, 40)
    assert (other.image, other.mpp, other.magnification) == (0, 8.5, 1.25)


@pytest.mark.parametrize("wanted", [0, "0", "macro image", "MACRO IMAGE", "macro"])
def test_another_image_is_opened_by_number_or_name_and_again_after_pickling(tmp_path: Path, wanted: int | str) -> None:
    xml = ome_xml({"name": "macro image", "shape": (300, 500)}, {"name": "slide", "shape": (96, 128)})
    write_pages(tmp_path / "a.ome.tif", [LARGER, SLIDE], xml)

    slide = open_slide(tmp_path / "a.ome.tif", image=wanted)

    assert (slide.shape, slide.notice) == ((300, 500), "")
    assert pickle.loads(pickle.dumps(slide)).shape == (300, 500)


@pytest.mark.parametrize("wanted", [2, -1, "7", "nothing", "e", ""])
def test_an_image_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, wanted: int | str) -> None:
    xml = ome_xml({"name": "one", "shape": (300, 500)}, {"name": "three", "shape": (96, 128)})
    write_pages(tmp_path / "a.ome.tif", [LARGER, SLIDE], xml)

    with pytest.raises(SlideError, match=r"a\.ome\.tif has no image .*0 'one' \(300 x 500\), 1 'three' \(96 x 128\)"):
        open_slide(tmp_path / "a.ome.tif", image=wanted)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_file_of_one_image_says_nothing_and_has_no_second(tmp_path: Path, name: str) -> None:
    from PIL import Image

    Image.fromarray(SLIDE).save(tmp_path / name)

    assert open_slide(tmp_path / name, image=0).notice == ""
    with pytest.raises(SlideError, match=f"{name} has no image 1"):
        open_slide(tmp_path / name, image=1)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_slide_among_bioformats2raws_images_is_found_by_name(
    tmp_path: Path, order: tuple[int, ...], zarr_format: int, zipped: bool
) -> None:
    images = [
        ("macro", planes_of(LARGER), 0.5),
        ("label image", planes_of(SMALL), 0.5),
        ("x.svs", planes_of(SLIDE), 0.5),
    ]
    path = tmp_path / "a.zarr"
    write_bioformats2raw(path, [images[k] for k in order], zarr_format=zarr_format)
    if zipped:
        path = Path(shutil.make_archive(str(path), "zip", path))

    with open_slide(path) as slide:
        assert (slide.shape, slide.mpp, slide.image) == ((96, 128), 0.5, order.index(2))
        np.testing.assert_array_equal(slide.levels[0].read(0, 0, 96, 128), SLIDE)
        assert f"Image {order.index(2)} 'x.svs' (96 x 128) was opened" in slide.notice
        assert open_slide(path, image="macro").shape == (300, 500)


def test_without_names_bioformats2raws_images_are_told_apart_by_their_pixels_size(tmp_path: Path) -> None:
    images = [("", planes_of(LARGER), 24.0), ("", planes_of(SLIDE), 0.5)]
    write_bioformats2raw(tmp_path / "a.zarr", images, xml=False)

    assert open_slide(tmp_path / "a.zarr").image == 1


def test_named_groups_in_a_zarr_are_images_too(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    for name, pixels in (("overview", LARGER), ("tissue", SLIDE)):
        write_multiscale(root.create_group(name), planes_of(pixels), axes="cyx")

    slide = open_slide(tmp_path / "a.zarr")

    assert (slide.shape, slide.images[slide.image]) == ((96, 128), "tissue")


def test_a_damaged_description_beside_the_images_does_no_harm(tmp_path: Path) -> None:
    write_bioformats2raw(tmp_path / "a.zarr", [("slide", planes_of(SLIDE), 0.5)])
    (tmp_path / "a.zarr" / "OME" / "METADATA.ome.xml").write_text("<OME><Image")

    assert open_slide(tmp_path / "a.zarr").shape == (96, 128)


def test_a_plate_of_wells_is_no_slide(tmp_path: Path) -> None:
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": []}

    with pytest.raises(SlideError, match=r"a\.zarr is a plate of wells, not a slide"):
        open_slide(tmp_path / "a.zarr")


def write_svs(path: Path, *, with_label: bool = True, with_thumbnail: bool = True) -> None:
    """Write Aperio's pages; a label and a macro that are larger than the tissue."""
    with tifffile.TiffWriter(path) as file:
        tiled: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
        plain: dict[str, Any] = {"photometric": "rgb", "metadata": None, "compression": "lzw"}
        file.write(SLIDE, description="Aperio Image Library v1\n128x96 |AppMag = 40|MPP = 0.25", **tiled)
        if with_thumbnail:
            file.write(SMALL, description="Aperio Image Library v1\n128x96 -> 30x40", **plain)
        if with_label:
            file.write(LARGER, description="Aperio Image Library v1\nlabel 500x300", subfiletype=1, **plain)
        file.write(LARGER[:250], description="Aperio Image Library v1\nmacro 500x250", subfiletype=9, **plain)


@pytest.mark.parametrize(
    "kind", [{}, {"with_label": False}, {"with_thumbnail": False}, {"with_thumbnail": False, "with_label": False}]
)
def test_aperios_label_and_macro_are_known_by_their_descriptions(tmp_path: Path, kind: dict[str, bool]) -> None:
    write_svs(tmp_path / "a.svs", **kind)

    slide = open_slide(tmp_path / "a.svs")

    assert (slide.shape, slide.mpp, slide.notice) == ((96, 128), 0.25, "")
    assert open_slide(tmp_path / "a.svs", image="macro").shape == (250, 500)
    assert open_slide(tmp_path / "a.svs", image="macro").mpp is None


def scn_xml(images: list[tuple[str, int, tuple[int, int]]], depth: int = 1) -> str:
    parts = []
    for name, ifd, (height, width) in images:
        size = f'sizeX="{width}" sizeY="{height}"'
        inside = f'<pixels {size}><dimension r="0" c="0" z="0" ifd="{ifd}" {size}/></pixels>'
        parts.append(f'<image name="{name}" sizeZ="{depth}">{inside}</image>')
    space = "http://www.leica-microsystems.com/scn/2010/10/01"
    return f'<?xml version="1.0"?><scn xmlns="{space}"><collection name="c">{"".join(parts)}</collection></scn>'


def write_scn(path: Path, pages: list[np.ndarray], microns: list[float], xml: str) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for number, (page, size) in enumerate(zip(pages, microns, strict=True)):
            text = {"description": xml} if number == 0 else {}
            file.write(
                page,
                photometric="rgb",
                tile=(64, 64),
                metadata=None,
                resolution=(1e4 / size,) * 2,
                resolutionunit=3,
                **text,
            )


def test_of_leicas_regions_the_largest_is_opened_with_its_resolution_and_the_others_are_offered(tmp_path: Path) -> None:
    named = [("macro 1", 0, (300, 500)), ("region a", 1, (40, 30)), ("region b", 2, (96, 128))]
    write_scn(tmp_path / "a.scn", [LARGER, SMALL, SLIDE], [16.4, 0.5, 0.25], scn_xml(named))

    slide = open_slide(tmp_path / "a.scn")

    assert (slide.shape, slide.mpp) == ((96, 128), pytest.approx(0.25))
    assert "1 'region a' (40 x 30)" in slide.notice
    assert open_slide(tmp_path / "a.scn", image="region a").mpp == pytest.approx(0.5)


def test_a_stack_of_leica_is_refused_as_one(tmp_path: Path) -> None:
    write_scn(tmp_path / "a.scn", [SLIDE], [0.25], scn_xml([("s", 0, (96, 128))], depth=3))

    with pytest.raises(SlideError, match=r"a\.scn holds 3 planes of a stack"):
        open_slide(tmp_path / "a.scn")


def test_a_generic_tiff_knows_labels_by_their_descriptions(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page, text in ((LARGER, "Label image of the slide"), (SLIDE, "Scan 1")):
            file.write(page, photometric="rgb", metadata=None, description=text)

    slide = open_slide(tmp_path / "a.tif")

    assert (slide.shape, slide.image) == ((96, 128), 1)
