import numpy as np
import pytest
import torch

from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.files.cards import Card, load_shape, save_module
from nucloop.models.shape import PointShape, ShapeConfig, directions, reach, rings
from nucloop.models.shared import share_backbone

SMALL = {"backbone": "shufflenet_v2_x0_5", "strides": (8, 16), "detail": False}


def random_shape(**changes: object) -> PointShape:
    """A small network whose radii differ from ray to ray."""
    torch.manual_seed(0)
    net = PointShape(ShapeConfig(**{**SMALL, "channels": 16, "local": 4, "rays": 12, "hidden": 16, **changes})).eval()
    for layer in (net.guess[-1], *(correction.last for correction in net.corrections)):
        torch.nn.init.normal_(layer.weight, std=0.5)
    return net


def test_an_outline_of_equal_radii_is_a_circle_around_its_point():
    outlines = rings(np.array([[10.0, 20.0], [3.0, 4.0]]), np.array([np.full(16, 5.0), np.full(16, 2.0)]))
    assert len(outlines) == 2
    for ring, centre, radius in zip(outlines, ([10, 20], [3, 4]), (5, 2), strict=True):
        assert np.hypot(*(ring - centre).T) == pytest.approx(np.full(16, radius), rel=1e-5)


def test_the_first_ray_points_right_and_the_next_towards_the_bottom():
    steps = directions(4)
    assert steps == pytest.approx(np.array([[0, 1], [1, 0], [0, -1], [-1, 0]]), abs=1e-6)


def test_a_network_that_knows_nothing_gives_every_nucleus_a_typical_size():
    net = PointShape(ShapeConfig(**SMALL, channels=16)).eval()
    dense = net(torch.rand(1, 3, 64, 64) * 255)
    for radii in net.radii(dense, net.looks(dense), torch.tensor([[[20.0, 30.0], [40.0, 10.0]]])):
        assert radii.detach().numpy() == pytest.approx(np.full((1, 2, 32), 7.0))


def test_an_outline_does_not_depend_on_which_others_are_asked_for():
    net = random_shape(corrections=2)
    dense = net(torch.rand(1, 3, 96, 96) * 255)
    points = torch.rand(1, 9, 2) * 90
    together = net.radii(dense, net.looks(dense), points)
    assert len(together) == 3
    assert together[-1].std() > 0.1
    for k in range(9):
        alone = net.radii(dense, net.looks(dense), points[:, k : k + 1])
        assert alone[-1][:, 0].detach().numpy() == pytest.approx(together[-1][:, k].detach().numpy(), rel=1e-4)


def test_radii_stay_within_the_reach_that_windows_are_read_for():
    net = random_shape()
    for layer in (net.guess[-1], net.corrections[0].last):
        torch.nn.init.constant_(layer.bias, 100.0)
    dense = net(torch.rand(1, 3, 64, 64) * 255)
    radii = net.radii(dense, net.looks(dense), torch.tensor([[[30.0, 30.0]]]))[-1]
    assert 1.4 * radii.max() <= reach(net.config) < 50


def test_a_circle_of_rays_has_no_beginning():
    net = random_shape()
    correction = net.corrections[0]
    seen, log, features = torch.randn(1, 3, 12, 20), torch.randn(1, 3, 12), torch.randn(1, 3, 16)
    plain = correction(seen, log, features)
    turned = correction(seen.roll(5, 2), log.roll(5, 2), features)
    assert turned.detach().numpy() == pytest.approx(plain.roll(5, 2).detach().numpy(), abs=1e-5)


def test_a_card_of_a_shape_gives_its_network_back(tmp_path):
    net = random_shape()
    config = {**SMALL, "channels": 16, "local": 4, "rays": 12, "hidden": 16}
    save_module(
        tmp_path / "s.safetensors", net, Card(kind="shape", name="s", architecture="test", mpp=0.5, config=config)
    )
    loaded, card = load_shape(str(tmp_path / "s.safetensors"))
    assert (loaded.config, card.kind) == (net.config, "shape")
    rgb = torch.rand(1, 3, 64, 64) * 255
    assert torch.equal(loaded(rgb), net(rgb))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strides": (4, 16)}, "double"),
        ({"strides": (1, 2)}, "at least 2"),
        ({"rays": 3}, "rays"),
        ({"corrections": 9}, "corrections"),
        ({"mpp": 10.0}, "resolution"),
        ({"channels": 0}, "channels"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        ShapeConfig(**wrong)


def test_detail_of_half_the_stride_reaches_what_corrections_look_at():
    net = random_shape(backbone="mobilenetv2_100", strides=(4, 8), options={"pad_type": "same"}, detail=True)
    assert net.backbone.strides == (2, 4, 8)
    rgb = torch.rand(1, 3, 64, 64) * 255
    dense = net(rgb)
    assert dense.shape == (1, net.width, 16, 16)
    assert net.looks(dense).shape == (1, 4, 32, 32)
    torch.nn.init.constant_(net.detail.weight, 0)
    without = net(rgb)
    assert torch.equal(without[:, :16], dense[:, :16])
    assert not torch.allclose(without[:, 16:], dense[:, 16:])


@pytest.mark.parametrize("detail", [False, True])
def test_networks_of_one_backbone_run_together_as_they_do_apart(detail):
    torch.manual_seed(1)
    known = {"backbone": "mobilenetv2_100", "strides": (8, 16), "options": {"pad_type": "same"}}
    detector = DenucDetector(DenucConfig(**known, channels=16, mpp=0.5)).eval()
    shape = random_shape(**known, detail=detail)
    assert share_backbone(detector, shape) is None
    shape.backbone.load_state_dict(detector.backbone.state_dict())
    joined = share_backbone(detector, shape)
    assert joined is not None
    rgb = torch.rand(2, 3, 64, 96) * 255
    out = joined(rgb)
    assert out.shape == (2, 3 + shape.width, 8, 12)
    assert torch.equal(out[:, :3], detector(rgb))
    assert torch.equal(out[:, 3:], shape(rgb))


@pytest.mark.parametrize("change", [{"mpp": 0.25}, {"strides": (16, 32)}, {"backbone": "shufflenet_v2_x1_0"}])
def test_networks_that_differ_in_what_they_see_do_not_run_together(change):
    detector = DenucDetector(DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5)).eval()
    assert share_backbone(detector, random_shape(**change)) is None
