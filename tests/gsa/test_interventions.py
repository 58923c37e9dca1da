"""Cut weights and changed pictures do what they say, checked against plain loops."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa import maps
from gsa.card import Card
from gsa.cells import Cells
from gsa.checkpoints import Checkpoint
from gsa.formulas import normalise_keys, windowed_content_attention
from gsa.heuristics import class_flow, output_gradients
from gsa.interventions import Limits, by_radius, limited, probabilities
from gsa.maps import Branch
from gsa.perturbations import by_shuffled_radius, change, effect, opposite, shuffle_far
from gsa.preprocess import Preprocess
from gsa.proofs import prove
from gsa.record import record
from gsa.resnet import ResNet
from tests.conftest import noise, random_statistics, tiny_config, tiny_model


def checkpoint(mixer: str = "gsa") -> Checkpoint:
    """Of bounded queries, so that every class has a probability that a change can move."""
    config = tiny_config(projection_norm="rms", query_gain=0.2)
    config = config if mixer == "gsa" else config.twin()
    model = ResNet(config, seed=0)
    random_statistics(model)
    classes = ("ant", "bee", "cat", "dog", "eel")
    card = Card("tiny", "tiny", config, Preprocess(config.input_size), classes)
    return Checkpoint(model.eval().requires_grad_(False), card)


def test_windowed_content_is_the_sum_over_the_window() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(2, 2, 3, 5, 4, generator=generator).double() for _ in range(2))
    v = torch.randn(2, 2, 2, 5, 4, generator=generator).double()
    rho = normalise_keys(k)
    found = windowed_content_attention(q, rho, v, 1)
    for b, h, y, x in np.ndindex(2, 2, 5, 4):
        wanted = sum(
            (q[b, h, :, y, x] @ rho[b, h, :, i, j]) * v[b, h, :, i, j]
            for i in range(max(y - 1, 0), min(y + 2, 5))
            for j in range(max(x - 1, 0), min(x + 2, 4))
        )
        torch.testing.assert_close(found[b, h, :, y, x], wanted)


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"radius": "8"}, r"`radius` \(='8'\) must be a number of pixels"),
        ({"radius": math.nan}, r"`radius` \(=nan\) must be a number of pixels"),
        ({"layers": "2.1"}, r"`layers` \(='2.1'\) must be a tuple of names"),
    ],
)
def test_limits_that_are_none_are_refused(limits: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Limits(**limits)
    assert Limits(np.float32(8)).cells(4) == 2


def test_curves_over_radii_are_of_one_picture_and_some_radius() -> None:
    with pytest.raises(ValueError, match=r"must be \(1, 3, rows, columns\)"):
        by_radius(checkpoint(), noise().expand(3, -1, -1, -1), [8, 16])
    with pytest.raises(ValueError, match="`radii` must name at least one"):
        by_radius(checkpoint(), noise(), [])


def test_a_shuffle_needs_patches_and_a_place_inside() -> None:
    with pytest.raises(ValueError, match=r"`patches` \(=0\) must be at least 1"):
        shuffle_far(noise(), (8, 8), 4, patches=0)
    for place in ((math.nan, 8), (8, 1000), (-1, 8)):
        with pytest.raises(ValueError, match="must lie inside the"):
            shuffle_far(noise(), place, 4)


def test_the_flow_of_a_layer_takes_its_own_gradient() -> None:
    model = tiny_model()
    recording, gradients = record(model, noise()), output_gradients(model, noise(), 1)
    with pytest.raises(ValueError, match=r"`gradient` has shape .*; that of layer 1.1 has"):
        class_flow(recording["1.1"], "content", gradients["4.1"])


def test_a_radius_over_the_picture_changes_nothing_and_zero_does() -> None:
    model, x = tiny_model(), noise()
    plain = model(x)
    torch.testing.assert_close(limited(model, Limits(radius=1000))(x), plain, rtol=1e-4, atol=0)
    assert (limited(model, Limits(radius=0))(x) - plain).abs().max() > 1e-3
    torch.testing.assert_close(model(x), plain)  # the network itself is as it was


@pytest.mark.parametrize(("radius", "reach"), [(2.0, 2), (1.9, 1)])  # in cells
def test_weights_further_than_the_radius_are_gone_from_the_maps(radius: float, reach: int) -> None:
    model = tiny_model()
    cell = model.config.input_size / model.gsa_layers()["1.1"].size[0]
    layer = record(limited(model, Limits(radius=radius * cell)), noise())["1.1"]
    assert layer.r_c is not None
    middle = len(layer.r_c) // 2
    assert np.abs(layer.r_c[middle - reach : middle + reach + 1]).min() > 0
    assert not layer.r_c[: middle - reach].any()
    assert not layer.r_c[middle + reach + 1 :].any()
    weights = maps.all_queries(layer, "content")  # (h, a, b, y, x)
    rows, columns = (np.abs(np.subtract.outer(at, at)) for at in map(np.arange, layer.shape))
    far = (rows[:, None, :, None] > radius) | (columns[None, :, None, :] > radius)
    assert not weights[:, far].any()
    assert np.abs(weights[:, ~far]).min() > 0


def test_near_weights_cut_leave_what_the_far_ones_put_out() -> None:
    model = tiny_model().double()
    module, x = model.gsa_layers()["1.1"], noise().double()
    cell = model.config.input_size / module.size[0]
    layer = record(model, x)["1.1"]
    rows, columns = (np.abs(np.subtract.outer(at, at)) for at in map(np.arange, layer.shape))
    far = (rows[:, None, :, None] > 1) | (columns[None, :, None, :] > 1)  # (a, b, y, x)
    content = np.where(far, maps.all_queries(layer, "content"), 0)
    positional = np.where(far, maps.all_queries(layer, "positional"), 0)
    assert layer.gain is not None
    assert layer.offset is not None
    wanted = np.einsum("habyx,heyx->heab", content, layer.v)
    wanted += np.einsum("habyx,he,heyx->heab", positional, layer.gain, layer.v)
    # the offset comes from no place; it goes with the row weights of the far columns
    assert layer.r_r is not None
    width = layer.shape[1]
    offsets = np.arange(width)[None] - np.arange(width)[:, None]  # (b, j)
    scores = np.einsum("hdab,bjd->habj", layer.q, layer.r_r[offsets + width - 1])
    scores = np.where((columns > 1)[None, None], scores, 0)
    wanted += scores.sum(-1)[:, None] * layer.offset[:, :, None, None]

    given = []
    cut = limited(model, Limits(radius=cell, cut="near", layers=("1.1",)))
    cut.gsa_layers()["1.1"].register_forward_hook(lambda *each: given.append(each[2]))
    with torch.no_grad():
        cut(x)
    found = given[0][0].unflatten(0, (layer.heads, -1)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_with_all_weights_near_nothing_is_left_of_a_layer() -> None:
    model, x = tiny_model(), noise()
    cut = limited(model, Limits(radius=1000, cut="near"))
    outputs = []
    for module in cut.gsa_layers().values():
        module.register_forward_hook(lambda *each: outputs.append(each[2]))
    cut(x)
    assert max(float(out.abs().max()) for out in outputs) < 1e-4
    assert len(outputs) == len(cut.gsa_layers())
    with pytest.raises(ValueError, match=r"layer 1.1 has no maps to record while its near part"):
        record(cut, x)


def test_a_cut_of_what_is_near_in_a_network_that_looks_no_further_leaves_nothing() -> None:
    cell = 4.0
    cut = limited(limited(tiny_model(), Limits(radius=cell)), Limits(radius=4 * cell, cut="near"))
    outputs = []
    cut.gsa_layers()["1.1"].register_forward_hook(lambda *each: outputs.append(each[2]))
    cut(noise())
    assert float(outputs[0].abs().max()) < 1e-4


def test_a_network_without_layers_to_limit_is_refused() -> None:
    conv = ResNet(tiny_config().twin(), seed=0).eval()
    assert torch.equal(limited(conv, Limits())(noise()), conv(noise()))
    with pytest.raises(ValueError, match="the network has no GSA layer that could be limited"):
        limited(conv, Limits(radius=8))


def test_probabilities_are_those_of_a_network_at_rest_at_a_temperature() -> None:
    with pytest.raises(ValueError, match=r"`temperature` \(=0.0\) must be a finite number"):
        probabilities(tiny_model(), noise(), 0.0)
    with pytest.raises(ValueError, match="must be in eval mode"):
        probabilities(tiny_model().train(), noise(), 1.0)


def test_the_curve_of_the_near_cut_is_another_one() -> None:
    found, x = checkpoint(), noise()
    far, near = (by_radius(found, x, (0.0, 1000.0), cut) for cut in ("far", "near"))
    plain = probabilities(found.model, x, found.card.temperature)[0]
    np.testing.assert_allclose(far[1], plain, atol=1e-5)
    assert np.abs(near - far).max() > 1e-3


@pytest.mark.parametrize("branch", ["content", "positional"])
def test_the_maps_of_a_cut_network_are_exact(branch: Branch) -> None:
    model = limited(tiny_model(), Limits(radius=8)).double()
    for layer in record(model, noise(64, 96).double()).layers.values():
        rows, columns = layer.shape
        everywhere = Cells(0, 0, rows, columns)
        for cells in (Cells.at(0, 1), Cells.at(rows - 1, columns // 2), everywhere):
            for direction in ("from", "to"):
                assert prove(layer, branch, cells, direction).max_rel_error < 1e-10
        every = maps.all_queries(layer, branch)
        for cells in (Cells.at(1, 2), Cells(0, 1, 3, 4)):
            wanted = cells.of(every).mean(axis=(-2, -1))
            found = maps.reverse_map(layer, branch, cells)
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)


def test_the_class_flow_of_a_cut_network_is_that_of_its_maps() -> None:
    model = limited(tiny_model(), Limits(radius=16)).double()
    x = noise(64, 96).double()
    layer = record(model, x)["2.1"]
    gradient = output_gradients(model, x, 3)["2.1"]
    every = maps.all_queries(layer, "content")
    wanted = np.einsum("hepq,hpqyx,heyx->hyx", gradient, every, layer.v, optimize=True)
    np.testing.assert_allclose(class_flow(layer, "content", gradient), wanted, atol=1e-14)


def test_only_the_named_layer_is_changed() -> None:
    model, x = tiny_model(), noise()
    plain = record(model, x)
    cut = record(limited(model, Limits(without="content", layers=("2.1",))), x)
    np.testing.assert_array_equal(cut["1.1"].output, plain["1.1"].output)
    assert cut["2.1"].content is None
    positional = plain["2.1"].positional
    assert positional is not None
    np.testing.assert_allclose(cut["2.1"].output, positional, rtol=1e-5, atol=1e-5)


def test_a_branch_switched_off_leaves_the_other() -> None:
    model, x = tiny_model(), noise()
    layer = record(limited(model, Limits(without="positional")), x)["1.1"]
    assert layer.positional is None
    np.testing.assert_array_equal(layer.output, layer.content)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"radius": -1}, "`radius`"),
        ({"without": "both"}, "`without`"),
        ({"cut": "all"}, r"`cut` \(='all'\) must be far or near"),
        ({"layers": ("9.9",)}, "9.9"),
    ],
)
def test_limits_that_make_no_sense(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        limited(tiny_model(), Limits(**arguments))


def test_probabilities_by_radius_end_at_the_plain_ones() -> None:
    network = checkpoint()
    curve = by_radius(network, noise(), [0, 8, 1000])
    assert curve.shape == (3, len(network.labels))
    np.testing.assert_allclose(curve.sum(axis=1), 1, rtol=1e-6)  # single precision
    plain = probabilities(network.model, noise(), network.card.temperature)[0]
    np.testing.assert_allclose(curve[-1], plain, rtol=1e-3)


def test_every_probability_is_at_the_temperature_of_the_card() -> None:
    plain, x = checkpoint(), noise()
    card = replace(plain.card, data={"name": "nothing"}, results={"temperature": 2.5})
    warm = Checkpoint(plain.model, card)
    powers = np.exp(plain.model(x)[0].double().numpy() / 2.5)
    wanted = powers / powers.sum()
    for found in (
        probabilities(plain.model, x, 2.5)[0],
        by_radius(warm, x, [1000])[0],
        by_shuffled_radius(warm, x, (10, 10), [1000], draws=1)[0],
        effect(warm, x, x, (2, 2)).before,
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_probabilities_are_of_pictures() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 1, 64, 64\); it must be \(b, 3"):
        probabilities(tiny_model(), noise()[:, :1], 1.0)


@pytest.mark.parametrize("how", ["blank", "blur", "swap"])
def test_a_change_stays_in_its_part(how: str) -> None:
    x, box = noise(), (4, 8, 12, 20)
    changed = change(x, box, how)
    height, width = x.shape[-2:]
    inside = torch.zeros(height, width, dtype=torch.bool)
    for top, left, bottom, right in {box, opposite(box, height, width) if how == "swap" else box}:
        inside[top:bottom, left:right] = True
    assert torch.equal(changed[..., ~inside], x[..., ~inside])
    assert not torch.equal(changed[..., inside], x[..., inside])
    if how == "swap":
        assert torch.equal(changed.flatten().sort().values, x.flatten().sort().values)
        assert torch.equal(change(changed, box, "swap"), x)


def test_a_swap_of_parts_that_overlap_loses_no_pixel() -> None:
    x = noise()
    height, width = x.shape[-2:]
    changed = change(x, (0, 0, height - 10, width - 3), "swap")
    assert torch.equal(changed.flatten().sort().values, x.flatten().sort().values)
    assert not torch.equal(changed, x)


def test_a_part_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie in"):
        change(noise(), (0, 0, 4, 1000), "blank")


def test_far_pixels_change_places_and_near_ones_stay() -> None:
    x = noise()
    side = x.shape[-1]
    place, radius = (side * 0.4, side * 0.6), side * 0.25
    moved = shuffle_far(x, place, radius)
    assert torch.equal(moved.flatten().sort().values, x.flatten().sort().values)
    patch = side // 16
    down, across = ((torch.arange(side) + 0.5 - middle).abs() for middle in place)
    away = torch.maximum(down[:, None], across[None])
    same = (moved == x).all(dim=1)[0]
    assert same[away <= radius - patch / 2].all()
    assert (~same[away > radius + patch]).float().mean() > 0.8
    assert torch.equal(shuffle_far(x, place, radius), moved)
    assert torch.equal(shuffle_far(x, place, 1000), x)


def test_a_patch_whose_middle_is_at_the_radius_stays() -> None:
    x = noise()  # 16 patches of 4 pixels along each side, with middles at 2, 6, 10, ...
    moved = [not torch.equal(shuffle_far(x, (2, 2), radius), x) for radius in (60, 59.9)]
    assert moved == [False, True]  # the furthest middles are 62 - 2 = 60 pixels away


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_middles_of_patches_are_taken_along_either_axis(axis: str) -> None:
    x, place = noise(128, 64), (4.0, 32.0)  # of 16 x 16 patches, 8 x 4 pixels each
    middles = np.arange(4, 128, 8)
    farthest = middles[-1] - place[0]
    if axis == "columns":
        x, place = x.mT, place[::-1]
    for radius, stays in ((farthest, True), (farthest - 0.1, False)):
        assert torch.equal(shuffle_far(x, place, radius), x) == stays


def test_a_change_of_features_is_a_share_of_what_they_were() -> None:
    found, both = checkpoint("conv"), torch.cat([noise(), noise(seed=1)])
    features = effect(found, both[:1], both[1:], (0, 0)).features
    for name, output in found.model.block_outputs(both):
        before, after = output[:, :, 0, 0].double()
        wanted = (after - before).square().sum().sqrt() / before.square().sum().sqrt()
        assert features[name] == pytest.approx(float(wanted), rel=1e-4)


def test_shuffled_radius_ends_at_the_plain_probabilities() -> None:
    network, x = checkpoint("conv"), noise()
    curve = by_shuffled_radius(network, x, (10, 10), [0, 1000], draws=2)
    plain = probabilities(network.model, x, network.card.temperature)[0]
    np.testing.assert_allclose(curve[1], plain, rtol=1e-4)
    assert np.abs(curve[0] - plain).max() > 1e-6


def test_an_effect_is_felt_far_away_by_attention_alone() -> None:
    x = noise()
    side = x.shape[-1]
    changed = change(x, (side - 6, side - 6, side, side), "blank")
    first = {
        mixer: effect(checkpoint(mixer), x, changed, (2, 2)).features["1.1"]
        for mixer in ("gsa", "conv")
    }
    assert first["gsa"] > 0
    assert first["conv"] == 0  # outside the box that the first block sees


def test_nothing_changed_has_no_effect() -> None:
    found = effect(checkpoint(), noise(), noise(), (2, 2))
    np.testing.assert_allclose(found.before, found.after, rtol=1e-5)
    assert all(math.isclose(value, 0, abs_tol=1e-5) for value in found.features.values())
