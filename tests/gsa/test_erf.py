import json
import math
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from gsa import checkpoints, erf, ranges
from gsa.__main__ import main
from gsa.record import record
from gsa.resnet import ResNet
from tests.conftest import noise, photo, tiny_config, tiny_model
from tests.gsa.test_receptive_field import stack


def uniform_stack(n):
    network = stack(n)
    for conv in network:
        nn.init.constant_(conv.weight, 1 / 9)
    return network


def test_one_3x3_convolution_has_its_kernel_as_field():
    network = stack(1)
    field = erf.field_through(network.eval(), torch.randn(3, 1, 15, 15), (7, 7))
    kernel = network[0].weight.detach().abs()[0, 0].numpy()
    np.testing.assert_allclose(field.map[6:9, 6:9], kernel, rtol=1e-6)
    assert field.map.sum() == pytest.approx(kernel.sum())  # and nothing outside
    assert field.pictures == 3


def test_colours_of_opposite_sign_add_up():
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False))
    weights = torch.tensor([1.0, -1.0, 0.0])
    network[0].weight.data = weights.view(1, 3, 1, 1)
    field = erf.field_through(network.eval(), torch.randn(2, 3, 9, 9), (3, 5))
    assert field.map[3, 5] == field.map.sum() == weights.abs().sum()


def test_the_field_to_compare_with_is_flat_round_the_same_centre():
    field = erf.field_through(stack(1).eval(), torch.randn(1, 1, 15, 15), (7, 3))
    even = erf.even_spread(field)
    distance = np.hypot(np.arange(15)[:, None] - 7, np.arange(15)[None, :] - 3)
    assert even.mean_distance == pytest.approx(distance.mean())
    assert even.radius_90 == pytest.approx(np.quantile(distance, 0.9, method="inverted_cdf"))
    assert even.above_1_percent == 1


def test_what_is_switched_on_or_off_around_it_has_no_effect():
    model = tiny_model()
    plain = list(erf.fields(model, noise(), (20, 40)))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        inside = list(erf.fields(model, noise(), (20, 40)))
        assert torch.is_autocast_enabled("cpu")
        assert not torch.is_grad_enabled()
    for one, other in zip(inside, plain, strict=True):
        np.testing.assert_array_equal(one.map, other.map)


@pytest.mark.parametrize("n", [2, 6])
def test_a_stack_of_uniform_convolutions_has_the_n_fold_box_as_field(n):
    field = erf.field_through(uniform_stack(n).eval(), torch.zeros(1, 1, 61, 61), (30, 30))
    line = np.array([1.0])
    for _ in range(n):  # for kernels (1, 1) this would be the binomial coefficients
        line = np.convolve(line, [1 / 3] * 3)
    at = slice(30 - n, 31 + n)
    np.testing.assert_allclose(field.map[at, at], np.outer(line, line), atol=1e-7)
    assert (field.map > 0).sum() == (2 * n + 1) ** 2


def test_binomial_kernels_have_binomial_fields_and_their_sigma():
    n = 12
    network = stack(n)
    for conv in network:
        conv.weight.data = torch.outer(*[torch.tensor([0.25, 0.5, 0.25])] * 2)[None, None]
    field = erf.field_through(network.eval(), torch.zeros(2, 1, 81, 81), (40, 40))
    line = np.array([math.comb(2 * n, k) for k in range(2 * n + 1)]) / 4**n
    np.testing.assert_allclose(field.map[28:53, 28:53], np.outer(line, line), atol=1e-7)
    assert field.spread.sigma == pytest.approx(math.sqrt(n / 2), rel=0.02)  # variance 1/2 a layer
    assert field.spread.gaussian_r2 > 0.999


def test_the_spread_grows_with_the_root_of_the_depth():
    sigmas = [
        erf.field_through(
            uniform_stack(n).eval(), torch.zeros(1, 1, 101, 101), (50, 50)
        ).spread.sigma
        for n in (9, 36)
    ]
    assert sigmas[1] / sigmas[0] == pytest.approx(2, rel=0.03)


def test_the_mean_over_all_pixels_has_a_uniform_field():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1))
    field = erf.field_through(network.eval(), torch.randn(2, 3, 20, 20), (0, 0))
    assert field.map.std() < 1e-7
    spread = field.spread
    assert spread.above_1_percent == 1
    assert math.isnan(spread.sigma)  # no Gaussian inside the picture is as flat
    assert spread.area_50 == 16**2 / 20**2  # the first square of whole pixels with half of it
    assert spread.area_99 == 1
    # half of a square's pixels lie within side * sqrt(1 / 2 pi) of its middle
    assert spread.radius_50 == pytest.approx(20 / math.sqrt(2 * math.pi), abs=0.5)


def test_radii_and_areas_of_a_single_pixel_and_of_nothing():
    weights = np.zeros((9, 9), dtype=np.float32)
    assert all(math.isnan(v) for v in vars(erf.spread(weights, (4.5, 4.5))).values())
    weights[4, 7] = 2
    spread = erf.spread(weights, (4.5, 4.5))
    assert spread.radius_50 == spread.radius_99 == spread.mean_distance == 3
    assert spread.area_50 == 49 / 81
    assert spread.above_1_percent == 1 / 81


def test_many_pictures_at_once_give_the_mean_of_each_alone():
    model = tiny_model().double()
    x = torch.cat([noise(seed=i) for i in range(3)]).double()
    together = {field.layer: field.map for field in erf.fields(model, x, (20, 41))}
    assert list(together) == ["1.1", "2.1", "3.1", "4.1"]
    alone = [{f.layer: f.map for f in erf.fields(model, one[None], (20, 41))} for one in x]
    for layer, weights in together.items():
        np.testing.assert_allclose(weights, np.mean([a[layer] for a in alone], axis=0), rtol=1e-4)


def test_a_conv_field_stays_in_its_box_and_a_gsa_field_leaves_it():
    for config, inside in ((tiny_config().twin(), True), (tiny_config(), False)):
        model = ResNet(config, seed=0).eval().requires_grad_(False)
        (field,) = erf.fields(model, noise(), (32, 32), ["1.1"])
        outside = field.map.copy()
        outside[22:43, 22:43] = 0
        assert (outside.max() == 0) == inside
        assert field.theoretical.whole != inside


def test_nothing_is_computed_after_the_caller_stops(monkeypatch):
    calls = []
    right = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: calls.append(1) or right(*a, **k))
    steps = erf.fields(tiny_model(), noise(), (32, 32))
    next(steps)
    steps.close()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("x", "place", "layers", "sentence"),
    [
        (noise(), (64, 0), None, "must lie inside the 64 x 64"),
        (noise(), (0, 0), ["5.1"], "there is no layer '5.1'"),
        (noise()[:0], (0, 0), None, "must be"),
    ],
)
def test_bad_input_gets_a_sentence(x, place, layers, sentence):
    with pytest.raises(ValueError, match=sentence):
        next(erf.fields(tiny_model(), x, place, layers))


def test_the_reach_of_a_kernel():
    model = ResNet(tiny_config().twin(), seed=0)
    model.blocks()["1.1"].mixer.weight.data.fill_(1.0)
    reach = erf.kernel_reach(model, 64)
    assert reach["1.1"][0] == pytest.approx(4 * (4 + 4 * math.sqrt(2)) / 9)  # cells of 4 px
    assert [far for _, far in reach.values()] == pytest.approx(
        [cell * math.sqrt(2) for cell in (4, 4, 8, 16)]  # a stride reads before it halves
    )
    assert erf.kernel_reach(tiny_model(), 64) == {}


def test_the_command_gives_both_twins_at_every_layer(capsys, tiny_checkpoints):
    assert main(["erf", "--count", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["protocol"] | {"size": 64, "pictures": 2, "place": [32, 32]} == found["protocol"]
    assert found["protocol"]["scale"] == "linear"
    assert found["protocol"]["names"] == ["Motorbikes_0786.jpg", "accordion_0020.jpg"]
    rows = {(row["layer"], row["mixer"], row["weights"]): row for row in found["fields"]}
    assert len(rows) == len(found["fields"]) == 4 * 2 * 2
    assert rows["1.1", "conv", "trained"]["theoretical"]["side"] == [19, 19]
    assert rows["1.1", "gsa", "random"]["theoretical"]["whole"]
    assert rows["1.1", "conv", "random"]["effective"]["radius_99"] < 14
    assert main(["erf", "--count", "1", "--checkpoint", "tiny_conv"]) == 0
    assert "19 x 19 px" in capsys.readouterr().out


def test_the_command_tells_how_far_one_layer_looks(capsys, tmp_path, tiny_checkpoints):
    picture = photo()
    picture.save(tmp_path / "a.png")
    assert main(["erf", "--pictures", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    conv, gsa = checkpoints.load("tiny_conv"), checkpoints.load("tiny_gsa")
    reach = erf.kernel_reach(conv.model, 64)
    x = gsa.preprocess.tensor(gsa.preprocess.crop(picture))
    recording = record(gsa.model, x)
    assert "up to 16 places" in found["protocol"]["mean_distance"]
    for row in found["fields"]:
        if row["weights"] == "random":
            assert (row["reach"] is None) == (row["mixer"] == "gsa")
        elif row["mixer"] == "conv":
            assert (row["reach"], row["mean_distance"]) == (reach[row["layer"]][0], None)
        else:
            layer, grid = recording[row["layer"]], recording.grid(row["layer"])
            assert row["mean_distance"] == {
                branch: pytest.approx(ranges.mean_distance(layer, branch, grid))
                for branch in ("content", "positional")
            }
    assert main(["erf", "--pictures", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"kernel {reach['1.1'][0]:.1f} px" in said
    assert "content " in said


def test_the_folder_has_a_name_when_it_is_the_current_one(
    capsys, tmp_path, tiny_checkpoints, monkeypatch
):
    photo().save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert main(["erf", "--pictures", "."]) == 0
    assert capsys.readouterr().out.startswith(f"1 picture ({tmp_path.name}) of 64 px")


def test_pictures_in_class_folders_are_found_and_a_damaged_one_is_named(
    capsys, caplog, tmp_path, tiny_checkpoints
):
    (tmp_path / "notes.txt").write_text("no picture, and not called one")
    photo().save(tmp_path / "b.png")
    assert main(["erf", "--pictures", str(tmp_path), "--count", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["pictures"] == 1
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "bee").mkdir()
    photo().save(tmp_path / "bee" / "c.png")
    caplog.clear()
    assert main(["erf", "--pictures", str(tmp_path), "--count", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["names"] == ["b.png", "bee/c.png"]
    assert "a.jpg' cannot be used. The file is empty" in caplog.text


def test_a_network_without_a_twin_is_looked_at_alone(
    checkpoint_folder, monkeypatch, capsys, tmp_path
):
    alone = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_folder, alone)
    (alone / "tiny_conv.json").unlink()
    monkeypatch.setenv(checkpoints.ENVIRONMENT, str(alone))
    photo().save(tmp_path / "b.png")
    assert main(["erf", "--pictures", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["fields"]
    assert {row["checkpoint"] for row in found} == {"tiny_gsa"}
    assert main(["classify", str(tmp_path / "b.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["checkpoint"] == "tiny_gsa"
    assert main(["differ", str(tmp_path)]) == 2
    assert "'tiny_gsa' has no twin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--count", "0"], "`count` (=0)"),
        (["--place", "1", "99"], "must lie inside"),
        (["--checkpoint", "x"], "no checkpoint 'x'"),
    ],
)
def test_bad_input_to_the_command_gets_a_sentence(capsys, tiny_checkpoints, arguments, sentence):
    assert main(["erf", *arguments]) == 2
    assert sentence in capsys.readouterr().err
