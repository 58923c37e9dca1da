import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa import maps
from gsa.cells import Cells
from gsa.heuristics import class_flow, output_gradients, rollout
from gsa.record import record
from tests.conftest import VARIANTS, noise, tiny_model


@pytest.fixture(scope="module")
def recorded():
    model = tiny_model(**VARIANTS["rms"]).double()
    x = noise(64, 96).double()
    return model, x, record(model, x)


def test_rollout_shares_out_one_whole(recorded):
    _, _, recording = recorded
    for layer, cells in (("4.1", Cells.at(0, 2)), ("2.1", Cells.at(3, 3)), ("1.1", Cells.at(0, 5))):
        share = rollout(recording, layer, cells)
        assert share.shape == recording["1.1"].shape
        assert share.sum() == pytest.approx(1)
        assert (share >= 0).all()


def test_rollout_through_one_layer_is_half_residual_half_map(recorded):
    _, _, recording = recorded
    layer, cells = recording["1.1"], Cells.at(5, 6)
    expected = np.zeros(layer.shape)
    for branch in maps.branches(layer):
        size = np.abs(maps.branch_map(layer, branch, cells)).mean(axis=0)
        expected += 0.5 * maps.branch_share(layer, branch, cells) * size / size.sum()
    expected[5, 6] += 0.5
    np.testing.assert_allclose(rollout(recording, "1.1", cells), expected)


@pytest.mark.parametrize(("layer", "shape"), [("2.1", (8, 12)), ("4.1", (2, 3))])
def test_rollout_refuses_cells_outside_the_pooled_grid(recorded, layer, shape):
    model, x, recording = recorded
    outputs = {name: output.shape[-2:] for name, output in model.block_outputs(x)}
    assert outputs[layer] == recording[layer].pooled_shape == shape
    for cells in (Cells.at(shape[0], 0), Cells.at(0, shape[1])):
        where = f"{shape[0]} x {shape[1]} grid of the output of layer {layer}"
        with pytest.raises(ValueError, match=where):
            rollout(recording, layer, cells)


def test_rollout_begins_where_the_last_pooling_put_the_cell(recorded):
    _, _, recording = recorded
    first = recording["4.1"]  # 4 x 6 cells, pooled to 2 x 3
    alone = replace(recording, layers={"4.1": first})
    share = rollout(alone, "4.1", Cells.at(1, 2))
    halves = [
        rollout(replace(alone, layers={"4.1": replace(first, stride=1)}), "4.1", cells)
        for cells in map(Cells.at, (2, 2, 3, 3), (4, 5, 4, 5))
    ]
    expected = np.mean(halves, axis=0)
    # the shortcut samples one of the four cells that the attention takes the mean of
    expected[2:4, 4:6] -= 0.5 / 4
    expected[2, 4] += 0.5
    np.testing.assert_allclose(share, expected, atol=1e-15)


@pytest.mark.parametrize("place", [(4, 5), (4, 2), (1, 5)])
def test_rollout_goes_through_the_pooling_of_an_odd_grid_as_the_network_does(recorded, place):
    model, _, _ = recorded
    recording = record(model, noise(72, 88).double())
    layer = recording["3.1"]
    assert (layer.shape, layer.pooled_shape) == ((9, 11), (5, 6))
    values = torch.zeros(1, 1, *layer.shape).double().requires_grad_(True)
    model.blocks()["3.1"].pool(values)[(0, 0, *place)].backward()
    pooled = values.grad[0, 0].numpy()  # the part of each cell in the pooled one
    full = replace(recording, layers={"3.1": replace(layer, stride=1)})
    expected = -0.5 * pooled
    for row, column in np.argwhere(pooled):
        cell = Cells.at(int(row), int(column))
        expected += pooled[row, column] * rollout(full, "3.1", cell)
    expected[2 * place[0], 2 * place[1]] += 0.5  # the shortcut samples one cell
    alone = replace(recording, layers={"3.1": layer})
    np.testing.assert_allclose(rollout(alone, "3.1", Cells.at(*place)), expected, atol=1e-15)


@pytest.mark.parametrize("variant", ["paper", "rms", "column", "row"])
def test_class_flow_is_gradient_times_what_each_pixel_gives(variant):
    model = tiny_model(**VARIANTS[variant]).double()
    x = noise(64, 96).double()
    layer = record(model, x)["4.1"]  # 4 x 6 cells: small enough for every pair
    gradient = output_gradients(model, x, 3)["4.1"]
    rows, columns = layer.shape
    for branch in maps.branches(layer):
        expected = np.zeros((layer.heads, rows, columns))
        gain = 1.0 if branch == "content" or layer.gain is None else layer.gain
        for a, b in itertools.product(range(rows), range(columns)):
            weights = maps.branch_map(layer, branch, Cells.at(a, b))
            told = (gradient[:, :, a, b] * gain)[..., None, None] * layer.v
            expected += weights * told.sum(axis=1)
        found = class_flow(layer, branch, gradient)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12 * abs(expected).max())


def test_the_flow_of_the_sum_is_what_both_branches_carry(recorded):
    model, x, recording = recorded
    layer, gradient = recording["4.1"], output_gradients(model, x, 1)["4.1"]
    each = [class_flow(layer, branch, gradient) for branch in ("content", "positional")]
    np.testing.assert_allclose(class_flow(layer, "sum", gradient), each[0] + each[1])
    with pytest.raises(ValueError, match="there is no kind 'postional' here"):
        class_flow(layer, "postional", gradient)
    for missing in ("rho", "positional"):
        without = replace(layer, **{missing: None})
        with pytest.raises(ValueError, match="layer 4.1 has no .* branch"):
            class_flow(without, "sum", gradient)


def test_content_flow_sums_to_gradient_times_output(recorded):
    model, x, recording = recorded
    gradients = output_gradients(model, x, 1)
    for name, layer in recording.layers.items():
        flow = class_flow(layer, "content", gradients[name]).sum()
        assert flow == pytest.approx((gradients[name] * layer.content).sum())


def test_gradients_are_those_of_a_small_step(recorded):
    model, x, _ = recorded
    gradient = output_gradients(model, x, 2)["4.1"]
    layer, step = model.gsa_layers()["4.1"], 1e-5

    def score(place, change):
        def nudge(_module, _inputs, output):
            changed = output.clone()
            changed.unflatten(1, (4, -1))[(0, *place)] += change
            return changed

        hook = layer.register_forward_hook(nudge)
        with torch.inference_mode():
            logit = float(model(x)[0, 2])
        hook.remove()
        return logit

    for place in ((0, 1, 2, 3), (3, 15, 0, 5)):
        slope = (score(place, step) - score(place, -step)) / (2 * step)
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_gradients_are_of_one_picture_and_a_class_that_is_there(recorded):
    model, x, _ = recorded
    with pytest.raises(ValueError, match=r"shape \(2, 3, 64, 96\); it must be \(1, 3, rows"):
        output_gradients(model, x.repeat(2, 1, 1, 1), 0)
    with pytest.raises(ValueError, match=r"`target` \(=-1\) must be from 0 to 4"):
        output_gradients(model, x, -1)


def test_a_conv_network_has_no_flow():
    from gsa.resnet import ResNet
    from tests.conftest import tiny_config

    assert output_gradients(ResNet(tiny_config().twin(), seed=0).eval(), noise(), 0) == {}
