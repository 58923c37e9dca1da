"""The archive of raw maps holds what its description says, entry by entry."""

import io
from dataclasses import astuple

import numpy as np
import pytest

from gsa import contributions, maps
from gsa.cells import Cells
from gsa.export import Provenance, npz_bytes
from gsa.proofs import prove

REGION = (8.0, 40.0, 24.0, 72.0)  # top, left, bottom, right in pixels of the 64 x 96


def made_from(recording, direction):
    return Provenance(
        checkpoint="tiny",
        weights_sha256="",
        picture="noise",
        picture_sha256="",
        crop_box=(0, 0, recording.width, recording.height),
        place=((REGION[0] + REGION[2]) / 2, (REGION[1] + REGION[3]) / 2),
        layers=tuple(recording.layers),
        heads="mean",
        scale="own",
        region=REGION,
        direction=direction,
    )


@pytest.mark.parametrize("direction", ["from", "to"])
def test_every_array_is_of_the_rectangle_and_the_direction(recording, direction):
    archive = np.load(io.BytesIO(npz_bytes(recording, made_from(recording, direction))))
    of, contribution = {
        "from": (maps.branch_map, contributions.contribution_map),
        "to": (maps.reverse_map, contributions.reverse_contribution_map),
    }[direction]
    for name, layer in recording.layers.items():
        grid = recording.grid(name)
        cells = Cells.over(grid, *REGION)
        assert tuple(archive[f"cells_{name}"]) == astuple(cells)
        for branch in maps.branches(layer):
            found = (archive[f"{part}{branch}_{name}"] for part in ("", "contribution_", "error_"))
            wanted = (
                of(layer, branch, cells),
                contribution(layer, branch, cells),
                prove(layer, branch, cells, direction).max_rel_error,
            )
            for array, each in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(array, each)
        np.testing.assert_array_equal(archive[f"gain_{name}"], layer.gain)
        np.testing.assert_array_equal(archive[f"offset_{name}"], layer.offset)


def test_centres_are_those_of_the_cells(recording):
    archive = np.load(io.BytesIO(npz_bytes(recording, made_from(recording, "from"))))
    for name in recording.layers:
        grid = recording.grid(name)
        rows = [grid.centre(row, 0)[0] for row in range(grid.rows)]
        columns = [grid.centre(0, column)[1] for column in range(grid.columns)]
        np.testing.assert_allclose(archive[f"centre_rows_{name}"], rows)
        np.testing.assert_allclose(archive[f"centre_columns_{name}"], columns)
