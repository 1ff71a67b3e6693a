"""The encoder's second, coarser view."""

import dataclasses

import numpy as np
import pytest
import torch

from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.families import alignment
from nucloop.training.product import measured_halo

PLAIN = EncoderConfig(backbone="mobilenetv2_050", strides=(8, 16), channels=16, mpp=0.5)
WIDE = dataclasses.replace(PLAIN, context=4)


def test_the_coarser_view_leaves_the_size_of_the_features_and_costs_few_weights():
    torch.manual_seed(0)
    plain, wide = PointEncoder(PLAIN).eval(), PointEncoder(WIDE).eval()
    image = torch.rand(1, 3, 128, 192) * 255
    with torch.inference_mode():
        assert wide(image).shape == plain(image).shape == (1, 16, 16, 24)
    weights = [sum(p.numel() for p in net.parameters()) for net in (plain, wide)]
    assert weights[1] < 1.3 * weights[0]


def test_windows_of_a_coarser_view_begin_where_its_cells_do():
    assert alignment(PLAIN) == 16
    assert alignment(WIDE) == 32


def test_features_change_with_what_lies_far_away_and_not_with_what_lies_beyond_the_halo():
    torch.manual_seed(0)
    net = PointEncoder(WIDE).eval()
    halo = measured_halo(net, alignment(WIDE))
    assert halo % 32 == 0
    side = 64 + 2 * halo
    image = torch.rand(1, 3, side // 8, side // 8) * 255
    image = torch.nn.functional.interpolate(image, size=(side, side))
    with torch.inference_mode():
        whole = net(image)
        inside = net(image[:, :, 32:-32, 32:-32])
    middle = slice(halo // 8, -(halo // 8))
    spread = whole.std()
    cut = slice((halo - 32) // 8, -((halo - 32) // 8))
    assert (whole[..., middle, middle] - inside[..., cut, cut]).abs().max() < 0.1 * spread


def test_a_coarser_view_needs_a_neck_and_a_sensible_scale():
    with pytest.raises(ValueError, match="coarser view"):
        EncoderConfig(channels=0, context=4)
    with pytest.raises(ValueError, match="coarser view"):
        EncoderConfig(context=64)


def test_it_runs_the_same_in_onnx(tmp_path):
    from nucloop.detection.engines import make_engine

    torch.manual_seed(0)
    net = PointEncoder(WIDE).eval()
    image = np.random.default_rng(0).integers(0, 256, (1, 128, 96, 3), np.uint8)
    engine = make_engine(net, "", "cpu")
    with torch.inference_mode():
        expected = net(torch.from_numpy(image).permute(0, 3, 1, 2).float()).numpy()
    np.testing.assert_allclose(engine(image), expected, atol=2e-3)
