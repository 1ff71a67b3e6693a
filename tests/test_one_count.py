"""The same drawn region holds the same nuclei for detection, lasso, figures, exports and training sets."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nucloop.classes import ClassScheme
from nucloop.evaluation.comparison import ComparisonConfig, FilePair, compare
from nucloop.evaluation.live import LiveConfig
from nucloop.evaluation.readers import compare_readers
from nucloop.export.cutting import CutConfig, patches_of
from nucloop.export.sources import Source
from nucloop.formats import Document, read_document, read_regions, write_document
from nucloop.formats.scope import select
from nucloop.formats.slide_info import SlideInfo
from nucloop.geometry import Region
from nucloop.ki67.counting import Ki67Mapping, measure_ki67
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity
from nucloop.session.exchange import keep_regions, kept_regions
from nucloop.slides import slide_from_array
from nucloop.slides.tiling import TiledRegion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KI67, MPP, SIDE = ClassScheme.named("ki67"), 0.5, 130
rng = np.random.default_rng(0)
# whole pixels, on which the borders below lie, and places between them
PLACES = np.concatenate([np.argwhere(np.ones((60, 60))) * 2.0, rng.uniform(0, SIDE - 1, (400, 2)).astype(np.float32)])
NUCLEI = Nuclei.from_points(KI67, PLACES, label=rng.integers(0, 2, len(PLACES)), ids=np.arange(1, len(PLACES) + 1))
ANGLE = np.arange(5) * (4 * np.pi / 5)
SQUARE = np.array([[20.0, 20], [20, 80], [80, 80], [80, 20]])
SHAPES = {
    "square": Region(SQUARE),
    "hole": Region(SQUARE, (SQUARE / 2 + 25,)),
    "hole that sticks out": Region(SQUARE, (SQUARE + 30,)),
    "bow tie": Region(np.array([[10.0, 10], [110, 110], [10, 110], [110, 10]])),
    "pentagram": Region(np.stack([60 + 50 * np.cos(ANGLE), 60 + 50 * np.sin(ANGLE)], 1)),
    "pieces": Region.of_pieces(
        [[SQUARE, SQUARE / 2 + 25], [(SQUARE - 50) / 6 + 50], [(SQUARE - 50) / 3 + 107]], "tumour"
    ),
}
rings = st.integers(3, 9).flatmap(lambda n: arrays(np.float64, (n, 2), elements=st.floats(0, 120, width=32)))
tens = st.integers(0, 12).map(lambda k: 10.0 * k)
whole_rings = st.integers(3, 9).flatmap(lambda n: arrays(np.float64, (n, 2), elements=tens))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    path = tmp_path_factory.mktemp("session") / "a.svs.nucloop"
    slide = SlideIdentity(SlideInfo(name="a.svs", height=SIDE, width=SIDE, mpp=MPP, sha256="ab" * 32), 1)
    with Session.open(path, slide=slide, scheme=KI67, author="Dr A") as opened:
        opened.add(PLACES)
        yield opened


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> FilePair:
    folder = tmp_path_factory.mktemp("pair")
    for name in ("found", "truth"):
        (folder / name).write_text("")
    return FilePair("a", folder / "found", folder / "truth")


def counts(region: Region, session: Session, pair: FilePair) -> dict[str, int]:
    """How many of the nuclei everybody finds in a region."""
    slide = slide_from_array(np.full((SIDE, SIDE, 3), 200, np.uint8), mpp=MPP, name="a")
    mapping = Ki67Mapping.guess(KI67)
    *_, scored = compare([pair], ComparisonConfig(mpp=MPP, regions=(region,)), lambda _: Document(nuclei=NUCLEI))
    source = Source(slide, NUCLEI, (region,))
    patches = patches_of(source, CutConfig(mpp=MPP, size=None, least_cover=0))
    readings = compare_readers(NUCLEI, NUCLEI, MPP, regions=[region])
    found = {
        "lasso": len(session.in_polygon(region)),
        "score": scored.total.detection.tp,
        "live": int(LiveConfig(regions=(region,)).counted(NUCLEI.yx).sum()),
        "agree": len(readings.first),
        "ki67": measure_ki67(NUCLEI, mapping, MPP, {"a": region}).regions[0].total,
        "export": len(select(Document(nuclei=NUCLEI), regions=[region]).nuclei),
        "training set": sum(len(patch.nuclei) for patch in patches),
    }
    if region.area:
        found["detect"] = int(TiledRegion([region], slide.box).contains(NUCLEI.yx).sum())
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_all_find_the_same_nuclei_in(name: str, session: Session, pair: FilePair) -> None:
    region = SHAPES[name]
    expected = int(region.contains(PLACES).sum())

    assert set(counts(region, session, pair).values()) == {expected}
    assert 100 < expected < len(PLACES)


@settings(max_examples=60, deadline=None)
@given(ring=st.one_of(rings, whole_rings))
def test_all_find_the_same_nuclei_in_whatever_a_hand_draws(ring: np.ndarray, session: Session, pair: FilePair) -> None:
    region = Region(ring)

    assert set(counts(region, session, pair).values()) == {int(region.contains(PLACES).sum())}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("suffix", [".geojson", ".dsa.json", ".db"])
def test_a_region_that_went_through_a_file_holds_the_same_nuclei(name: str, suffix: str, tmp_path: Path) -> None:
    region, path = SHAPES[name], tmp_path / f"a{suffix}"

    assert write_document(path, Document(nuclei=NUCLEI, regions=(region,))) == []

    [found] = read_document(path).regions
    assert found.name == region.name
    # the pentagram's corners are no round numbers, and files round
    np.testing.assert_array_equal(found.contains(PLACES), region.contains(PLACES))
    assert len(found.holes) == len(region.valid().holes)
    assert len(list(found.pieces)) == len(list(region.valid().pieces))
    if suffix == ".geojson":
        assert [one == found for one in read_regions(path)] == [True]


def test_an_area_of_several_pieces_is_a_multipolygon_in_geojson(tmp_path: Path) -> None:
    write_document(tmp_path / "a.geojson", Document(nuclei=NUCLEI.take([0]), regions=(SHAPES["pieces"],)))

    feature = json.loads((tmp_path / "a.geojson").read_text())["features"][0]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert [len(polygon) for polygon in feature["geometry"]["coordinates"]] == [2, 1, 1]
    assert read_document(tmp_path / "a.geojson").regions == (SHAPES["pieces"],)


@pytest.mark.parametrize("name", SHAPES)
def test_a_region_is_the_same_to_the_last_digit_when_a_session_is_opened_again(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.svs.nucloop"
    slide = SlideIdentity(SlideInfo(name="a.svs", height=SIDE, width=SIDE, mpp=MPP, sha256="ab" * 32), 1)
    region = SHAPES[name].moved(1 / 3)
    with Session.open(path, slide=slide, scheme=KI67, author="Dr A") as session:
        keep_regions(session, [region])

    with Session.open(path, read_only=True) as session:
        assert kept_regions(session) == [region]


def test_a_session_from_before_regions_had_pieces_still_opens(tmp_path: Path) -> None:
    slide = SlideIdentity(SlideInfo(name="a.svs", height=SIDE, width=SIDE, mpp=MPP, sha256="ab" * 32), 1)
    with ExitStack() as opened:
        session = opened.enter_context(
            Session.open(tmp_path / "a.svs.nucloop", slide=slide, scheme=KI67, author="Dr A")
        )
        session.remember("regions", [{"name": "a", "outline": SQUARE.tolist(), "holes": [(SQUARE / 2 + 25).tolist()]}])

        assert kept_regions(session) == [Region(SQUARE, (SQUARE / 2 + 25,), "a")]
