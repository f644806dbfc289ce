"""From a drawing to the model's picture: as MNIST does it, and as the training did it."""

import numpy as np
import pytest

from digit_training.dataset import scanned
from digit_training.images import prepared


def drawing(width, height, *boxes):
    """White boxes (left, top, right, bottom) on black."""
    picture = np.zeros((height, width), np.float32)
    for left, top, right, bottom in boxes:
        picture[top:bottom, left:right] = 1.0
    return picture


@pytest.fixture
def prepare(run_module):
    def run(*pictures):
        given = [
            {"width": p.shape[1], "height": p.shape[0], "ink": p.ravel().tolist()} for p in pictures
        ]
        images = run_module(
            "digits/preprocess.js",
            "given.map((each) => m.prepare({ ...each, ink: Float32Array.from(each.ink) }))"
            ".map((image) => image && Array.from(image))",
            given,
        )
        return [
            None if image is None else np.array(image, np.float32).reshape(28, 28)
            for image in images
        ]

    return run


def box_of(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1


def test_nothing_drawn_is_no_picture(prepare):
    assert prepare(drawing(280, 280)) == [None]


def test_digit_fills_a_box_of_20_wherever_and_however_large_it_is_drawn(prepare):
    large, small = prepare(
        drawing(280, 280, (100, 20, 180, 260)), drawing(280, 280, (5, 9, 25, 69))
    )
    assert box_of(large) == (7, 20)
    assert np.allclose(large, small, atol=1e-6)


def test_proportions_are_kept(prepare):
    (flat,) = prepare(drawing(280, 280, (40, 130, 240, 150)))
    assert box_of(flat) == (20, 2)


def test_centre_of_mass_is_in_the_middle(prepare):
    lopsided = drawing(200, 200, (20, 20, 60, 180), (60, 170, 120, 180))
    (image,) = prepare(lopsided)
    places = np.arange(28) + 0.5
    assert (image.sum(axis=0) * places).sum() / image.sum() == pytest.approx(14, abs=0.51)
    assert (image.sum(axis=1) * places).sum() / image.sum() == pytest.approx(14, abs=0.51)


def test_no_ink_falls_off_the_edge(prepare):
    heavy_corner = drawing(300, 300, (0, 0, 60, 60), (0, 60, 3, 300), (60, 0, 300, 3))
    (image,) = prepare(heavy_corner)
    assert box_of(image) == (20, 20)


def test_a_dot_is_a_picture(prepare):
    (image,) = prepare(drawing(280, 280, (140, 140, 141, 141)))
    assert box_of(image) == (20, 20)


def test_a_faint_smudge_is_paper(prepare):
    assert prepare(drawing(28, 28, (3, 3, 6, 6)) * 0.04) == [None]


def test_page_and_training_make_the_same_pictures(prepare):
    random = np.random.default_rng(7)
    pictures = [
        *scanned()[1].images[:20],
        *(
            drawing(
                int(random.integers(40, 300)),
                int(random.integers(40, 300)),
                *(sorted_box(random) for _ in range(3)),
            )
            for _ in range(20)
        ),
    ]
    for theirs, picture in zip(prepare(*pictures), pictures, strict=True):
        assert np.allclose(theirs, prepared(picture), atol=1e-5)


def sorted_box(random):
    left, right = sorted(random.choice(38, 2, replace=False))
    top, bottom = sorted(random.choice(38, 2, replace=False))
    return left, top, right + 1, bottom + 1


def test_ink_is_the_opacity_of_the_canvas(run_module):
    pixels = {"width": 2, "height": 1, "data": [9, 9, 9, 255, 0, 0, 0, 51]}
    ink = run_module("digits/preprocess.js", "Array.from(m.inkOf(given).ink)", pixels)
    assert ink == pytest.approx([1.0, 0.2])
