import pytest
import torch
from torch import nn

from gsa.config import preset
from gsa.interventions import Limits, limited
from gsa.receptive_field import field_of, nearest_unit
from gsa.resnet import ResNet
from tests.conftest import tiny_config, tiny_model


def stack(n, **changes):
    return nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False, **changes) for _ in range(n)))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_stack_of_n_3x3_convolutions_sees_2n_plus_1(n):
    field = field_of(stack(n), None, (20, 20), (41, 41))
    assert field.side == (2 * n + 1, 2 * n + 1)
    assert field.box == (20 - n, 20 - n, 21 + n, 21 + n)
    assert field.centre == (20.5, 20.5)
    assert not field.whole


def test_dilation_strides_and_oblong_kernels_count():
    network = nn.Sequential(
        nn.Conv2d(1, 1, (3, 1), stride=(2, 1), padding=(1, 0)),
        nn.MaxPool2d(2),
        nn.Conv2d(1, 1, 3, dilation=2, padding=2),
    )
    # rows: 1 -> 5 -> 10 -> 2 * 10 + 1; columns: 1 -> 5 -> 10 -> 10
    assert field_of(network, None, (8, 8), (200, 200)).side == (21, 10)


def test_the_border_cuts_the_box_and_not_the_side():
    field = field_of(stack(4), None, (0, 9), (10, 10))
    assert field.box == (0, 5, 5, 10)
    assert field.side == (9, 9)


def test_global_pooling_sees_everything():
    field = field_of(nn.Sequential(*stack(2), nn.AdaptiveAvgPool2d(1)), None, (0, 0), (7, 9))
    assert field.whole
    assert field.box == (0, 0, 7, 9)
    assert field.centre == (3.5, 4.5)


@pytest.mark.parametrize("size", [(64, 64), (75, 50)])
@pytest.mark.parametrize("layer", ["1.1", "2.1", "3.1"])
def test_the_box_of_a_conv_network_is_what_its_gradient_reaches(size, layer):
    model = tiny_twin()
    x = torch.rand(24, 3, *size, dtype=torch.float64, requires_grad=True)
    output = dict(model.block_outputs(x))[layer]
    unit = (output.shape[2] // 2, output.shape[3] // 2)
    # weights drawn anew for each channel, so that nothing cancels in the sum
    value = (output * torch.rand_like(output))[:, :, unit[0], unit[1]].sum()
    (gradient,) = torch.autograd.grad(value, x)
    reached = gradient.abs().sum((0, 1)) > 0
    rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
    found = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert field_of(model, layer, unit, size).box == tuple(map(int, found))


def tiny_twin():
    model = ResNet(tiny_config().twin(), seed=0).double().eval().requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # no ReLU closes a way
            module.bias.fill_(5.0)
    return model


def test_resnet50_sees_427_pixels():
    with torch.device("meta"):
        model = ResNet(preset("resnet50"))
    # by hand: each 3x3 convolution adds twice the stride of its input; stem and max-pool see 11
    by_hand = 11 + 3 * 8 + (8 + 3 * 16) + (16 + 5 * 32) + (32 + 2 * 64)
    assert by_hand == 427
    assert field_of(model, "4.3", (3, 3), (224, 224)).side == (by_hand, by_hand)


def test_one_branch_of_gsa_reaches_over_its_own_axis():
    row = field_of(tiny_model(content=False, positional="row"), "1.1", (8, 8), (64, 64))
    assert row.side == (11, None)  # rows: stem and max-pool alone
    assert "whole row" in row.why
    assert field_of(tiny_model(), "1.1", (8, 8), (64, 64)).whole
    assert field_of(tiny_model(positional="none"), "1.1", (8, 8), (64, 64)).whole


def test_a_cut_is_heeded_and_the_keys_softmax_is_not_cut():
    cut = limited(tiny_model(), Limits(radius=4))
    assert field_of(cut, "1.1", (8, 8), (64, 64)).whole
    alone = limited(tiny_model(), Limits(radius=4, without="content"))
    assert field_of(alone, "1.1", (8, 8), (64, 64)).side == (11 + 8, 11 + 8)  # a cell of 4 pixels


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (tiny_twin(), "1.1"),
        (tiny_twin(), "4.1"),
        (tiny_model(), "1.1"),
        (tiny_model(), "4.1"),
        (nn.Sequential(nn.Conv2d(3, 1, 4, stride=3, padding=1), nn.ReLU()), None),
        (nn.Sequential(nn.Conv2d(3, 1, 3, dilation=2, padding="same"), nn.AvgPool2d(3)), None),
        (nn.Sequential(nn.Sequential(nn.Conv2d(3, 1, 5)), nn.MaxPool2d(3, 2, 1)), None),
        (nn.Sequential(nn.MaxPool2d(2, 3, 1, ceil_mode=True)), None),
        (nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.AdaptiveAvgPool2d((2, 5))), None),
        (nn.Sequential(nn.AdaptiveAvgPool2d((None, 1))), None),
    ],
)
@pytest.mark.parametrize("picture", [(64, 64), (37, 50), (23, 29)])
def test_a_unit_outside_the_grid_is_refused(network, layer, picture):
    x = torch.zeros(1, 3, *picture)
    output = dict(network.block_outputs(network.prepared(x)))[layer] if layer else network(x)
    rows, columns = output.shape[-2:]
    for unit in ((0, 0), (rows - 1, columns - 1)):
        field_of(network, layer, unit, picture)
    said = f"{rows} x {columns} units for a picture of {picture[0]} x {picture[1]} pixels"
    for unit in ((rows, 0), (0, columns), (-1, 0), (0, -1)):
        with pytest.raises(ValueError, match=f"must lie in the grid.*{said}"):
            field_of(network, layer, unit, picture)


def test_padding_may_have_a_name():
    for padding, number in (("same", 2), ("valid", 0)):
        named, plain = (
            nn.Sequential(nn.Conv2d(1, 1, 5, padding=each)) for each in (padding, number)
        )
        assert field_of(named, None, (6, 3), (20, 20)) == field_of(plain, None, (6, 3), (20, 20))


def test_the_unit_nearest_to_a_place_has_the_nearest_centre():
    for model in (tiny_twin(), tiny_model()):  # the centres of twins are the same
        unit = nearest_unit(model, "4.1", (2, 2), (20.0, 12.0))
        assert unit == (1, 0)
        assert field_of(model, "4.1", unit, (64, 64)).centre == (32.5, 0.5)
    assert nearest_unit(tiny_model(), "1.1", (16, 16), (0.0, 63.9)) == (0, 15)


def test_the_centre_is_the_middle_of_a_conv_box():
    model = tiny_twin()
    for layer, at in (("1.1", 8), ("2.1", 4), ("3.1", 2)):
        field = field_of(model, layer, (at, at), (640, 640))
        reach = field.side[0] / 2
        assert field.box[2] == min(640, field.centre[0] + reach)


def test_what_is_not_known_gets_a_sentence():
    with pytest.raises(ValueError, match="of a Linear is not known"):
        field_of(nn.Sequential(nn.Linear(3, 3)), None, (0, 0), (5, 5))
    with pytest.raises(ValueError, match=r"no layer '9.9'; layers are 1.1"):
        field_of(tiny_model(), "9.9", (0, 0), (64, 64))
