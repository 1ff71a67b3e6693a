import numpy as np

from nucloop.metrics.label_images import label_image, of_classes
from nucloop.outlines import Outlines


def square(y: float, x: float, side: float) -> np.ndarray:
    return np.array([[y, x], [y, x + side], [y + side, x + side], [y + side, x]])


def test_a_pixel_belongs_to_the_nucleus_in_which_its_centre_lies():
    image = label_image(Outlines.of([square(1.5, 2.5, 4)]), (10, 12))
    wanted = np.zeros((10, 12), np.int32)
    wanted[2:6, 3:7] = 1
    assert np.array_equal(image, wanted)


def test_the_first_wins_where_nuclei_overlap():
    outlines = Outlines.of([square(-0.5, -0.5, 4), square(-0.5, 1.5, 4), None])
    image = label_image(outlines, (4, 6))
    assert image[0].tolist() == [1, 1, 1, 1, 2, 2]
    assert label_image(outlines, (4, 6), order=[1, 2, 0])[0].tolist() == [1, 1, 2, 2, 2, 2]


def test_what_lies_beyond_the_image_is_left_out():
    image = label_image(Outlines.of([square(-20.5, -20.5, 23), square(50, 50, 5)]), (5, 5))
    assert image.sum() == 9
    assert image[:3, :3].all()


def test_a_nucleus_without_an_outline_has_no_pixels():
    image = label_image(Outlines.of([None, square(0.5, 0.5, 2), None]), (4, 4))
    assert set(np.unique(image)) == {0, 2}


def test_classes_are_split_and_others_belong_to_none():
    image = np.array([[0, 1, 2], [3, 4, 4]])
    split = of_classes(image, np.array([1, 0, -1, 1]), ("a", "b"))
    assert split["a"].tolist() == [[0, 0, 2], [0, 0, 0]]
    assert split["b"].tolist() == [[0, 1, 0], [0, 4, 4]]
