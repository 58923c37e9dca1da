"""Places that are none on a grid get a sentence."""

import numpy as np
import pytest

from gsa import maps
from gsa.cells import Cells
from gsa.contributions import contribution_map
from gsa.maps import column_weights
from gsa.preprocess import Grid
from gsa.proofs import prove
from gsa.ranges import measure

GRID = Grid(16, 24, 64, 96)


@pytest.mark.parametrize("row", [99, -1])
def test_a_row_that_a_layer_lacks_has_no_column_step(recording, row):
    with pytest.raises(ValueError, match="rows 99 to 100.* must lie in|0 <= top"):
        column_weights(recording["2.1"], row)


def test_a_rectangle_that_ends_before_it_begins_is_refused(recording):
    with pytest.raises(ValueError, match="must not end before it begins; got rows 50 to 10"):
        Cells.over(recording.grid("1.1"), 50, 10, 10, 50)


@pytest.mark.parametrize(
    "of_cells",
    [
        maps.content_map, maps.positional_map, maps.sum_map, maps.row_weights,
        maps.reverse_content_map, maps.reverse_positional_map,
        lambda layer, cells: prove(layer, "content", cells),
        lambda layer, cells: contribution_map(layer, "content", cells),
        lambda layer, cells: measure(maps.content_map(layer, Cells.at(1, 2))[0], cells, GRID),
    ],
)  # fmt: skip
def test_a_pair_in_place_of_cells_is_refused(recording, of_cells):
    with pytest.raises(ValueError, match=r"`cells` \(=\(1, 2\)\) must be of type `gsa.Cells`; one"):
        of_cells(recording["2.1"], (1, 2))


def test_cells_that_are_not_whole_or_leave_a_map_are_refused(recording):
    with pytest.raises(ValueError, match=r"`top` \(=1.5\) of a rectangle of cells must be whole"):
        Cells.at(1.5, 2)
    grid = recording.grid("2.1")
    with pytest.raises(ValueError, match="rows 30 to 31, columns 30 to 31 must lie in the 16 x 24"):
        measure(np.ones((16, 24)), Cells.at(30, 30), grid)
