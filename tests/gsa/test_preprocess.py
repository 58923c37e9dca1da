import numpy as np
import pytest
import torch
from PIL import Image

from gsa.preprocess import IMAGENET_MEAN, IMAGENET_STD, Grid, Preprocess
from tests.conftest import photo


def test_the_crop_is_the_middle_square():
    assert Preprocess(64).crop_box(200, 150) == (25, 0, 175, 150)
    assert Preprocess(64, crop_ratio=0.5).crop_box(100, 300) == (25, 125, 75, 175)


def test_the_crop_shows_what_lies_in_the_box():
    picture = photo(200, 150)
    same = np.asarray(Preprocess(150).crop(picture))
    np.testing.assert_array_equal(same, np.asarray(picture.crop((25, 0, 175, 150))))


def test_the_tensor_is_normalised_per_channel():
    x = Preprocess(32).tensor(Preprocess(32).crop(photo()))
    assert x.shape == (1, 3, 32, 32)
    assert x.dtype == torch.float32
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    back = x[0] * std + mean
    crop = np.asarray(Preprocess(32).crop(photo())) / 255
    np.testing.assert_allclose(back.permute(1, 2, 0).numpy(), crop, atol=1e-6)


def test_it_survives_the_way_through_json_values():
    preprocess = Preprocess(96, crop_ratio=0.9)
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


def test_lists_may_stand_for_tuples():
    preprocess = Preprocess(8, mean=[0.1, 0.2, 0.3], std=[1, 1, 1])
    assert hash(preprocess) == hash(Preprocess(8, (0.1, 0.2, 0.3), (1, 1, 1)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"sizes": 3}, "preprocessing fields do not fit"),
        ({"size": 0}, "`size` (=0) must be whole pixels, at least 1"),
        ({"size": 64.5}, "`size` (=64.5) must be whole"),
        ({"size": "64"}, "`size` (='64') must be whole"),
        ({"size": True}, "`size` (=True) must be whole"),
        ({"size": 9, "crop_ratio": 1.5}, "`crop_ratio` (=1.5) must be above 0 and at most 1"),
        ({"size": 9, "crop_ratio": "1"}, "`crop_ratio` (='1') must be above 0"),
        ({"size": 9, "mean": [0, 0]}, "`mean` (=[0, 0]) must have three finite numbers"),
        ({"size": 9, "mean": 0.5}, "`mean` (=0.5) must have three"),
        ({"size": 9, "mean": [0, 0, 10**400]}, "must have three finite numbers"),
        ({"size": 9, "std": ["a", "b", "c"]}, "`std` (=['a', 'b', 'c']) must have three"),
        ({"size": 9, "std": [1, 1, float("nan")]}, "`std` (=[1, 1, nan]) must have three"),
        ({"size": 9, "std": [1, 1, 0]}, "`std` (=(1, 1, 0)) must be at least 1e-06 each"),
        ({"size": 9, "std": [1, 1, 1e-320]}, "must be at least 1e-06 each"),
    ],
)
def test_fields_that_break_a_rule_are_refused(fields, sentence):
    with pytest.raises(ValueError, match="must|do not fit") as caught:
        Preprocess.from_dict(fields)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (32, 32), (5, 3)])
def test_cells_and_pixels_map_both_ways(shape):
    grid = Grid(*shape, height=97, width=131)
    for row in range(grid.rows):
        for column in range(grid.columns):
            top, left, bottom, right = grid.box(row, column)
            assert grid.cell_at(*grid.centre(row, column)) == (row, column)
            assert grid.cell_at(top + 1e-9, left + 1e-9) == (row, column)
            assert grid.cell_at(bottom - 1e-6, right - 1e-6) == (row, column)
    assert grid.box(grid.rows - 1, grid.columns - 1)[2:] == pytest.approx((97, 131))


@pytest.mark.parametrize("place", [(-1, 0), (97, 0), (0, 131), (0, -0.1), (float("nan"), 0)])
def test_a_place_outside_is_refused(place):
    with pytest.raises(ValueError, match="must lie inside the 97 x 131 pixels"):
        Grid(4, 4, height=97, width=131).cell_at(*place)


def test_a_large_picture_is_made_small_as_a_small_one_is():
    """By averages first, which is sooner done: no pixel is further off than a few of 255 levels."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((2000, 1500), Image.Resampling.BICUBIC)
    fair = picture.crop((250, 0, 1750, 1500)).resize((128, 128), Image.Resampling.BICUBIC)
    found = np.asarray(Preprocess(128).crop(picture), dtype=int)
    assert np.abs(found - np.asarray(fair)).max() <= 3


def test_a_large_picture_is_averaged_first():
    """Columns in turn white and black are grey by averages of two, to the last level."""
    stripes = np.zeros((768, 768, 3), np.uint8)
    stripes[:, ::2] = 254
    found = np.asarray(Preprocess(64).crop(Image.fromarray(stripes)))
    np.testing.assert_array_equal(found, 127)


def test_a_tensor_goes_back_to_the_very_same_picture():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    crop = Image.fromarray(np.stack([levels, levels.T, levels[::-1]], axis=2))
    preprocess = Preprocess(16)
    np.testing.assert_array_equal(preprocess.picture(preprocess.tensor(crop)), crop)


@pytest.mark.parametrize("mode", ["L", "RGBA", "HSV"])
def test_a_picture_of_other_colours_is_refused(mode):
    with pytest.raises(ValueError, match=f"the picture has the mode '{mode}'; it must be RGB"):
        Preprocess(32).tensor(photo().convert(mode))
