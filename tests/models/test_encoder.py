import numpy as np
import pytest
import torch

from nucloop.classes import ClassScheme
from nucloop.models.encoder import EncoderConfig, PointEncoder, sample_at
from nucloop.models.heads import LinearHead


@pytest.mark.parametrize(
    ("config", "features"),
    [
        (EncoderConfig(options={"pad_type": "same"}), 128),
        (EncoderConfig(backbone="resnet18", strides=(4, 8, 16), channels=0), 64 + 128 + 256),
        (
            EncoderConfig(
                backbone="vit_tiny_patch16_224", strides=(16,), channels=0, options={"dynamic_img_size": True}
            ),
            192,
        ),
    ],
)
def test_cnns_and_transformers_give_dense_features_at_any_size(config, features):
    encoder = PointEncoder(config).eval()
    out = encoder(torch.zeros(1, 3, 96, 160))
    assert out.shape == (1, features, 96 // encoder.stride, 160 // encoder.stride)
    assert encoder.features == features


def test_features_are_interpolated_between_the_centres_of_cells():
    ramp = torch.arange(6, dtype=torch.float32).view(1, 1, 6).expand(1, 4, 6)
    # cell k has its centre at pixel 8 k + 3.5
    points = torch.tensor([[10.0, 3.5], [10.0, 7.5], [10.0, 11.5], [10.0, -40.0]])
    assert sample_at(ramp, points, 8)[:, 0].tolist() == pytest.approx([0, 0.5, 1, 0], abs=1e-5)


def test_a_head_gives_class_probabilities_and_drops_what_is_background_when_asked_to():
    scheme = ClassScheme.named("ocelot")
    weight, bias = np.eye(3, dtype=np.float32) * 5, np.zeros(3, np.float32)
    label, probability, nucleus = LinearHead(scheme, weight, bias, keep=0.5).classify(np.eye(3, dtype=np.float32))
    assert label[:2].tolist() == [0, 1]
    assert nucleus.tolist() == [True, True, False]
    assert probability.sum(1) == pytest.approx(1)
    assert LinearHead(scheme, weight, bias).classify(np.eye(3, dtype=np.float32))[2].all()


def test_a_head_of_another_size_is_refused():
    with pytest.raises(ValueError, match="background"):
        LinearHead(ClassScheme.named("ocelot"), np.zeros((2, 4), np.float32), np.zeros(2, np.float32))
