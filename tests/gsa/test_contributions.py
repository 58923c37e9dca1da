import numpy as np
import pytest

from gsa import contributions, maps
from gsa.cells import Cells
from gsa.contributions import contribution_map, contribution_vectors, reverse_contribution_map
from gsa.record import record
from tests.conftest import VARIANTS, noise, tiny_model

REGION = Cells(1, 2, 3, 5)
OUTPUTS = {"content": "content", "positional": "positional", "sum": "output"}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("cells", [Cells.at(2, 5), REGION])
def test_what_cells_add_and_the_constant_make_the_output(recording, kind, cells):
    layer = recording["2.1"]
    found = contribution_vectors(layer, kind, cells).sum(axis=(-2, -1))
    if kind != "content":
        assert np.abs(contributions.constant(layer, cells)).max() > 0.01
        found = found + contributions.constant(layer, cells)
    output = cells.of(getattr(layer, OUTPUTS[kind])).mean(axis=(-2, -1))
    np.testing.assert_allclose(found, output, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_what_a_place_adds_elsewhere_is_what_others_get_from_it(recording, kind):
    layer = recording["3.1"]
    (rows, columns), source = layer.shape, (1, 3)
    found = reverse_contribution_map(layer, kind, Cells.at(*source))
    for a, b in np.ndindex(rows, columns):
        got = contribution_map(layer, kind, Cells.at(a, b))[:, source[0], source[1]]
        np.testing.assert_allclose(found[:, a, b], got, rtol=1e-9, atol=1e-13)


def test_a_region_adds_the_mean_of_what_its_cells_add(recording):
    layer = recording["2.1"]
    cells = [Cells.at(i, j) for i in (1, 2) for j in (2, 3, 4)]
    every = [contribution_vectors(layer, "sum", each, "to") for each in cells]
    found = contribution_vectors(layer, "sum", REGION, "to")
    np.testing.assert_allclose(found, np.mean(every, axis=0), rtol=1e-9, atol=1e-13)


def test_a_contribution_of_a_branch_is_its_weight_times_the_length_of_its_value(recording):
    layer, cells = recording["2.1"], Cells.at(3, 1)
    content = np.abs(maps.content_map(layer, cells)) * np.linalg.norm(layer.v, axis=1)
    np.testing.assert_allclose(contribution_map(layer, "content", cells), content, rtol=1e-9)
    gained = np.linalg.norm(layer.gain[:, :, None, None] * layer.v, axis=1)
    positional = np.abs(maps.positional_map(layer, cells)) * gained
    np.testing.assert_allclose(contribution_map(layer, "positional", cells), positional, rtol=1e-9)


@pytest.mark.parametrize("variant", ["column", "row"])
def test_without_a_norm_between_steps_there_is_no_constant(variant):
    layer = record(tiny_model(**VARIANTS[variant]).double(), noise().double())["3.1"]
    cells = Cells.at(1, 2)
    assert contributions.constant_share(layer, cells) == 0
    found = contribution_vectors(layer, "positional", cells).sum(axis=(-2, -1))
    np.testing.assert_allclose(found, layer.positional[:, :, 1, 2], rtol=1e-9, atol=1e-12)


def test_the_share_of_the_constant_is_a_part_of_both_norms(recording):
    layer, cells = recording["2.1"], Cells.at(0, 0)
    constant = contributions.constant(layer, cells)
    share = contributions.constant_share(layer, cells)
    rest = np.linalg.norm(layer.positional[:, :, 0, 0] - constant)
    assert share == pytest.approx(np.linalg.norm(constant) / (np.linalg.norm(constant) + rest))
    assert 0 < share < 1


def test_the_share_of_several_cells_lies_between_those_of_each(recording):
    layer = recording["1.1"]
    single = [contributions.constant_share(layer, Cells.at(y, x)) for y in (2, 3) for x in (4, 5)]
    share = contributions.constant_share(layer, Cells(2, 4, 4, 6))
    assert min(single) < share < max(single)
    whole = contributions.constant(layer, Cells(2, 4, 4, 6))
    each = [contributions.constant(layer, Cells.at(y, x)) for y in (2, 3) for x in (4, 5)]
    np.testing.assert_allclose(whole, np.mean(each, axis=0), rtol=1e-5)


def test_a_kind_that_is_none_is_refused(recording):
    with pytest.raises(ValueError, match="there is no kind 'Content' here"):
        contribution_map(recording["2.1"], "Content", Cells.at(0, 0))


def test_a_direction_that_is_none_is_refused(recording):
    with pytest.raises(ValueError, match=r"`direction` \(='form'\)"):
        contribution_vectors(recording["1.1"], "content", Cells.at(1, 1), "form")


def test_a_branch_that_is_not_there_is_named():
    layer = record(tiny_model(**VARIANTS["content"]), noise())["3.1"]
    with pytest.raises(ValueError, match="layer 3.1 has no positional branch"):
        contribution_map(layer, "sum", Cells.at(0, 0))
    with pytest.raises(ValueError, match="layer 3.1 has no positional branch"):
        reverse_contribution_map(layer, "positional", Cells.at(0, 0))
    with pytest.raises(ValueError, match="layer 3.1 has no positional branch"):
        contributions.constant_share(layer, Cells.at(0, 0))
