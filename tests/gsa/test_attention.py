import itertools
from contextlib import nullcontext

import pytest
import torch
from gsa_pytorch import GSA
from torch import nn
from torch.nn import functional as F

from gsa import fast
from gsa.attention import GlobalSelfAttention
from gsa.formulas import column_scores, column_step, resize_embeddings
from tests.conftest import noise, random_statistics, tiny_model


def built(heads, size, seed=0, width=16, **options):
    torch.manual_seed(seed)
    module = GlobalSelfAttention(6, width, heads, size, **options)
    random_statistics(module, seed)
    return module.double().eval()


def by_pixel(module, x):
    """The module written down pixel by pixel from the paper's sums, in float64."""
    (_, _, rows, columns), heads = x.shape, module.heads
    width = module.to_q.weight.shape[0]
    d = width // heads

    def project(layer, norm):
        return norm(layer(x))[0].view(heads, d, rows, columns)

    q, v = project(module.to_q, module.q_norm), project(module.to_v, module.v_norm)
    out = torch.zeros(heads, d, rows, columns, dtype=torch.float64)
    places = list(itertools.product(range(rows), range(columns)))
    if module.to_k is not None:
        k = project(module.to_k, module.k_norm)
        rho = k.exp() / k.exp().sum(dim=(2, 3), keepdim=True)
        for h, (a, b), (i, j) in itertools.product(range(heads), places, places):
            out[h, :, a, b] += (q[h, :, a, b] @ rho[h, :, i, j]) * v[h, :, i, j]
    u = v
    if module.has_column:
        u = torch.zeros_like(v)
        for h, (a, b), i in itertools.product(range(heads), places, range(rows)):
            score = q[h, :, a, b] @ module.r_c[i - a + rows - 1]
            u[h, :, a, b] += score * v[h, :, i, b]
    if module.has_column and module.has_row:
        u = module.step_norm(u.reshape(1, width, rows, columns))[0].view_as(u)
    if module.has_row:
        z = torch.zeros_like(v)
        for h, (a, b), j in itertools.product(range(heads), places, range(columns)):
            score = q[h, :, a, b] @ module.r_r[j - b + columns - 1]
            z[h, :, a, b] += score * u[h, :, a, j]
        u = z
    if module.has_column or module.has_row:
        out = out + u
    return out.reshape(1, width, rows, columns)


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 5), (6, 4)])
def test_module_equals_the_sums_over_pixels(heads, size):
    module = built(heads, size)
    x = torch.randn(1, 6, *size, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(x), by_pixel(module, x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "options",
    [
        {"positional": "none"},
        {"positional": "column"},
        {"positional": "row"},
        {"content": False},
        {"projection_norm": "batch", "query_offset": 1.0},
        {"projection_norm": "rms", "query_gain": 0.2, "query_offset": 1.0},
        {"relative_init": "local"},
    ],
)
def test_every_variant_equals_the_sums_over_pixels(options):
    module = built(2, (4, 3), **options)
    x = torch.randn(1, 6, 4, 3, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(x), by_pixel(module, x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [(5, 5), (4, 7)])
def test_module_equals_gsa_pytorch_with_the_same_weights(size):
    heads, channels = 2, 8
    longest = max(size)
    module = built(heads, size).float()  # theirs knows single precision only
    theirs = GSA(6, rel_pos_length=longest, heads=heads, dim_key=channels).eval()
    with torch.no_grad():
        theirs.to_qkv.weight.copy_(
            torch.cat([module.to_q.weight, module.to_k.weight, module.to_v.weight])
        )
        # its module ends in a projection, which the paper's does not have
        theirs.to_out = torch.nn.Identity()
        # its first pass, down the columns, reads the table it calls rel_rows
        for table, ours, n in (
            (theirs.rel_rows, module.r_c, size[0]),
            (theirs.rel_columns, module.r_r, size[1]),
        ):
            table.zero_()
            table[longest - n : longest + n - 1].copy_(ours)
        # its middle norm has the channels of one head, so ours repeats them over heads
        norm = theirs.norm
        random_statistics(norm, 3)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(module.step_norm, name).copy_(getattr(norm, name).repeat(heads))
        x = torch.randn(2, 6, *size)
        torch.testing.assert_close(module(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_the_formula():
    module = built(2, (3, 2), width=4).requires_grad_(True)
    x = torch.randn(1, 6, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: module(value), (x,))


def test_embeddings_of_the_trained_length_are_the_very_tensor():
    table = torch.randn(9, 3)
    assert resize_embeddings(table, 5) is table


def test_embeddings_of_one_cell_are_those_of_offset_zero():
    table = torch.randn(9, 3)
    torch.testing.assert_close(resize_embeddings(table, 1), table[4:5] * 5)


def test_resized_embeddings_keep_offset_zero_in_the_middle():
    table = torch.zeros(9, 1)
    table[4] = 1.0
    for length in (2, 3, 7, 12):
        resized = resize_embeddings(table, length)
        assert resized.shape == (2 * length - 1, 1)
        assert int(resized.argmax()) == length - 1


def test_a_step_on_a_finer_grid_gives_nearly_the_same():
    rows = 16
    smooth = torch.exp(-((torch.arange(2 * rows - 1) - rows + 1.0) ** 2) / 18).unsqueeze(1)

    def step(n):
        wave = torch.sin(torch.linspace(0, 3, n)).view(1, 1, 1, n, 1)
        q = torch.ones(1, 1, 1, n, 1)
        return column_step(column_scores(q, resize_embeddings(smooth, n)), wave)[0, 0, 0, :, 0]

    coarse, fine = step(rows), step(2 * rows).view(rows, 2).mean(1)
    torch.testing.assert_close(coarse, fine, rtol=0.05, atol=0.1)
    assert coarse.abs().max() > 1  # the test is about something


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 20), (96, 130)])
def test_a_network_takes_pictures_of_any_size(size):
    logits = tiny_model()(noise(*size))
    assert logits.shape == (1, 5)
    assert torch.isfinite(logits).all()


def test_bounded_queries_do_not_grow_with_contrast():
    module = built(2, (4, 4), projection_norm="rms")
    module.q_norm.bias.data.zero_()
    x = torch.randn(1, 6, 4, 4, dtype=torch.float64)
    q = module.q_norm(module.to_q(x))
    torch.testing.assert_close(q, module.q_norm(module.to_q(100 * x)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"positional": "rows"}, "`positional` (='rows') must be of"),
        ({"projection_norm": "layer"}, "`projection_norm` (='layer') must be of"),
        ({"relative_init": "Local"}, "`relative_init` (='Local') must be of"),
        ({"query_gain": float("nan")}, "`query_gain` (=nan) must be a finite number"),
        ({"content": False, "positional": "none"}, "needs a branch"),
    ],
)
def test_an_option_that_breaks_a_rule_is_refused(options, sentence):
    with pytest.raises(ValueError, match="must|needs") as caught:
        GlobalSelfAttention(6, 8, 4, (3, 3), **options)
    assert sentence in str(caught.value)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"`width` \(=10\) must be divisible by `heads` \(=4\)"):
        GlobalSelfAttention(6, 10, 4, (3, 3))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((6, 8, 0, (3, 3)), "`heads` (=0) must be whole and positive"),
        ((6, 8, -4, (3, 3)), "`heads` (=-4) must be whole and positive"),
        ((6, 8, True, (3, 3)), "`heads` (=True) must be whole and positive"),
        ((6, 0, 4, (3, 3)), "`width` (=0) must be whole and positive"),
        ((6, 8, 4, (0, 7)), "`size` (=(0, 7)) must be two whole, positive numbers"),
        ((6, 8, 4, (6,)), "`size` (=(6,)) must be two"),
        ((6, 8, 4, 6), "`size` (=6) must be two"),
    ],
)
def test_numbers_that_make_no_module_are_refused(given, sentence):
    with pytest.raises(ValueError, match="must be") as caught:
        GlobalSelfAttention(*given)
    assert sentence in str(caught.value)


def test_an_input_of_three_axes_is_refused():
    with pytest.raises(ValueError, match=r"must be \(b, 6, y, x\), not \(6, 3, 3\)"):
        GlobalSelfAttention(6, 8, 4, (3, 3))(torch.zeros(6, 3, 3))


@pytest.mark.parametrize("projection_norm", ["none", "batch", "rms"])
@pytest.mark.parametrize("plain", [False, True])
def test_the_gradient_of_one_picture_is_that_of_two_alike(
    projection_norm: str, plain: bool
) -> None:
    """Also where the picture lies channel by channel, for which torch's batch norm goes wrong."""
    module = GlobalSelfAttention(6, 8, 2, (5, 7), projection_norm=projection_norm).eval()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_var.copy_(torch.rand(8) + 0.5)
    one = torch.randn(1, 6, 5, 7, requires_grad=True)
    two = one.detach().repeat(2, 1, 1, 1).requires_grad_()
    slope = torch.randn(1, 8, 5, 7)
    with fast.switched_off() if plain else nullcontext():
        (found,) = torch.autograd.grad((module(one) * slope).sum(), one)
        (wanted,) = torch.autograd.grad((module(two) * slope).sum(), two)
    torch.testing.assert_close(found[0], wanted[0])


@pytest.mark.parametrize("content", [False, True])
def test_torch_sees_the_memory_layout_of_a_single_picture(content: bool) -> None:
    """By strides alone; where it took the other layout, pooling would copy and go on with that."""
    module = GlobalSelfAttention(6, 8, 2, (4, 4), content=content).eval()
    grids = []
    module.step_norm.register_forward_pre_hook(lambda _, given: grids.append(given[0]))
    with torch.no_grad():
        grids.append(module(torch.randn(1, 6, 4, 4)))
    for grid in grids:
        assert F.avg_pool2d(grid, 2).is_contiguous(memory_format=torch.channels_last)
    assert len(grids) == 2
