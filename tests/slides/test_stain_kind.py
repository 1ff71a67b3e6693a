import os
from pathlib import Path

import numpy as np
import pytest

from nucloop.slides import open_slide
from nucloop.slides.stain_kind import StainKind, stain_kind
from nucloop.slides.stains import H_AND_E, H_DAB, od_to_rgb
from nucloop.training.datasets import open_dataset

DATA = Path(os.environ.get("NUCLOOP_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def tissue(matrix, second, share=0.1):
    """Pale haematoxylin everywhere, the second stain on a share of the pixels."""
    rng = np.random.default_rng(0)
    amounts = np.zeros((200, 200, 3))
    amounts[..., 0] = rng.uniform(0.1, 0.8, (200, 200))
    amounts[..., 1] = np.where(rng.random((200, 200)) < share, second, 0.0)
    return od_to_rgb(amounts @ matrix)


def test_brown_is_dab_pink_is_eosin_and_blue_alone_is_neither():
    assert stain_kind(tissue(H_DAB, 1.2)) is StainKind.H_DAB
    assert stain_kind(tissue(H_AND_E, 0.8, share=0.6)) is StainKind.H_E
    assert stain_kind(tissue(H_DAB, 0.0)) is None


def test_pale_eosin_that_is_a_little_yellow_is_not_taken_for_dab():
    yellowish = tissue(H_AND_E, 0.8, share=0.5).astype(float) * [1.0, 1.0, 0.93]
    assert stain_kind(yellowish.astype(np.uint8)) is StainKind.H_E


def test_glass_has_no_stain():
    assert stain_kind(np.full((100, 100, 3), 250, np.uint8)) is None


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("data", "split", "kind", "wrong"),
    [
        ("bcdata:bcdata-ki67-sample", "test", StainKind.H_DAB, 0),
        ("deepliif:deepliif-ki67-sample", "test", StainKind.H_DAB, 0),
        ("brca-m2c:brca-m2c", "val", StainKind.H_E, 0),
        ("tnbc:tnbc", "train", StainKind.H_E, 0),
        ("monuseg:monuseg-train-subset", "train", StainKind.H_E, 0),
    ],
)
def test_on_real_images_the_stain_is_recognised(data, split, kind, wrong):
    name, _, folder = data.partition(":")
    if not (DATA / folder).exists():
        pytest.skip(f"{name} is not in {DATA / folder}")
    fields = open_dataset(f"{name}:{DATA / folder}", split).fields
    assert sum(stain_kind(one.read()) is not kind for one in fields) <= wrong


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openslide-crops/OS-1-detail.ome.tif", StainKind.H_E),
        ("openslide-crops/OS-2-ndpi.ome.tif", StainKind.H_DAB),
        ("openslide-crops/OS-2-vsi.ome.tif", StainKind.H_DAB),
        ("sample-slides/CMU-1-Small-Region.svs", StainKind.H_E),
    ],
)
def test_on_real_slides_the_stain_is_recognised(name, kind):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in {DATA}")
    with open_slide(DATA / name) as slide:
        assert stain_kind(slide.read_region(slide.box)) is kind
