"""Companions of a map lie over it: what must be equal is equal, what must differ differs."""

import numpy as np
import pytest
import torch

from gsa import maps, stability
from gsa.cells import Cells
from gsa.maps import Branch
from gsa.record import record
from tests.conftest import noise, tiny_model


@pytest.mark.parametrize("branch", ["content", "positional"])
@pytest.mark.parametrize("step", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_maps_follow_a_move(step: tuple[int, int], branch: Branch) -> None:
    model, x = tiny_model(), torch.zeros(1, 3, 64, 64)
    # even at its edge, the picture loses nothing on the way: the softmax of the keys stays as it is
    x[..., 16:-16, 16:-16] = noise(32, 32)
    plain = record(model, x)
    cell = [int(side) for side in plain.grid("1.1").cell]
    there = record(model, stability.moved(x, step[0] * cell[0], step[1] * cell[1]))
    cells = Cells.at(7, 8)
    back = stability.moved_map(there, "1.1", branch, cells, step)
    wanted = maps.branch_map(plain["1.1"], branch, cells)
    lost = ~np.isfinite(back)
    rows, columns = plain["1.1"].shape
    assert lost.sum() == len(wanted) * (rows + columns - 1)
    inner = np.s_[:, 3:-3, 3:-3]  # away from the padding, the first layer sees the same
    np.testing.assert_allclose(back[inner], wanted[inner], rtol=1e-3, atol=1e-4 * wanted.std())
    assert np.abs(maps.branch_map(there["1.1"], branch, cells) - wanted).max() > wanted.std()


def test_a_mirrored_picture_has_left_and_right_exchanged() -> None:
    x = noise(4, 6)
    there = stability.mirrored(x, 0)
    for column in range(6):
        assert torch.equal(there[..., column], x[..., 5 - column])
    assert not torch.equal(there, x)
    torch.testing.assert_close(stability.mirrored(x, 1)[..., 1:], there[..., :-1])


def test_the_spacing_is_that_of_the_strides() -> None:
    for side in (32, 33, 63, 64, 65, 100, 144):
        recording = record(tiny_model(), noise(side, side))
        found = [stability.spacing(recording.grid(name)) for name in recording.layers]
        assert found == [(4, 4), (4, 4), (8, 8), (16, 16)], side


@pytest.mark.parametrize("branch", ["content", "positional"])
# where a move is called for, later layers have what lies at the edges, which it changes, and what
# average pooling joins, which lies half a cell off
@pytest.mark.parametrize(("side", "layer"), [(64, "1.1"), (65, "1.1"), (65, "2.1"), (67, "1.1")])
def test_the_mirrored_map_is_mirrored_back(side: int, layer: str, branch: Branch) -> None:
    """Of any size, since strides meet the same pixels, and of a place in the lost column too."""
    model = tiny_model().double()
    with torch.no_grad():  # a network that does not tell left from right
        model.stem.weight += model.stem.weight.flip(-1)
        for module in model.gsa_layers().values():
            module.r_r += module.r_r.flip(0)
    x = torch.zeros(1, 3, side, side).double()
    # what moves across loses nothing at the edge: the softmax of the keys stays as it is
    x[..., 16:-16, 16:-16] = noise(side - 32, side - 32).double()
    plain = record(model, x)
    columns = plain[layer].shape[1]
    for cells in (Cells(2, 3, 4, 6), Cells(2, 0, 4, 2)):
        across = stability.turn_of(cells, plain.grid(layer))
        assert (side - 1 + across) % stability.spacing(plain.grid(layer))[1] == 0
        turned = record(model, stability.mirrored(x, across))
        back = stability.mirrored_map(turned, layer, branch, cells)
        wanted = maps.branch_map(plain[layer], branch, cells)
        lost = [0] if across > 0 else [columns - 1] if across < 0 else []
        assert sorted(set(np.nonzero(np.isnan(back))[-1])) == lost
        assert (across > 0) <= (cells.left > 0)
        inner = np.s_[..., 3:-3, 3 : columns - 3]  # away from the padding, which does not move
        near = {"rtol": 1e-3, "atol": 1e-2 * wanted.std()}
        np.testing.assert_allclose(back[inner], wanted[inner], **near)


def test_the_step_keeps_the_place_in_the_grid() -> None:
    assert stability.step_of(Cells.at(0, 0), (4, 4)) == (1, 1)
    assert stability.step_of(Cells.at(3, 0), (4, 4)) == (-1, 1)
    assert stability.step_of(Cells(0, 1, 4, 4), (4, 4)) == (0, -1)
    assert stability.step_of(Cells(0, 0, 4, 4), (4, 4)) == (0, 0)


def test_a_place_that_fills_an_axis_moves_along_the_other() -> None:
    recording = record(tiny_model(), noise())
    rows, columns = recording["1.1"].shape
    cells = Cells(0, 2, rows, 5)
    back = stability.moved_map(recording, "1.1", "content", cells, (0, 1))
    assert np.isnan(back[..., -1]).all()
    assert np.isfinite(back[..., :-1]).all()


def test_moved_pictures_repeat_their_edge() -> None:
    x = noise()
    there = stability.moved(x, 4, -3)
    torch.testing.assert_close(there[..., 4:, :-3], x[..., :-4, 3:])
    torch.testing.assert_close(there[..., 0, :-3], x[..., 0, 3:])
    with pytest.raises(ValueError, match="leaves"):
        stability.moved(x, 64, 0)


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 5, 6))
    assert stability.correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])
    assert stability.correlation(a, -2 * a + 1) == pytest.approx(-1)
    b[0] = np.nan
    part = np.corrcoef(a[1:].ravel(), b[1:].ravel())[0, 1]
    assert stability.correlation(a, b) == pytest.approx(part)
    assert np.isnan(stability.correlation(a, np.ones_like(a)))
