import numpy as np
import pytest
import torch

from nucloop.classes import ClassScheme
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig
from nucloop.detection.stage import Stage
from nucloop.errors import SlideError
from nucloop.learning.featurise import features_at
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.files.cards import Card
from nucloop.models.heads import LinearHead
from nucloop.slides import Slide, slide_from_array

SHAPE = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "channels": 8, "mpp": 0.5}


@pytest.fixture
def slide() -> Slide:
    rng = np.random.default_rng(0)
    return slide_from_array(rng.integers(0, 200, (700, 500, 3), dtype=np.uint8), mpp=0.25)


@pytest.fixture
def encoder() -> tuple[PointEncoder, Card]:
    torch.manual_seed(0)
    return PointEncoder(EncoderConfig(**SHAPE)).eval(), Card(
        kind="encoder", name="random", architecture="test", mpp=0.5, halo=160
    )


def test_features_are_those_the_pipeline_classified_by(slide, encoder):
    torch.manual_seed(1)
    detector = DenucDetector(DenucConfig(**SHAPE)).eval()
    torch.nn.init.normal_(detector.head[-1].weight, std=3.0)
    torch.nn.init.zeros_(detector.head[-1].bias)
    card = Card(kind="detector", name="random", architecture="test", mpp=0.5, halo=160)
    head = LinearHead(ClassScheme.named("brca-m2c"), np.zeros((4, 8), np.float32), np.zeros(4, np.float32), keep=1.0)
    config = InferenceConfig(threshold=0.3, tile=128, rotations=1)
    pipeline = Pipeline((detector, card), encoder, head, device="torch-cpu", config=config)
    found = list(pipeline.run(slide))
    yx = np.concatenate([part.nuclei.yx for part in found])
    expected = np.concatenate([part.features for part in found])

    features = np.full_like(expected, np.nan)
    parts = list(features_at(slide, Stage(*encoder, "torch-cpu", 1), yx, side=200))
    for part in parts:
        features[part.rows] = part.features

    assert len(yx) > 20
    assert [part.done for part in parts][-1] == parts[0].total == len(yx)
    # positions are rounded to 1/64 pixel after features were sampled
    np.testing.assert_allclose(features, expected, atol=2e-2 * np.abs(expected).max())


def test_the_fullest_tile_comes_first_and_every_point_once(slide, encoder):
    yx = np.concatenate([np.random.default_rng(0).uniform(0, 499, (40, 2)), [[690, 490], [650, 480]]])
    parts = list(features_at(slide, Stage(*encoder, "torch-cpu", 1), yx, side=256))
    np.testing.assert_array_equal(np.sort(np.concatenate([p.rows for p in parts])), np.arange(42))
    assert [len(p.rows) for p in parts] == [40, 2]


def test_points_beside_the_slide_have_no_features_and_the_others_are_as_without_them(slide, encoder):
    stage = Stage(*encoder, "torch-cpu", 1)
    seen = np.array([[100.0, 100.0], [699.4, 499.4], [-0.5, 0.0]])
    beside = np.array([[-300.0, 10], [1e6, 1e6], [-1e5, 3], [700, 499], [10, 900]])
    (alone,) = features_at(slide, stage, seen)
    parts = list(features_at(slide, stage, np.concatenate([beside, seen])))
    rows = np.concatenate([part.rows for part in parts])
    assert sorted(rows.tolist()) == [5, 6, 7]
    np.testing.assert_array_equal(parts[0].features[np.argsort(rows)], alone.features[np.argsort(alone.rows)])
    assert list(features_at(slide, stage, beside)) == []


def test_no_points_need_no_work(slide, encoder):
    assert list(features_at(slide, Stage(*encoder, "torch-cpu", 1), np.zeros((0, 2)))) == []


def test_a_slide_that_does_not_say_its_resolution_is_a_sentence(encoder):
    slide = slide_from_array(np.zeros((64, 64, 3), np.uint8), mpp=None)
    with pytest.raises(SlideError):
        list(features_at(slide, Stage(*encoder, "torch-cpu", 1), np.zeros((1, 2))))
