import numpy as np

from nucloop.geometry import Region, cut_out
from nucloop.ki67.fields import hot_fields, random_fields
from nucloop.ki67.regions import sampled
from nucloop.slides import Box

PIXEL, SIDE = 10.0, 200
TISSUE = np.zeros((300, 400), bool)
TISSUE[50:250, 100:350] = True


def tissue_in(box: Box) -> float:
    y, x, height, width = (round(v / PIXEL) for v in (box.y, box.x, box.height, box.width))
    return float(TISSUE[y : y + height, x : x + width].mean())


def regions(boxes: list[Box]) -> list[Region]:
    return [Region(box.corners) for box in boxes]


def test_random_fields_lie_apart_in_tissue_all_over_the_slide() -> None:
    fields = random_fields(TISSUE, PIXEL, SIDE, 10, seed=3)

    assert len(fields) == 10
    assert all(tissue_in(field) >= 0.45 for field in fields)
    assert not any(a.intersect(b).area for k, a in enumerate(fields) for b in fields[:k])
    assert np.ptp([field.y for field in fields]) > 1000


def test_the_same_seed_gives_the_same_fields_and_another_gives_others() -> None:
    assert random_fields(TISSUE, PIXEL, SIDE, 10, seed=3) == random_fields(TISSUE, PIXEL, SIDE, 10, seed=3)
    assert random_fields(TISSUE, PIXEL, SIDE, 10, seed=3) != random_fields(TISSUE, PIXEL, SIDE, 10, seed=4)


def test_every_place_of_the_tissue_comes_up_as_often() -> None:
    left = [field.x < 2250 for seed in range(300) for field in random_fields(TISSUE, PIXEL, SIDE, 5, seed)]

    assert abs(np.mean(left) - 0.5) < 0.08


def test_no_field_lies_where_one_is_and_a_slide_without_tissue_has_none() -> None:
    first = random_fields(TISSUE, PIXEL, SIDE, 10, seed=0)

    again = random_fields(TISSUE, PIXEL, SIDE, 10, seed=1, taken=regions(first))

    assert again
    assert not any(a.intersect(b).area for a in first for b in again)
    assert random_fields(np.zeros_like(TISSUE), PIXEL, SIDE, 3, seed=0) == []


def test_hot_fields_are_where_nuclei_crowd_the_fullest_first() -> None:
    random = np.random.default_rng(0)
    spots = [(600, 900, 80), (2000, 3000, 50), (2300, 400, 30)]
    yx = np.concatenate([random.normal((y, x), 20, (n, 2)) for y, x, n in spots] + [random.uniform(0, 2900, (40, 2))])

    fields = hot_fields(yx, (3000, 4000), SIDE, 3)

    assert len(fields) == 3
    for field, (y, x, _) in zip(fields, spots, strict=True):
        assert field.contains(np.array([[y, x]])).all()
    assert hot_fields(yx[:0], (3000, 4000), SIDE, 3) == []
    assert not any(
        one.intersect(fields[0]).area for one in hot_fields(yx, (3000, 4000), SIDE, 3, taken=regions(fields[:1]))
    )


ROUND = Region(np.array([[1500, 2200]]) + 500 * np.stack([np.sin(T := np.arange(64) * np.pi / 32), np.cos(T)], 1))


def test_fields_in_a_region_lie_whole_within_it_and_in_no_part_of_what_is_ignored() -> None:
    fold = Region(np.array([[1000, 2150], [1000, 2250], [2000, 2250], [2000, 2150]], float))
    yx = np.random.default_rng(1).uniform((0, 0), (3000, 4000), (3000, 2))

    for fields in (
        random_fields(TISSUE, PIXEL, SIDE, 4, 0, taken=[fold], within=[ROUND]),
        hot_fields(yx, (3000, 4000), SIDE, 4, taken=[fold], within=[ROUND]),
    ):
        assert len(fields) == 4
        assert not any(a.intersect(b).area for k, a in enumerate(fields) for b in fields[:k])
        for field in regions(fields):
            assert cut_out([field], [ROUND]) == [], "all of it lies in the region"
            assert cut_out([field], [fold])[0].area == field.area, "and none of it in the fold"


def test_a_region_hardly_larger_than_a_field_gets_one_wherever_the_grid_begins() -> None:
    narrow = [Region(Box(y, x, 240, 240).corners) for y, x in ((1000, 1100), (1530, 2070))]

    for seed in range(20):
        assert len(random_fields(TISSUE, PIXEL, SIDE, 2, seed, within=narrow)) == 2


def test_fields_stand_for_the_region_in_which_they_lie() -> None:
    field = Region(Box(1400, 2100, 200, 200).corners, name="field 1", kind="field")
    elsewhere = Region(Box(0, 0, 100, 100).corners)
    drawn = {"tumour 1": ROUND, "field 1": field, "region 3": elsewhere}

    assert list(sampled(drawn)) == ["field 1", "region 3"]
    assert sampled({"tumour 1": ROUND}) == {"tumour 1": ROUND}
