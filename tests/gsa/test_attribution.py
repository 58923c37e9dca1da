import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa.attribution import METHODS, attribute
from gsa.checkpoints import load
from gsa.faithfulness import _in_blocks, by_chance, deletion, insertion
from gsa.record import record
from tests.conftest import noise


@pytest.fixture(scope="module", params=["tiny_gsa", "tiny_conv"])
def checkpoint(request, checkpoint_folder):
    return load(request.param, checkpoint_folder)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_attributes_to_every_pixel(checkpoint, method):
    every = [attribute(checkpoint, noise(), target, method, effort=4) for target in range(5)]
    assert max(np.abs(each.values).max() for each in every) > 0  # one of them may have no Grad-CAM
    found = every[2]
    assert found.values.shape == (64, 64)
    assert np.isfinite(found.values).all()
    if not found.signed:
        assert (found.values >= 0).all()
    again = attribute(checkpoint, noise(), 2, method, effort=4)
    np.testing.assert_array_equal(found.values, again.values)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_switched_on_or_off_around_it_has_no_effect(checkpoint, method):
    plain = attribute(checkpoint, noise(), 1, method, effort=4)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        inside = attribute(checkpoint, noise(), 1, method, effort=4)
    np.testing.assert_array_equal(inside.values, plain.values)


@pytest.mark.parametrize("method", METHODS)
def test_a_class_may_be_a_number_of_numpy(checkpoint, method):
    plain = attribute(checkpoint, noise(), 1, method, effort=4)
    found = attribute(checkpoint, noise(), np.int64(1), method, effort=4)
    np.testing.assert_array_equal(found.values, plain.values)


def test_integrated_gradients_are_complete(checkpoint):
    """They sum to the change of the score from the baseline, up to the delta that is told."""
    x = noise()
    found = attribute(checkpoint, x, 1, "integrated_gradients", effort=128)
    with torch.inference_mode():
        change = float(checkpoint.model(x)[0, 1] - checkpoint.model(torch.zeros_like(x))[0, 1])
    assert found.values.sum() == pytest.approx(change + found.delta, rel=1e-3, abs=1e-3)
    assert abs(found.delta) < 0.1 * abs(change) + 0.05


def test_occlusion_finds_the_only_pixels_that_differ_from_the_baseline(checkpoint):
    x = torch.zeros(1, 3, 64, 64)
    x[..., 16:32, 40:56] = 2.0
    found = np.abs(attribute(checkpoint, x, 0, "occlusion").values)
    assert found[16:32, 40:56].max() > 0
    elsewhere = max(found[:8].max(), found[48:].max(), found[:, :24].max())
    assert elsewhere < 1e-4 * found.max()  # a batch differs from a single picture in the last bits


def test_occlusion_is_the_change_of_the_score_without_the_window(doubled):
    x = noise()
    side = x.shape[-1] // 8
    without = x.clone()
    without[..., :side, :side] = 0
    before, after = (float(doubled.model(each.double())[0, 1]) for each in (x, without))
    found = attribute(doubled, x, 1, "occlusion").values
    first = found[: side // 2, : side // 2]  # which no other window covers
    np.testing.assert_allclose(first, before - after, rtol=1e-4)


def test_the_noise_of_smooth_grad_goes_with_the_range_of_the_picture(doubled):
    faint = copy.deepcopy(doubled.model)
    with torch.no_grad():
        faint.stem.weight /= 10  # sees of ten times the picture what the other sees of it
    of_picture = attribute(doubled, noise(), 1, "smooth_grad", effort=4).values
    found = attribute(replace(doubled, model=faint), 10 * noise(), 1, "smooth_grad", effort=4)
    np.testing.assert_allclose(10 * found.values, of_picture, rtol=1e-4)


def test_nothing_is_left_on_the_network(checkpoint):
    before = [sorted(vars(module)) for module in checkpoint.model.modules()]
    plain = checkpoint.model(noise())
    for method in METHODS:
        attribute(checkpoint, noise(), 0, method, effort=2)
    assert [sorted(vars(module)) for module in checkpoint.model.modules()] == before
    assert not any(module._forward_hooks for module in checkpoint.model.modules())
    assert all(p.grad is None and not p.requires_grad for p in checkpoint.model.parameters())
    assert torch.equal(checkpoint.model(noise()), plain)


def test_attributions_and_recordings_do_not_disturb_each_other(checkpoint):
    alone = [attribute(checkpoint, noise(seed=seed), 0, "grad_cam").values for seed in range(4)]
    logits = record(checkpoint.model, noise()).logits

    def cam(seed):
        return attribute(checkpoint, noise(seed=seed), 0, "grad_cam").values

    def look(_):
        return record(checkpoint.model, noise()).logits

    with ThreadPoolExecutor(8) as pool:
        looked = pool.map(look, range(40))
        cams = list(pool.map(cam, [0, 1, 2, 3] * 4))
        assert all(np.array_equal(each, logits) for each in looked)
    assert all(np.array_equal(each, alone[at % 4]) for at, each in enumerate(cams))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "magic"}, "`method` (='magic') must be one of integrated_gradients"),
        ({"target": 5}, "`target` (=5) must be from 0 to 4"),
        ({"target": 1.7}, "`target` (=1.7) must be the number of a class"),
        ({"target": "bee"}, "`target` (='bee') must be the number of a class"),
        ({"effort": 0}, "`effort` (=0) must be whole and at least 1"),
        ({"effort": 2.5}, "`effort` (=2.5) must be whole and at least 1"),
    ],
)
def test_bad_requests_are_refused(checkpoint, options, sentence):
    request = {"target": 0, "method": "saliency", "effort": 2} | options
    effort = request.pop("effort")
    with pytest.raises(ValueError, match="must be") as caught:
        attribute(checkpoint, noise(), **request, effort=effort)
    assert sentence in str(caught.value)


def test_a_network_in_training_is_refused_and_stays_as_it_is(checkpoint):
    learning = replace(checkpoint, model=copy.deepcopy(checkpoint.model).train())
    before = copy.deepcopy(learning.model.state_dict())
    for method in METHODS:
        with pytest.raises(ValueError, match="must be in eval mode"):
            attribute(learning, noise(), 1, method)
    for key, value in learning.model.state_dict().items():
        assert torch.equal(value, before[key])


def test_curves_begin_and_end_with_the_same_pictures(checkpoint):
    values = np.random.default_rng(0).random((8, 8))
    out = deletion(checkpoint, noise(), 3, values, steps=4)
    back = insertion(checkpoint, noise(), 3, values, steps=4)
    assert out.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert out.probabilities[0] == pytest.approx(back.probabilities[-1], rel=1e-4)
    assert out.probabilities[-1] == pytest.approx(back.probabilities[0], rel=1e-4)
    whole = torch.softmax(checkpoint.model(noise())[0], 0)[3]
    assert out.probabilities[0] == pytest.approx(float(whole), rel=1e-4)


def test_inserting_a_map_turned_round_mirrors_deleting_it(checkpoint):
    """The last pixels to be removed by a map are the first to be put back by its negative."""
    values = np.random.default_rng(0).permutation(64).reshape(8, 8)
    out = deletion(checkpoint, noise(), 3, values, steps=4)
    back = insertion(checkpoint, noise(), 3, -values, steps=4)
    np.testing.assert_allclose(out.probabilities, back.probabilities[::-1], rtol=1e-4)
    assert out.area == pytest.approx(back.area, rel=1e-4)


def test_blocks_go_whole_in_the_order_of_their_means():
    values = torch.zeros(32, 24)  # blocks of two by two pixels
    values[0, 0] = 5  # mean 1.25
    values[2:4, 4:6] = 2
    values[30:, 22:] = 1
    rank = _in_blocks(values).view(32, 24)
    assert sorted(rank.flatten().tolist()) == list(range(32 * 24))
    for first, (row, column) in zip((0, 4, 8), ((2, 4), (0, 0), (30, 22)), strict=True):
        block = rank[row : row + 2, column : column + 2]
        assert sorted(block.flatten().tolist()) == list(range(first, first + 4))


def test_blocks_of_one_value_go_in_no_order_of_place():
    rank = _in_blocks(torch.zeros(64, 64)).view(64, 64)[::4, ::4]  # of each block
    first = np.argwhere(rank.numpy() < rank.numel() // 4 * 16)  # a quarter of them
    assert np.abs(first.mean(axis=0) - 7.5).max() < 2  # as far up as down
    assert np.unique(first[:, 0]).size > 12


def test_blocks_at_random_are_a_mean_over_draws(checkpoint):
    found = by_chance(checkpoint, noise(), 3, steps=4, draws=2)
    again = by_chance(checkpoint, noise(), 3, steps=4, draws=2)
    np.testing.assert_array_equal(found.probabilities, again.probabilities)
    each = [np.random.default_rng(seed).random((16, 16)) for seed in (0, 1)]
    curves = [deletion(checkpoint, noise(), 3, values, steps=4) for values in each]
    assert not np.array_equal(curves[0].probabilities, curves[1].probabilities)
    mean = (curves[0].probabilities + curves[1].probabilities) / 2
    np.testing.assert_allclose(found.probabilities, mean)
    assert found.area == pytest.approx((curves[0].area + curves[1].area) / 2)
    np.testing.assert_array_equal(found.areas, sorted(each.area for each in curves))


@pytest.fixture
def doubled(checkpoint):
    return replace(checkpoint, model=copy.deepcopy(checkpoint.model).double())


@pytest.mark.parametrize("method", METHODS)
def test_a_network_of_double_precision_is_attributed_too(checkpoint, doubled, method):
    found = attribute(doubled, noise(), 1, method, effort=2).values
    single = attribute(checkpoint, noise(), 1, method, effort=2).values
    # SmoothGrad draws other noise in double precision
    if method != "smooth_grad":
        np.testing.assert_allclose(found, single, rtol=0.01, atol=1e-3 * np.abs(single).max())


def test_curves_of_a_network_of_double_precision(checkpoint, doubled):
    values = np.random.default_rng(0).random((8, 8))
    for curve in (deletion, insertion):
        single = curve(checkpoint, noise(), 3, values, steps=4)
        found = curve(doubled, noise(), 3, values, steps=4)
        np.testing.assert_allclose(found.probabilities, single.probabilities, rtol=1e-3)


def test_one_picture_and_a_class_that_is_there(checkpoint):
    two, values = noise().repeat(2, 1, 1, 1), np.ones((8, 8))
    for ask in (
        lambda x, target: attribute(checkpoint, x, target, "saliency"),
        lambda x, target: deletion(checkpoint, x, target, values),
        lambda x, target: insertion(checkpoint, x, target, values),
    ):
        with pytest.raises(ValueError, match=r"`x` has shape \(2, 3, 64, 64\)"):
            ask(two, 0)
        for target in (-1, 9):
            with pytest.raises(ValueError, match="`target` .* must be from 0 to 4"):
                ask(noise(), target)


def test_values_that_are_no_numbers_are_refused(checkpoint):
    with pytest.raises(ValueError, match="`values` must be finite"):
        deletion(checkpoint, noise(), 0, np.full((4, 4), np.nan))
    for shape in ((4,), (1, 4, 4), (0, 4)):
        with pytest.raises(ValueError, match=r"`values` has shape .*must be \(rows, columns\)"):
            deletion(checkpoint, noise(), 0, np.ones(shape))
    with pytest.raises(ValueError, match=r"`draws` \(=0\) must be at least 1"):
        by_chance(checkpoint, noise(), 0, draws=0)
