from functools import cache

import numpy as np
import pytest
import torch

from nucloop.classes import ClassScheme
from nucloop.detection.engines import OnnxEngine, OutOfMemoryError, TorchEngine, make_engine
from nucloop.detection.pipeline import Pipeline
from nucloop.detection.spec import InferenceConfig
from nucloop.detection.stage import Stage, Window, read_window
from nucloop.errors import DeviceError, RegionError, SlideError
from nucloop.models.denuc import DenucConfig, DenucDetector
from nucloop.models.encoder import EncoderConfig, PointEncoder
from nucloop.models.files.cards import Card
from nucloop.models.heads import LinearHead
from nucloop.nuclei import Nuclei
from nucloop.slides import Box, Slide, slide_from_array
from nucloop.training.product import measured_halo

SCHEME = ClassScheme.named("brca-m2c")


@cache
def networks(encoder_mpp: float = 0.5) -> tuple[tuple[DenucDetector, Card], tuple[PointEncoder, Card], LinearHead]:
    """Small random networks that call about every tenth cell a nucleus, each with its measured halo."""
    torch.manual_seed(1)
    detector = DenucDetector(DenucConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=16, mpp=0.5)).eval()
    last = detector.head[-1]
    assert isinstance(last, torch.nn.Conv2d)
    torch.nn.init.normal_(last.weight, std=3.0)
    torch.nn.init.zeros_(last.bias)
    encoder = PointEncoder(
        EncoderConfig(backbone="shufflenet_v2_x0_5", strides=(8, 16), channels=8, mpp=encoder_mpp)
    ).eval()
    with torch.inference_mode():
        noise = torch.rand(1, 3, 32, 32).repeat_interleave(8, 2).repeat_interleave(8, 3)
        features = encoder(255 * noise)[0].flatten(1).numpy()
    # scaled to the features, so that every class occurs
    weight = np.random.default_rng(0).normal(0, 1, (4, 8)) / features.std(1)
    bias = -weight @ features.mean(1)
    head = LinearHead(SCHEME, weight.astype(np.float32), bias.astype(np.float32), keep=1.0)

    def card(net: torch.nn.Module, mpp: float) -> Card:
        halo = measured_halo(net, 16, tolerance=1e-5, core=64, widest=208)
        return Card(kind="x", name="random", architecture="test", mpp=mpp, halo=halo)

    return (detector, card(detector, 0.5)), (encoder, card(encoder, encoder_mpp)), head


def pipeline(encoder_mpp: float = 0.5, device: str = "torch-cpu", **config: object) -> Pipeline:
    settings = InferenceConfig(**{"threshold": 0.5, "tile": 128, **config})  # type: ignore[arg-type]
    return Pipeline(*networks(encoder_mpp), device=device, config=settings)


@pytest.fixture(scope="module")
def slide() -> Slide:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (38, 46, 3)).astype(np.uint8)
    return slide_from_array(coarse.repeat(8, 0).repeat(8, 1), mpp=0.5, name="noise")


def everything(results: object) -> Nuclei:
    return Nuclei.concatenate([r.nuclei for r in results], SCHEME).numbered()  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoder_mpp", [0.5, 0.4])
def test_nuclei_are_the_same_whatever_the_tiling(slide, encoder_mpp):
    whole = everything(pipeline(encoder_mpp, tile=1024).run(slide))
    assert len(whole) > 50
    assert len(set(whole.label.tolist())) > 1
    for tile in (64, 192):
        cut = everything(pipeline(encoder_mpp, tile=tile).run(slide, centre=(10.0, 400.0)))
        assert np.abs(cut.yx - whole.yx).max() <= 1 / 64
        assert np.abs(cut.score - whole.score).max() < 1e-4
        assert np.abs(cut.probability - whole.probability).max() < 1e-3


def test_a_regions_nuclei_are_those_of_the_slide_that_lie_in_it(slide):
    pipe = pipeline()
    whole = everything(pipe.run(slide))
    box = Box(101, 57, 133, 211)
    part = everything(pipe.run(slide, [box]))
    inside = whole.take(box.contains(whole.yx))
    assert len(part) == len(inside) > 5
    assert np.abs(part.yx - inside.yx).max() <= 1 / 64


def test_a_polygon_and_a_box_that_overlap_count_each_nucleus_once(slide):
    pipe = pipeline()
    triangle = np.array([[0, 0], [0, 300], [300, 0]], float)
    both = everything(pipe.run(slide, [triangle, Box(0, 0, 200, 200)]))
    assert len(np.unique(both.yx, axis=0)) == len(both)
    box = Box(0, 0, 200, 200).contains(both.yx)
    assert ((both.yx.sum(1) <= 301) | box).all()


def test_tiles_nearest_the_centre_come_first(slide):
    boxes = [r.box for r in pipeline().run(slide, centre=(290.0, 10.0))]
    distance = [np.hypot(b.y + b.height / 2 - 290, b.x + b.width / 2 - 10) for b in boxes]
    assert distance[0] == min(distance)
    assert distance[-1] > 250


def test_every_pixel_of_the_slide_belongs_to_exactly_one_tile(slide):
    owned = np.zeros(slide.shape, int)
    results = list(pipeline().run(slide))
    for r in results:
        owned[r.box.y : r.box.y + r.box.height, r.box.x : r.box.x + r.box.width] += 1
    assert (owned == 1).all()
    assert [r.done for r in results] == list(range(1, results[0].total + 1))


def test_features_belong_to_their_nuclei(slide):
    pipe = pipeline()
    for result in pipe.run(slide):
        label, probability, _ = networks()[2].classify(result.features)
        assert np.array_equal(label, result.nuclei.label)
        assert np.array_equal(probability, result.nuclei.probability)


def test_empty_glass_has_no_nuclei():
    glass = slide_from_array(np.full((300, 300, 3), 240, np.uint8), mpp=0.5)
    assert len(everything(pipeline().run(glass))) == 0


def test_the_cpu_engine_gives_torchs_outputs_at_any_size():
    detector, card = networks()[0]
    onnx, reference = OnnxEngine(detector, card.sha256), TorchEngine(detector, "cpu")
    rng = np.random.default_rng(0)
    for shape in ((1, 128, 192, 3), (2, 320, 256, 3)):
        rgb = rng.integers(0, 256, shape, dtype=np.uint8)
        assert np.abs(onnx(rgb) - reference(rgb)).max() < 1e-3


class _SmallGpu:
    """A device with room for `room` tiles."""

    name, cpu = "small GPU", False

    def __init__(self, engine: TorchEngine, room: int) -> None:
        self.engine, self.room, self.sizes = engine, room, list[int]()

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        self.sizes.append(len(rgb))
        if len(rgb) > self.room:
            raise OutOfMemoryError("out of memory")
        return self.engine(rgb)


@pytest.mark.parametrize(("room", "sentence"), [(1, "1 tiles at a time"), (0, "going on with the CPU")])
def test_out_of_gpu_memory_falls_back_to_smaller_batches_and_then_to_the_cpu(room, sentence):
    # long enough that several tiles in its middle have windows of one shape
    coarse = np.random.default_rng(0).integers(0, 255, (8, 120, 3)).astype(np.uint8)
    slide = slide_from_array(coarse.repeat(8, 0).repeat(8, 1), mpp=0.5, name="strip")
    whole = everything(pipeline().run(slide))
    assert len(whole) > 50
    pipe = pipeline(batch=8)
    for stage in pipe._stages.values():
        stage.engine = _SmallGpu(TorchEngine(stage.net, "cpu"), room)
    found = everything(pipe.run(slide, centre=(0.0, 0.0)))
    assert np.abs(found.yx - whole.yx).max() <= 1 / 64
    assert any(sentence in line for line in pipe.notices)


def test_a_slide_without_resolution_is_asked_about_not_guessed():
    with pytest.raises(SlideError, match="--mpp"):
        next(pipeline().run(slide_from_array(np.zeros((64, 64, 3), np.uint8))))


@pytest.mark.parametrize(
    "region", [Box(5000, 5000, 10, 10), np.array([[0, 0], [1, 1]]), np.array([[0, 0], [0, np.nan], [5, 5]])]
)
def test_a_region_that_is_none_or_outside_the_slide_is_refused(slide, region):
    with pytest.raises(RegionError, match="Draw it"):
        next(pipeline().run(slide, [region]))


def test_an_unknown_device_lists_the_known_ones():
    with pytest.raises(DeviceError, match="cpu"):
        make_engine(torch.nn.Identity(), "", "abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_so():
    with pytest.raises(DeviceError, match="not available"):
        make_engine(torch.nn.Identity(), "", "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_finds_the_nuclei_that_the_cpu_finds(slide):
    cpu, gpu = everything(pipeline().run(slide)), everything(pipeline(device="cuda").run(slide))
    assert abs(len(cpu) - len(gpu)) <= 0.05 * len(cpu)


def test_beyond_the_edge_of_a_slide_the_networks_see_their_zero(slide):
    window = Window(slide.shape[0] - 10, slide.shape[1] - 10, 30, 40)
    pixels = read_window(slide, window, 0.5)
    assert np.array_equal(pixels[:10, :10], slide.read_region(slide.box)[-10:, -10:])
    assert (pixels[10:] == 128).all()
    assert (pixels[:, 10:] == 128).all()


def test_features_averaged_over_turns_turn_with_the_picture(slide):
    (_, _), encoder, _ = networks()
    stage = Stage(*encoder, "torch-cpu", 1, turns=(0, 1, 2, 3))
    pixels = slide.read_region(Box(0, 0, 64, 64))[None]
    turned = stage(np.rot90(pixels, 1, (1, 2)))
    assert np.abs(np.rot90(stage(pixels), 1, (2, 3)) - turned).max() < 1e-4
