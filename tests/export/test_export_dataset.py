from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import yaml
import zarr
from PIL import Image

from nucloop.classes import builtin_schemes
from nucloop.errors import DataError
from nucloop.export.build import DatasetConfig, export_dataset
from nucloop.export.cutting import CutConfig, patch_pixels, patches_of
from nucloop.export.folds import TEST, divide, touching
from nucloop.export.groups import groups_of
from nucloop.export.manifest import FILE_NAME, Manifest
from nucloop.export.reading import altered_files
from nucloop.export.sources import Source
from nucloop.geometry import Region
from nucloop.nuclei import UNLABELLED, Nuclei
from nucloop.outlines import Outlines
from nucloop.slides import open_slide, slide_from_array
from nucloop.training.datasets import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

BRCA = builtin_schemes()["brca-m2c"]


def marked(seed: int = 0, *, mpp: float = 0.5, side: int = 300, patient: str = "", regions: tuple = ()) -> Source:
    """A noisy slide with a dark pixel at each nucleus."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(150, 250, (side, side, 3), dtype=np.uint8)
    yx = np.unique(rng.integers(0, side, (60, 2)), axis=0)
    pixels[yx[:, 0], yx[:, 1]] = (seed, 0, 0)
    label = rng.integers(0, 3, len(yx))
    nuclei = Nuclei.from_points(BRCA, yx, label=label, ids=np.arange(1, len(yx) + 1))
    return Source(slide_from_array(pixels, mpp=mpp, name=f"slide {seed}"), nuclei, regions, patient)


def exported(folder: Path, sources: list[Source], **options: object) -> Manifest:
    cut = CutConfig(**{key: options.pop(key) for key in ("mpp", "size", "stride", "blank") if key in options})
    *_, last = export_dataset(sources, folder, DatasetConfig(name="set", cut=cut, **options))
    assert last.manifest is not None
    return last.manifest


def square(top: float, left: float, bottom: float, right: float) -> Region:
    return Region(np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float))


@pytest.mark.parametrize(("size", "stride"), [(64, None), (64, 40), (224, None), (None, None)])
def test_every_nucleus_lies_on_its_pixel_in_every_patch(size: int | None, stride: int | None) -> None:
    source = marked()
    config = CutConfig(size=size, stride=stride)
    seen = set()

    for patch in patches_of(source, config):
        pixels = patch_pixels(source, patch, config)
        places = patch.nuclei.yx.astype(int)
        assert (pixels[places[:, 0], places[:, 1]] == (0, 0, 0)).all()
        assert ((pixels == 0).all(axis=2).sum()) == len(patch.nuclei)
        seen |= set(patch.nuclei.ids.tolist())

    assert seen == set(source.nuclei.ids.tolist())


def test_at_another_resolution_a_nucleus_keeps_its_place() -> None:
    pixels = np.full((400, 400, 3), 255, np.uint8)
    pixels[201:205, 101:105] = 0
    nuclei = Nuclei.from_points(BRCA, [[202.5, 102.5]], label=[0])
    source = Source(slide_from_array(pixels, mpp=0.25, name="s"), nuclei)
    config = CutConfig(mpp=0.5, size=None)

    [patch] = patches_of(source, config)

    np.testing.assert_allclose(patch.nuclei.yx, [[101, 51]])
    dark = np.argwhere(patch_pixels(source, patch, config)[..., 0] < 128)
    np.testing.assert_allclose(dark.mean(axis=0), [101, 51], atol=0.5)


def test_an_outline_lies_around_its_nucleus_in_every_patch() -> None:
    source = marked(mpp=0.25)
    corners = np.array([[-2, -2], [-2, 2], [2, 2], [2, -2]])
    outlines = Outlines.of([place + corners for place in source.nuclei.yx])
    source = replace(source, nuclei=replace(source.nuclei, outlines=outlines))

    for patch in patches_of(source, CutConfig(mpp=0.5, size=64)):
        middles = [ring.mean(0) for ring in patch.nuclei.outlines or ()]
        np.testing.assert_allclose(np.reshape(middles, (-1, 2)), patch.nuclei.yx, atol=1e-3)


def test_outside_the_annotated_area_pixels_are_white_and_nuclei_are_left_out() -> None:
    triangle = Region(np.array([[20.0, 20.0], [20.0, 120.0], [120.0, 20.0]]))
    source = marked(regions=(triangle,))
    config = CutConfig(size=64)

    for patch in patches_of(source, config):
        pixels = patch_pixels(source, patch, config)
        rows, columns = np.mgrid[: patch.height, : patch.width]
        far = rows + patch.top + columns + patch.left > 141
        assert (pixels[far] == 255).all()
        assert ((patch.nuclei.yx + np.array([patch.top, patch.left])).sum(axis=1) <= 140.5).all()


def test_patients_are_never_divided_and_classes_are_spread() -> None:
    rng = np.random.default_rng(0)
    groups = {f"patient {k}": rng.integers(0, 100, 3) for k in range(25)}

    folds = divide(groups, 5, 0.2)

    assert set(folds) == set(groups)
    assert set(folds.values()) == {TEST, 0, 1, 2, 3, 4}
    totals = {fold: sum(groups[name] for name in groups if folds[name] == fold) for fold in range(5)}
    assert max(t.sum() for t in totals.values()) < 1.6 * min(t.sum() for t in totals.values())
    assert divide(groups, 5, 0.2) == folds


def test_every_fold_gets_a_group_even_when_they_are_few_and_unequal() -> None:
    folds = divide({"large": np.array([1000]), "small": np.array([1]), "empty": np.array([0])}, 3, 0)

    assert sorted(folds.values()) == [0, 1, 2]


def test_too_few_groups_are_refused_rather_than_divided() -> None:
    with pytest.raises(DataError, match=r"2 group\(s\) cannot be divided into 3 fold"):
        divide({"a": np.array([1]), "b": np.array([1])}, 3, 0)


def test_regions_that_overlap_belong_together() -> None:
    regions = [square(0, 0, 10, 10), square(50, 50, 60, 60), square(9, 9, 20, 20), square(19, 19, 30, 30)]

    assert touching(regions, 0) == [0, 1, 0, 0]


@pytest.mark.parametrize("group_by", ["patient", "slide", "region"])
def test_no_two_folds_share_a_group(tmp_path: Path, group_by: str) -> None:
    regions = (square(0, 0, 60, 60), square(50, 50, 120, 120), square(200, 200, 260, 260), square(0, 200, 60, 260))
    sources = [marked(k, patient=f"p{k // 2}", regions=regions) for k in range(4)]

    manifest = exported(tmp_path / "set", sources, size=48, folds=2, group_by=group_by)

    folds = {}
    for patch in manifest.patches:
        key = {"patient": patch.source // 2, "slide": patch.source, "region": (patch.source, min(patch.region, 1))}
        if group_by == "region":
            key["region"] = (patch.source, 0 if patch.region < 2 else patch.region)
        folds.setdefault(key[group_by], set()).add(patch.fold)
    assert all(len(one) == 1 for one in folds.values())
    assert {patch.fold for patch in manifest.patches} == {0, 1}


def test_a_slide_of_two_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="belongs to two patients"):
        exported(tmp_path / "set", [marked(1, patient="a"), marked(1, patient="b")])


@pytest.mark.parametrize("other", ["P 1", "p 1", " P 1 ", "P  1", "P\t1"])
def test_patients_that_differ_in_blanks_and_case_are_one(tmp_path: Path, other: str) -> None:
    sources = [marked(k, patient=patient) for k, patient in enumerate(["P 1", other, "P 2", "P2"])]

    groups = groups_of(sources, "patient", CutConfig())

    assert groups == [["P 1"], ["P 1"], ["P 2"], ["P2"]]
    with pytest.raises(DataError, match=r"3 group\(s\) cannot be divided into 4 fold"):
        exported(tmp_path / "set", sources, folds=4)


def in_file(path: Path, seed: int, patient: str = "") -> Source:
    """A slide in a file of bare pixels that begins with white paper."""
    source = marked(seed, side=700)
    pixels = source.slide.read_region(source.slide.box)
    pixels[:600] = 255
    if path.suffix == ".zarr":
        zarr.save_array(path, pixels)
    else:
        tifffile.imwrite(path, pixels, photometric="rgb")
    return replace(source, slide=open_slide(path, mpp=0.5), patient=patient)


@pytest.mark.parametrize("ending", [".tif", ".zarr"])
@pytest.mark.parametrize("group_by", ["patient", "slide"])
def test_copies_of_a_slide_under_two_names_are_one_slide(tmp_path: Path, ending: str, group_by: str) -> None:
    first = in_file(tmp_path / f"a{ending}", 1)
    copied = shutil.copytree if ending == ".zarr" else shutil.copy
    copied(tmp_path / f"a{ending}", tmp_path / f"b{ending}")
    second = replace(first, slide=open_slide(tmp_path / f"b{ending}", mpp=0.5))
    other = in_file(tmp_path / f"c{ending}", 2)

    (a,), (b,), (c,) = groups_of([first, second, other], group_by, CutConfig())

    assert a == b
    assert a != c


def test_a_copy_of_a_slide_for_another_patient_is_refused(tmp_path: Path) -> None:
    first = in_file(tmp_path / "a.tif", 1, "P1")
    shutil.copy(tmp_path / "a.tif", tmp_path / "b.tif")
    second = replace(first, slide=open_slide(tmp_path / "b.tif", mpp=0.5), patient="P2")

    with pytest.raises(DataError, match="belongs to two patients, 'P1' and 'P2'"):
        groups_of([first, second], "slide", CutConfig())


def test_slides_that_begin_alike_are_two(tmp_path: Path) -> None:
    sources = [in_file(tmp_path / f"{k}.tif", k, f"P{k}") for k in range(2)]

    assert groups_of(sources, "slide", CutConfig())[0] != groups_of(sources, "slide", CutConfig())[1]


def test_training_reads_what_was_exported(tmp_path: Path) -> None:
    sources = [marked(k) for k in range(3)]

    manifest = exported(tmp_path / "set", sources, size=100, folds=3, licence="CC0-1.0", authors=("A", "B"))

    train, val = (open_dataset(f"nucloop:{tmp_path / 'set'}", split) for split in ("train", "val"))
    assert train.licence == "CC0-1.0"
    assert train.scheme == BRCA
    assert len(train.fields) + len(val.fields) == len(manifest.patches) == 27
    assert not {field.group for field in train.fields} & {field.group for field in val.fields}
    for field in (*train.fields, *val.fields):
        places = field.yx.astype(int)
        assert (field.pixels[places[:, 0], places[:, 1], 1:] == 0).all()
    other = open_dataset(f"nucloop:{tmp_path / 'set'}", "val-2")
    assert {field.group for field in other.fields} != {field.group for field in val.fields}


@pytest.mark.parametrize("split", ["test", "val-7", "nonsense", "train-", "val-٣"])
def test_a_split_that_is_not_there_is_refused(tmp_path: Path, split: str) -> None:
    exported(tmp_path / "set", [marked(k) for k in range(2)])

    with pytest.raises(DataError, match="split"):
        open_dataset(f"nucloop:{tmp_path / 'set'}", split)


def test_the_manifest_counts_each_fold_and_knows_every_file(tmp_path: Path) -> None:
    manifest = exported(tmp_path / "set", [marked(k) for k in range(3)], size=100, folds=2, test_share=0.3)

    written = json.loads((tmp_path / "set" / FILE_NAME).read_text())
    assert set(written["counts_per_fold"]) == {"0", "1", "test"}
    assert Manifest.read(tmp_path / "set") == manifest
    assert list(altered_files(tmp_path / "set")) == []
    (tmp_path / "set" / manifest.patches[3].labels).write_text("y,x\n")
    assert list(altered_files(tmp_path / "set")) == [manifest.patches[3].labels]
    total = Counter({name: sum(count[name] for count in written["counts_per_fold"].values()) for name in BRCA.names})
    assert total == Counter(BRCA.names[k] for seed in range(3) for k in marked(seed).nuclei.label)


def test_a_manifest_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    exported(tmp_path / "set", [marked(k) for k in range(2)])
    path = tmp_path / "set" / FILE_NAME
    path.write_text(path.read_text().replace('"image": "images/', '"image": "../images/', 1))

    with pytest.raises(DataError, match="not in its folder"):
        open_dataset(f"nucloop:{tmp_path / 'set'}", "train")


def test_the_datasheet_has_pictures_and_tables(tmp_path: Path) -> None:
    exported(tmp_path / "set", [marked(k) for k in range(2)], licence="CC0 | <b>", description="What it is.")

    text = (tmp_path / "set" / "README.md").read_text()
    assert "What it is." in text
    assert "CC0 / (b)" in text
    assert "| lymphocyte |" in text
    for name in ("patches", "classes"):
        with Image.open(tmp_path / "set" / "datasheet" / f"{name}.png") as picture:
            assert picture.width > 100


def test_cellvits_layout_has_its_folders_lists_and_label_map(tmp_path: Path) -> None:
    manifest = exported(tmp_path / "set", [marked(k) for k in range(3)], layout="cellvit", folds=2, test_share=0.3)

    root = tmp_path / "set"
    assert yaml.safe_load((root / "label_map.yaml").read_text()) == dict(enumerate(BRCA.names))
    train, val = ((root / "splits/fold_1" / f"{name}.csv").read_text().split() for name in ("train", "val"))
    images = {path.stem for path in (root / "train/images").iterdir()}
    assert images == {*train, *val}
    assert not set(train) & set(val)
    assert len(list((root / "test/images").iterdir())) == sum(patch.fold == TEST for patch in manifest.patches)
    with (root / "train/labels" / f"{train[0]}.csv").open() as file:
        x, y, label = map(int, next(csv.reader(file)))
    with Image.open(root / "train/images" / f"{train[0]}.png") as picture:
        assert picture.getpixel((x, y))[1:] == (0, 0)
    assert 0 <= label < 3


def test_brca_m2cs_layout_is_read_by_its_own_reader(tmp_path: Path) -> None:
    manifest = exported(tmp_path / "set", [marked(k) for k in range(3)], layout="brca-m2c", folds=2, test_share=0.3)

    fields = [
        f for split in ("train", "val", "test") for f in open_dataset(f"brca-m2c:{tmp_path / 'set'}", split).fields
    ]

    assert len(fields) == len(manifest.patches)
    for field in fields:
        places = field.yx.astype(int)
        assert (field.pixels[places[:, 0], places[:, 1], 1:] == 0).all()


def test_ocelots_layout_has_its_splits_and_codes(tmp_path: Path) -> None:
    sources = [marked(k) for k in range(3)]
    mapping = {"lymphocyte": "background cell", "stromal": "background cell"}

    *_, _last = export_dataset(sources, tmp_path / "set", DatasetConfig(name="s", layout="ocelot", folds=3), mapping)

    pairs = json.loads((tmp_path / "set/metadata.json").read_text())["sample_pairs"]
    assert Counter(pair["subset"] for pair in pairs.values()) == {"train": 8, "val": 4}
    [first, *_] = pairs
    text = (tmp_path / "set/annotations" / pairs[first]["subset"] / "cell" / f"{first}.csv").read_text()
    assert {line.rpartition(",")[2] for line in text.split()} <= {"1", "2"}
    with pytest.raises(DataError, match="are not in scheme ocelot"):
        list(export_dataset(sources, tmp_path / "other", DatasetConfig(name="s", layout="ocelot")))
    assert not (tmp_path / "other").exists()


def test_cocos_layout_joins_images_categories_and_annotations(tmp_path: Path) -> None:
    exported(tmp_path / "set", [marked(k) for k in range(3)], layout="coco", folds=3)

    data = json.loads((tmp_path / "set/annotations/fold_2/train.json").read_text())
    images = {image["id"]: image for image in data["images"]}
    assert len({one["id"] for one in data["annotations"]}) == len(data["annotations"])
    for one in data["annotations"]:
        x, y, visible = one["keypoints"]
        with Image.open(tmp_path / "set/images" / images[one["image_id"]]["file_name"]) as picture:
            assert picture.getpixel((int(x), int(y)))[1:] == (0, 0)
        assert visible == 2


def test_nuclei_without_a_class_stay_in_our_layout_and_are_named_in_others(tmp_path: Path) -> None:
    def half(seed: int) -> Source:
        source = marked(seed)
        label = np.where(np.arange(len(source.nuclei)) % 2, UNLABELLED, source.nuclei.label)
        nuclei = Nuclei.from_points(BRCA, source.nuclei.yx, label=label)
        return Source(source.slide, nuclei)

    ours = exported(tmp_path / "ours", [half(0), half(1)])
    theirs = exported(tmp_path / "theirs", [half(0), half(1)], layout="cellvit")

    assert ours.counts(0)[""] > 0
    assert ours.left_out == ()
    assert "without a class have no place" in theirs.left_out[0]


def test_what_cannot_be_exported_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    with pytest.raises(DataError, match="is not empty"):
        exported(tmp_path / "full", [marked()])
    with pytest.raises(DataError, match="There are no slides"):
        exported(tmp_path / "none", [])
    with pytest.raises(DataError, match=r"0\.5 µm per pixel"):
        exported(tmp_path / "coarse", [marked()], layout="brca-m2c", mpp=1.0)
    with pytest.raises(DataError, match="has no regions"):
        exported(tmp_path / "large", [marked(side=3800, mpp=2.4)], mpp=0.5)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
