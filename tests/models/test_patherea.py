import numpy as np
import pytest
import torch

from nucloop.detection.engines import make_engine
from nucloop.models.library_networks import BackboneError
from nucloop.models.patherea import PathereaConfig, PathereaDetector, propose
from nucloop.models.vit_pyramid import any_backbone

SMALL = PathereaConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, classes=2)


def said(probability: list[float], offset: tuple[float, float] = (0, 0), cells: int = 4) -> np.ndarray:
    """An output where nothing is a nucleus but the proposal at row 1, column 2."""
    output = np.zeros((2 + len(probability), cells, cells), np.float32)
    output[-1] = 20
    output[:2, 1, 2] = offset
    output[2:, 1, 2] = np.log(np.maximum(probability, 1e-9))
    return output


def test_a_cell_of_the_pyramid_makes_four_proposals_on_a_regular_grid():
    net = PathereaDetector(SMALL).eval()
    with torch.inference_mode():
        one, many = net.both(torch.rand(2, 3, 64, 96) * 255)
    assert one.shape == many.shape == (2, 2 + 2 + 1, 16, 24)
    assert net.stride == 4
    found = propose(said([0.9, 0.05, 0.05]), SMALL, 0.5)
    np.testing.assert_allclose(found.yx, [[4 * 1 + 1.5, 4 * 2 + 1.5]])


def test_a_proposal_moves_by_its_offset_and_one_that_goes_too_far_is_an_error():
    np.testing.assert_allclose(propose(said([0.9, 0.05, 0.05], (-3, 2.5)), SMALL, 0.5).yx, [[2.5, 12.0]], atol=1e-5)
    assert not len(propose(said([0.9, 0.05, 0.05], (0, 17)), SMALL, 0.5))


def test_a_class_counts_by_its_own_probability_and_not_by_being_the_likeliest():
    torn = said([0.4, 0.4, 0.2])
    assert not len(propose(torn, SMALL, 0.5))
    (found,) = propose(torn, SMALL, 0.35).score
    assert found == pytest.approx(0.4)
    sure = propose(said([0.1, 0.6, 0.3]), SMALL, 0.5)
    assert sure.score[0] == pytest.approx(0.6)
    np.testing.assert_allclose(sure.probability, [[1 / 7, 6 / 7]], atol=1e-6)


def test_of_two_proposals_at_the_very_same_place_the_surer_stays_and_neighbours_are_not_suppressed():
    output = said([0.9, 0.05, 0.05])
    for column, at, sure in ((1, 4.0, 0.7), (3, -2.0, 0.8)):
        output[:, 1, column] = [0, at, *np.log([sure, 0.05, 0.95 - sure])]
    found = propose(output, SMALL, 0.5)
    np.testing.assert_allclose(sorted(zip(found.yx[:, 1], found.score, strict=True)), [(9.5, 0.9), (11.5, 0.8)], 1e-5)


def test_without_classes_it_says_where_nuclei_are_and_nothing_more():
    config = PathereaConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16)
    found = propose(said([0.9, 0.1]), config, 0.5)
    assert found.probability is None
    assert PathereaDetector(config).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 8, 8)


def test_the_converted_network_says_what_the_network_says():
    torch.manual_seed(0)
    net = PathereaDetector(SMALL).eval()
    rgb = np.random.default_rng(0).integers(0, 256, (1, 96, 64, 3), np.uint8)
    engine = make_engine(net, "", "cpu")
    assert engine.name == "CPU, ONNX Runtime"
    np.testing.assert_allclose(engine(rgb), make_engine(net, "", "torch-cpu")(rgb), atol=1e-4)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_dinov2"])
def test_a_plain_transformer_has_a_pyramid_of_maps_whatever_its_patches(name):
    backbone = any_backbone(name, (4, 8, 16, 32), {"depth": 1, "embed_dim": 48, "num_heads": 3}).eval()
    with torch.inference_mode():
        maps = backbone(torch.rand(1, 3, 224, 224) * 255)
    assert [tuple(m.shape) for m in maps] == [(1, 12, 56, 56), (1, 24, 28, 28), (1, 48, 14, 14), (1, 48, 7, 7)]
    assert backbone.channels == [12, 24, 48, 48]


def test_a_transformer_sees_a_larger_picture_through_windows_of_the_size_it_learned_on():
    options = {"depth": 1, "embed_dim": 48, "num_heads": 3}
    config = PathereaConfig(backbone="vit_tiny_patch16_224", strides=(8, 16), channels=16, options=options)
    net = PathereaDetector(config).eval()
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 320, 256) * 255).shape == (1, 4, 80, 64)


def test_a_transformer_that_nobody_offers_or_has_no_such_map_is_said_so():
    with pytest.raises(BackboneError, match="timm makes no transformer 'vit_nonsense'"):
        any_backbone("vit_nonsense", (8,), {})
    with pytest.raises(BackboneError, match=r"strides \[4, 8, 16, 32\], not \[2\]"):
        any_backbone("vit_tiny_patch16_224", (2,), {})


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"strides": (8, 32)}, "double"), ({"side": 3}, "do not divide"), ({"mpp": 9}, "outside")]
)
def test_a_shape_that_cannot_be_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        PathereaConfig(**wrong)
