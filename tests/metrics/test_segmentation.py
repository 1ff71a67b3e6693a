import numpy as np
import pytest

from nucloop.metrics.segmentation import Panoptic, aji, binary_pq, dice, mean_pq, panoptic, score_segmentation


def image(*boxes, shape=(20, 20)):
    """Label image of rectangles (y, x, height, width), numbered from 1; later ones lie on top."""
    out = np.zeros(shape, np.int32)
    for number, (y, x, h, w) in enumerate(boxes, 1):
        out[y : y + h, x : x + w] = number
    return out


def random_image(seed, n=12, side=60):
    rng = np.random.default_rng(seed)
    return image(
        *zip(*rng.integers(0, side - 12, (2, n)), *rng.integers(4, 13, (2, n)), strict=True), shape=(side,) * 2
    )


def test_the_same_image_is_perfect_whatever_its_numbers():
    truth = image((0, 0, 4, 4), (10, 10, 5, 5))
    other = np.where(truth > 0, truth * 17 + 3, 0)
    score = score_segmentation(other, truth)
    assert score.to_dict() == {"dice": 1.0, "aji": 1.0, "dq": 1.0, "sq": 1.0, "pq": 1.0}


def test_a_shifted_nucleus_by_hand():
    # 4 x 4 pixels each, 4 x 3 shared: IoU 12 / 20
    found, truth = image((0, 1, 4, 4)), image((0, 0, 4, 4))
    assert dice(found, truth) == pytest.approx(24 / 32)
    assert aji(found, truth) == pytest.approx(12 / 20)
    score = panoptic(found, truth)
    assert (score.tp, score.fp, score.fn) == (1, 0, 0)
    assert (score.dq, score.sq, score.pq) == (1.0, pytest.approx(0.6), pytest.approx(0.6))


def test_an_overlap_of_exactly_half_is_no_pair():
    found, truth = image((0, 0, 4, 2)), image((0, 0, 4, 4))
    assert panoptic(found, truth) == Panoptic(tp=0, fp=1, fn=1)
    assert aji(found, truth) == pytest.approx(0.5)


def test_two_nuclei_taken_for_one_by_hand():
    # references of 16 and 8 pixels in one prediction of 24
    found, truth = image((0, 0, 4, 6)), image((0, 0, 4, 4), (0, 4, 4, 2))
    assert dice(found, truth) == 1.0
    # both references take the same prediction: (16 + 8) / (24 + 24)
    assert aji(found, truth) == pytest.approx(24 / 48)
    score = panoptic(found, truth)
    assert (score.tp, score.fp, score.fn, score.sq) == (1, 0, 1, pytest.approx(16 / 24))
    assert score.pq == pytest.approx(2 / 3 * 2 / 3)


def test_one_nucleus_taken_for_two_by_hand():
    found, truth = image((0, 0, 4, 4), (0, 4, 4, 2)), image((0, 0, 4, 6))
    # the reference takes the first (IoU 16 / 24), the second adds its 8 pixels to the union
    assert aji(found, truth) == pytest.approx(16 / 32)
    assert panoptic(found, truth) == Panoptic(tp=1, fp=1, fn=0, iou=16 / 24)


def test_missed_nuclei_and_false_alarms_lower_every_figure():
    truth = image((0, 0, 4, 4), (10, 10, 4, 4))
    found = image((0, 0, 4, 4), (10, 0, 4, 4))
    assert dice(found, truth) == 0.5
    assert aji(found, truth) == pytest.approx(16 / 48)
    assert panoptic(found, truth).pq == pytest.approx(0.5)


def test_empty_images_agree_and_half_empty_ones_do_not():
    nothing, something = image(), image((0, 0, 4, 4))
    assert (dice(nothing, nothing), aji(nothing, nothing)) == (1.0, 1.0)
    assert panoptic(nothing, nothing).empty
    for a, b in ((nothing, something), (something, nothing)):
        assert (dice(a, b), aji(a, b), panoptic(a, b).pq) == (0.0, 0.0, 0.0)
    assert panoptic(nothing, something) + panoptic(something, something) == Panoptic(1, 0, 1, 1.0)


def test_panoptic_quality_over_images_and_classes():
    shifted, truth, nothing = image((0, 1, 4, 4)), image((0, 0, 4, 4)), image()
    assert binary_pq([(truth, truth), (shifted, truth), (nothing, nothing)]) == pytest.approx(0.8)
    assert binary_pq([(nothing, nothing)]) is None
    # first image: class a 1.0, class b only predicted 0.0; second: class a 0.6
    images = [({"a": truth, "b": shifted}, {"a": truth}), ({"a": shifted, "b": nothing}, {"a": truth, "b": nothing})]
    assert mean_pq(images) == pytest.approx((0.5 + 0.6) / 2)
    assert mean_pq([({"a": nothing}, {})]) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_those_of_a_count_nucleus_by_nucleus(seed):
    found, truth = random_image(seed), random_image(seed + 100)
    truth = np.where(truth > 4, truth, found)  # some nuclei alike
    names, others = (sorted(set(np.unique(i)) - {0}) for i in (found, truth))
    iou = {
        (p, r): ((found == p) & (truth == r)).sum() / ((found == p) | (truth == r)).sum() for p in names for r in others
    }
    pairs = {key: value for key, value in iou.items() if value > 0.5}
    score = panoptic(found, truth)
    assert (score.tp, score.fp, score.fn) == (len(pairs), len(names) - len(pairs), len(others) - len(pairs))
    assert score.iou == pytest.approx(sum(pairs.values()))

    shared = union = 0
    used = set()
    for r in others:
        p = max(names, key=lambda p: iou[p, r])
        if iou[p, r] == 0:
            union += (truth == r).sum()
            continue
        used.add(p)
        shared += ((found == p) & (truth == r)).sum()
        union += ((found == p) | (truth == r)).sum()
    union += sum((found == p).sum() for p in names if p not in used)
    assert aji(found, truth) == pytest.approx(shared / union)


@pytest.mark.parametrize("seed", range(5))
def test_panoptic_quality_is_that_of_torchmetrics(seed):
    detection = pytest.importorskip("torchmetrics.functional.detection", reason="torchmetrics is not installed")
    import torch

    found, truth = random_image(seed), random_image(seed + 100)
    truth = np.where(truth > 4, truth, found)

    def tensor(labels):
        return torch.from_numpy(np.stack([labels > 0, labels], -1).astype(np.int64))[None]

    result = detection.panoptic_quality(
        tensor(found), tensor(truth), things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True
    )
    pq, sq, dq = result.reshape(-1, 3)[0].tolist()
    score = panoptic(found, truth)
    assert (score.pq, score.sq, score.dq) == pytest.approx((pq, sq, dq))


def test_images_of_other_shapes_or_with_negative_labels_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        panoptic(image(), image(shape=(3, 3)))
    with pytest.raises(ValueError, match="one shape"):
        dice(image(), image(shape=(3, 3)))
    with pytest.raises(ValueError, match="whole numbers from 0"):
        panoptic(image() - 1, image())
    with pytest.raises(ValueError, match="whole numbers from 0"):
        aji(np.zeros((3, 3)), np.zeros((3, 3)))
