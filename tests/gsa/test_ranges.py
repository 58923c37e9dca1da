import numpy as np
import pytest

from gsa import maps, ranges
from gsa.cells import Cells
from gsa.preprocess import Grid
from gsa.ranges import even_distance, measure

GRID = Grid(9, 9, height=36, width=72)  # cells of 4 x 8 pixels
MIDDLE = Cells.at(4, 4)


def test_all_weight_on_the_place_itself():
    weights = np.zeros((9, 9))
    weights[4, 4] = -2.0
    found = measure(weights, MIDDLE, GRID)
    assert found.mean_distance == found.radius_50 == found.radius_90 == 0
    assert found.effective_pixels == pytest.approx(1)
    assert (found.row, found.column, found.negative) == (1, 1, 1)
    assert found.left == found.right == found.above == found.below == 0


def test_all_weight_on_one_other_cell():
    weights = np.zeros((9, 9))
    weights[1, 6] = 3.0
    found = measure(weights, MIDDLE, GRID)
    distance = np.hypot(3 * 4, 2 * 8)
    assert found.mean_distance == found.radius_50 == found.radius_90 == pytest.approx(distance)
    assert (found.above, found.right, found.left, found.below) == (1, 1, 0, 0)
    assert found.row == found.column == found.negative == 0


def test_anisotropy_is_what_lies_beside_over_what_lies_above_and_below():
    weights = np.zeros((9, 9))
    weights[4, 6], weights[4, 0], weights[1, 4], weights[8, 4] = 4.0, -2.0, 1.0, 1.0
    assert measure(weights, MIDDLE, GRID).anisotropy == pytest.approx((4 + 2) / (1 + 1))
    weights[:4] = weights[5:] = 0
    assert np.isnan(measure(weights, MIDDLE, GRID).anisotropy)  # there is nothing to divide by


def test_uniform_weight():
    found = measure(np.full((9, 9), 0.1), MIDDLE, GRID)
    assert found.effective_pixels == pytest.approx(81)
    assert found.left == found.right == pytest.approx(36 / 81)
    assert found.row == found.column == pytest.approx(9 / 81)
    every = [np.hypot(4 * row, 8 * column) for row in range(-4, 5) for column in range(-4, 5)]
    assert found.mean_distance == pytest.approx(np.mean(every))
    assert found.radius_50 == pytest.approx(sorted(every)[40])


def test_the_even_distance_is_that_of_uniform_weight():
    cells, grid = Cells(1, 2, 3, 3), Grid(6, 4, 96, 64)
    wanted = measure(np.ones((6, 4)), cells, grid).mean_distance
    assert even_distance(cells, grid) == pytest.approx(wanted)
    assert even_distance(Cells.at(0, 0), Grid(1, 2, 10, 20)) == 5  # 0 and 10 pixels away


def test_weight_on_the_own_row():
    weights = np.zeros((9, 9))
    weights[4] = 1.0
    found = measure(weights, MIDDLE, GRID)
    assert found.row == 1
    assert found.column == pytest.approx(1 / 9)
    assert found.effective_pixels == pytest.approx(9)
    assert found.mean_distance == pytest.approx(8 * np.mean([4, 3, 2, 1, 0, 1, 2, 3, 4]))
    assert found.radius_90 == 32


def test_a_gaussian():
    grid = Grid(201, 201, height=201, width=201)
    offset = np.arange(201) - 100
    sigma = 10.0
    bell = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * sigma**2))
    found = measure(bell, Cells.at(100, 100), grid)
    assert found.mean_distance == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=1e-3)
    assert found.radius_50 == pytest.approx(sigma * np.sqrt(2 * np.log(2)), abs=0.5)
    assert found.radius_90 == pytest.approx(sigma * np.sqrt(2 * np.log(10)), abs=0.5)
    assert found.effective_pixels == pytest.approx(2 * np.pi * np.e * sigma**2, rel=1e-3)


def test_negative_share_counts_sizes():
    weights = np.zeros((9, 9))
    weights[0, 0], weights[8, 8] = -3.0, 1.0
    assert measure(weights, MIDDLE, GRID).negative == pytest.approx(0.75)


def test_a_map_without_weight_has_no_range():
    found = measure(np.zeros((9, 9)), MIDDLE, GRID)
    assert all(value is None for value in found.to_dict().values())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (0.6, "0.6"), (-3.26, "-3.3"), (120.4, "120"), (99.6, "100"),
        (0.00031, "0.00031"), (1.04e-7, "1.0e-07"), (2.5e7, "2.5e+07"),
    ],
)  # fmt: skip
def test_two_digits_say_it_without_an_exponent_where_they_can(value, said):
    assert ranges.two_digits(value) == said


def test_the_mean_leaves_out_maps_without_weight():
    empty = measure(np.zeros((9, 9)), MIDDLE, GRID)
    full = measure(np.ones((9, 9)), MIDDLE, GRID)
    assert ranges.mean([empty, full]) == full
    assert np.isnan(ranges.mean([empty]).mean_distance)


def test_the_spread_tells_percentiles_over_queries():
    weights = np.zeros((9, 9))
    weights[4, 4] = 1.0
    every = [measure(weights, Cells.at(4, column), GRID) for column in range(9)]
    every.append(measure(np.zeros((9, 9)), MIDDLE, GRID))
    assert ranges.spread(every)["mean_distance"] == pytest.approx(
        {"p10": 6.4, "median": 16, "p90": 32}
    )
    assert ranges.spread(every[-1:]) == {}


def test_the_mean_distance_is_over_heads_and_places_far_apart(recording):
    layer, grid = recording["1.1"], recording.grid("1.1")  # 16 x 24 cells
    assert (grid.rows, grid.columns) == (16, 24)
    every = [
        measures.mean_distance
        for row in (3, 9, 15)
        for column in (3, 9, 15, 21)
        for measures in ranges.measure_heads(layer, "content", Cells.at(row, column), grid)
    ]
    assert ranges.mean_distance(layer, "content", grid) == pytest.approx(np.mean(every))

    even = [measure(np.ones((16, 24)), Cells.at(row, column), grid).mean_distance
            for row in (3, 9, 15) for column in (3, 9, 15, 21)]  # fmt: skip
    assert ranges.mean_even_distance(grid) == pytest.approx(np.mean(even))


def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 3\); its grid is 9 x 9"):
        measure(np.ones((3, 3)), MIDDLE, GRID)


def test_heads_are_measured_for_a_kind_of_map_alone(recording):
    layer, grid, cells = recording["3.1"], recording.grid("3.1"), Cells.at(2, 3)
    weights = maps.sum_map(layer, cells)
    expected = [measure(each, cells, grid) for each in weights]
    assert ranges.measure_heads(layer, "sum", cells, grid) == expected
    with pytest.raises(ValueError, match="there is no kind 'rows' here"):
        ranges.measure_heads(layer, "rows", cells, grid)


def test_over_queries_visits_every_query_once(recording):
    layer, grid = recording["3.1"], recording.grid("3.1")
    found = dict(ranges.over_queries(layer, "content", grid))
    assert len(found) == grid.rows * grid.columns
    weights = maps.content_map(layer, Cells.at(2, 3))
    assert found[2, 3][1] == measure(weights[1], Cells.at(2, 3), grid)
