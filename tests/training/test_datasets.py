"""Readers against the real folders; figures are those of each data set's own description."""

import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.classes import ClassScheme
from nucloop.errors import DataError
from nucloop.training.datasets import Field, leave_out, only, open_dataset
from nucloop.training.encoder import as_scheme

DATA = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.mark.parametrize(
    ("name", "folder", "split", "images", "nuclei"),
    [
        ("brca-m2c", "brca-m2c", "train", 80, 18647),
        ("brca-m2c", "brca-m2c", "val", 10, 3133),
        ("consep-20x", "consep-20x", "train", 22, None),
        ("consep-20x", "consep-20x", "val", 5, None),
        ("crchisto", "crchistophenotypes", "train", 22, 8715),
        ("crchisto", "crchistophenotypes", "val", 10, 2852),
        ("nucls", "nucls-sample-cc0", "train", 10, 398),
        ("bcdata", "bcdata-ki67-sample", "test", 13, None),
        ("deepliif", "deepliif-ki67-sample", "test", 4, 346),
        ("monuseg", "monuseg-train-subset", "train", 13, None),
        ("tnbc", "tnbc", "train", 36, 2483),
        ("dsb2018-tissue", "dsb2018-tissue", "train", 119, 5619),
        ("brecahad", "brecahad", "train", 30, 3751),
    ],
)
def test_a_data_set_is_read_completely_with_points_on_dark_nuclei(name, folder, split, images, nuclei):
    if not (DATA / folder).exists():
        pytest.skip(f"the data set {folder} is not in {DATA} (set NUCLOOP_DATA)")
    dataset = open_dataset(f"{name}:{DATA / folder}", split)
    assert len(dataset.fields) == images
    if nuclei is not None:
        assert sum(len(f.yx) for f in dataset.fields) == nuclei
    darker = []
    for field in dataset.fields:
        grey = field.pixels.mean(2)
        assert ((field.yx >= -0.5) & (field.yx <= np.array(grey.shape))).all()
        rows = np.clip(field.yx.round().astype(int), 0, np.array(grey.shape) - 1)
        darker.append(grey.mean() - grey[rows[:, 0], rows[:, 1]].mean())
    assert np.mean(darker) > 15


def _folder(path: Path, ending: str, labels: dict[str, str], listed: str) -> Path:
    """A data set of white images of 40 pixels, with these label files and this list of images."""
    for name in ("images", "labels"):
        (path / name).mkdir()
    for name, text in labels.items():
        Image.fromarray(np.full((40, 40, 3), 255, np.uint8)).save(path / "images" / f"{name}.{ending}")
        (path / "labels" / f"{name}.csv").write_text(text)
    (path / "images.csv").write_text(listed)
    return path


@pytest.mark.parametrize(
    ("name", "folder"),
    [("tnbc", "tnbc"), ("dsb2018-tissue", "dsb2018-tissue"), ("monuseg", "monuseg-train-subset")],
)
def test_every_nucleus_of_a_set_with_masks_has_its_own_area(name, folder):
    if not (DATA / folder).exists():
        pytest.skip(f"the data set {folder} is not in {DATA} (set NUCLOOP_DATA)")
    for field in open_dataset(f"{name}:{DATA / folder}", "train").fields[::6]:
        whose = field.instances()
        size = np.bincount(whose[whose > 0], minlength=len(field.yx) + 1)[1:]
        assert (size > 0).mean() > 0.99
        places = field.yx.round().astype(int)
        own = whose[places[:, 0], places[:, 1]] == np.arange(1, len(places) + 1)
        assert own[size > 0].mean() > 0.97
        assert (whose >= 0).mean() > 0.999


def test_images_of_one_patient_of_tnbc_are_left_out_together(tmp_path):
    marks = "x,y,area_px\n12.5,3.25,99\n"
    names = ["tnbc_1007", "tnbc_1008", "tnbc_1010", "tnbc_1050"]
    folder = _folder(tmp_path, "png", dict.fromkeys(names, marks), "name\n" + "\n".join(names))
    data = open_dataset(f"tnbc:{folder}", "train")
    assert [f.group for f in data.fields] == ["patient-01", "patient-02", "patient-02", "patient-11"]
    assert [f.name for f in only(data.fields, ["patient-02"])] == ["tnbc_1008", "tnbc_1010"]
    assert [f.name for f in leave_out(data.fields, ["patient-02"])] == ["tnbc_1007", "tnbc_1050"]
    assert data.fields[0].yx.tolist() == [[3.25, 12.5]]
    assert (data.licence, data.shippable, data.exhaustive) == ("CC-BY-4.0", True, True)


def test_every_image_of_the_data_science_bowl_has_its_own_scale(tmp_path):
    listed = "name,look,um_per_px_estimate\na,violet,0.112\nb,H&E,0.566\n"
    folder = _folder(tmp_path, "png", dict.fromkeys("ab", "x,y,area_px\n"), listed)
    fields = open_dataset(f"dsb2018-tissue:{folder}", "train").fields
    assert [(f.mpp, f.group, len(f.yx)) for f in fields] == [(0.112, "violet", 0), (0.566, "H&E", 0)]


def test_marks_of_brecahad_that_could_be_two_classes_keep_both_and_the_unmarked_rest_is_not_background(tmp_path):
    marks = "x,y,class_id\n1,2,1\n3,4,2\n5,6,3\n7,8,4\n"
    folder = _folder(tmp_path, "jpg", {"Case_12-03": marks}, "name\nCase_12-03\n")
    data = open_dataset(f"brecahad:{folder}", "train")
    assert data.fields[0].group == "Case_12"
    assert not data.fields[0].exhaustive
    (field,) = as_scheme(data, ClassScheme.named("brca-m2c"))
    # tumour; lymphocyte or stromal; mitosis, which is of tumour; apoptosis, which may be of any
    assert field.label.tolist() == [1, -1, 1, -1]
    assert field.choices.tolist() == [[False] * 3, [True, False, True], [False] * 3, [False] * 3]
    assert not field.exhaustive
    # OCELOT calls them tumour cells, and a stromal cell has no class of its own there
    (other,) = as_scheme(data, ClassScheme.named("ocelot"))
    assert other.label.tolist() == [1, -1, 1, -1]
    assert other.choices is None


def field(path: Path) -> Field:
    return Field(path, np.zeros((0, 2), np.float32), np.zeros(0, np.int16), 0.5, "")


def test_an_image_that_is_broken_anywhere_or_has_an_impossible_name_is_a_sentence(tmp_path: Path):
    path, file = tmp_path / "broken.png", io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    whole = file.getvalue()
    for at in range(8, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x24]) + whole[at + 1 :])
        with suppress(DataError):
            field(path).read()
        path.write_bytes(whole[:at])
        with suppress(DataError):
            field(path).read()
    with pytest.raises(DataError, match="Cannot read the image"):
        field(tmp_path / "a\0b.png").read()
