import itertools

import numpy as np
import pytest

from gsa import maps
from gsa.cells import Cells
from gsa.record import record
from gsa.two_steps import two_step_path
from tests.conftest import VARIANTS, noise, tiny_model


def weights_by_pixel(layer, branch, query):
    """(h, y, x) straight from the definition, one pixel pair at a time."""
    (rows, columns), (a, b) = layer.shape, query
    found = np.zeros((layer.heads, rows, columns))
    for h, i, j in itertools.product(range(layer.heads), range(rows), range(columns)):
        if branch == "content":
            found[h, i, j] = sum(layer.q[h, :, a, b] * layer.rho[h, :, i, j])
            continue
        along = layer.q[h, :, a, b] @ layer.r_r[j - b + columns - 1]
        down = layer.q[h, :, a, j] @ layer.r_c[i - a + rows - 1]
        found[h, i, j] = along * down
    return found


@pytest.mark.parametrize("branch", ["content", "positional"])
@pytest.mark.parametrize("query", [(0, 0), (2, 5), (7, 1)])
def test_maps_are_those_of_the_definition(recording, branch, query):
    layer = recording["2.1"]
    expected = weights_by_pixel(layer, branch, (query[0], query[1]))
    found = maps.branch_map(layer, branch, Cells.at(*query))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("branch", ["content", "positional"])
def test_reverse_maps_are_all_maps_turned_round(recording, branch):
    layer = recording["3.1"]
    every = maps.all_queries(layer, branch)  # (h, a, b, i, j)
    for source in ((0, 0), (1, 4), (3, 2)):
        found = maps.reverse_map(layer, branch, Cells.at(*source))
        np.testing.assert_allclose(found, every[..., source[0], source[1]], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("variant", ["column", "row"])
def test_a_branch_of_one_step_has_maps_both_ways(variant):
    recording = record(tiny_model(**VARIANTS[variant]).double(), noise(64, 96).double())
    layer = recording["3.1"]
    every = maps.all_queries(layer, "positional")
    reverse = maps.reverse_positional_map(layer, Cells.at(2, 3))
    np.testing.assert_allclose(reverse, every[..., 2, 3], atol=1e-14)
    off = every[:, 1, 2].copy()  # of query (1, 2)
    if variant == "column":
        off[:, :, 2] = 0
    else:
        off[:, 1, :] = 0
    assert not off.any()


@pytest.mark.parametrize("branch", ["content", "positional"])
def test_a_region_is_the_mean_of_its_cells(recording, branch):
    layer, region = recording["2.1"], Cells(1, 2, 4, 7)
    each = [
        maps.branch_map(layer, branch, Cells.at(row, column))
        for row in range(1, 4)
        for column in range(2, 7)
    ]
    np.testing.assert_allclose(maps.branch_map(layer, branch, region), np.mean(each, axis=0))
    back = [
        maps.reverse_map(layer, branch, Cells.at(row, column))
        for row in range(1, 4)
        for column in range(2, 7)
    ]
    np.testing.assert_allclose(maps.reverse_map(layer, branch, region), np.mean(back, axis=0))


def test_the_two_step_path_makes_up_the_weight(recording):
    layer, query, source = recording["2.1"], (5, 2), (1, 9)
    path = two_step_path(layer, query, source)
    assert path.via == (5, 9)
    whole = maps.positional_map(layer, Cells.at(*query))[:, 1, 9]
    np.testing.assert_allclose(path.weight, whole)
    np.testing.assert_allclose(path.weight, path.row_score * path.column_score)


def test_the_sum_is_exact_for_each_value_channel(recording):
    layer, (a, b) = recording["2.1"], (3, 4)
    offset = layer.offset * maps.row_weights(layer, Cells.at(a, b))[:, 0].sum(axis=1)[:, None]
    for channel in range(layer.v.shape[1]):
        weights = maps.sum_map(layer, Cells.at(a, b), channel)
        found = np.einsum("hyx,hyx->h", weights, layer.v[:, channel]) + offset[:, channel]
        np.testing.assert_allclose(found, layer.output[:, channel, a, b], rtol=1e-9, atol=1e-12)


def test_the_sum_without_a_channel_uses_the_mean_gain(recording):
    layer, cells = recording["2.1"], Cells.at(3, 4)
    channels = range(layer.v.shape[1])
    each = [maps.sum_map(layer, cells, channel) for channel in channels]
    np.testing.assert_allclose(maps.sum_map(layer, cells), np.mean(each, axis=0))


def test_content_weights_sum_to_the_sum_of_the_query(recording):
    layer = recording["1.1"]
    weights = maps.content_map(layer, Cells.at(4, 6))
    np.testing.assert_allclose(weights.sum(axis=(1, 2)), layer.q[:, :, 4, 6].sum(axis=1))
    assert (weights < 0).any()


def test_heads_are_combined_as_named():
    weights = np.array([[[1.0, -2.0]], [[-1.0, 4.0]]])
    np.testing.assert_array_equal(maps.mean_over_heads(weights), [[0, 1]])
    np.testing.assert_array_equal(maps.mean_absolute_over_heads(weights), [[1, 3]])
    np.testing.assert_array_equal(maps.max_absolute_over_heads(weights), [[1, 4]])


def test_all_queries_keep_to_the_memory_limit(recording):
    layer = recording["1.1"]
    needed = layer.heads * (16 * 24) ** 2 * 8
    assert maps.all_queries(layer, "content", needed).nbytes == needed
    with pytest.raises(ValueError, match="all maps of layer 1.1 take .* MiB; at most"):
        maps.all_queries(layer, "content", needed - 1)


@pytest.mark.parametrize("kind", ["content", "positional", "sum"])
def test_all_queries_are_the_maps_of_each(recording, kind):
    layer = recording["3.1"]
    every = maps.all_queries(layer, kind)
    for a, b in ((0, 0), (2, 5), (7, 1)):
        expected = maps.branch_map(layer, kind, Cells.at(a, b))
        np.testing.assert_allclose(every[:, a, b], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("of", "kinds"),
    [
        (maps.branch_map, "content or positional or sum"),
        (maps.reverse_map, "content or positional or sum"),
        (maps.branch_share, "content or positional"),
        (lambda layer, kind, _: maps.all_queries(layer, kind), "content or positional or sum"),
    ],
)
def test_a_kind_of_map_that_is_none_is_refused(recording, of, kinds):
    with pytest.raises(ValueError, match=f"no kind 'postional' here; it must be {kinds}."):
        of(recording["3.1"], "postional", Cells.at(0, 0))


def test_the_sum_has_no_share(recording):
    with pytest.raises(ValueError, match="no kind 'sum' here; it must be content or positional"):
        maps.branch_share(recording["3.1"], "sum", Cells.at(0, 0))


def test_a_branch_that_is_missing_has_no_share():
    layer = record(tiny_model(positional="none"), noise())["3.1"]
    assert maps.branch_share(layer, "positional", Cells.at(0, 0)) == 0
    assert maps.branch_share(layer, "content", Cells.at(0, 0)) == 1


def test_shares_of_the_branches_add_up(recording):
    layer, cells = recording["2.1"], Cells.at(1, 1)
    content = maps.branch_share(layer, "content", cells)
    assert 0 < content < 1
    assert content + maps.branch_share(layer, "positional", cells) == pytest.approx(1)


def test_key_maps_sum_to_one(recording):
    np.testing.assert_allclose(maps.key_maps(recording["2.1"]).sum(axis=(2, 3)), 1)


@pytest.mark.parametrize("cells", [(8, 0, 9, 1), (0, 12, 1, 13)])
def test_cells_outside_the_grid_are_refused(recording, cells):
    with pytest.raises(ValueError, match="must lie in the 8 x 12 grid of layer 3.1"):
        maps.content_map(recording["3.1"], Cells(*cells))


def test_an_empty_rectangle_is_refused():
    with pytest.raises(ValueError, match="0 <= top < bottom"):
        Cells(2, 0, 2, 1)


def test_a_missing_branch_is_named():
    layer = record(tiny_model(positional="none"), noise())["1.1"]
    assert maps.branches(layer) == ("content",)
    with pytest.raises(ValueError, match="layer 1.1 has no"):
        maps.positional_map(layer, Cells.at(0, 0))
    layer = record(tiny_model(content=False), noise())["1.1"]
    with pytest.raises(ValueError, match="layer 1.1 has no content branch"):
        maps.content_map(layer, Cells.at(0, 0))
