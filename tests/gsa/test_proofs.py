"""Every map reproduces its layer's output, and the proof fails when a formula is broken."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from gsa import maps, proofs
from gsa.cells import Cells
from gsa.config import preset
from gsa.proofs import Proof, prove, verify
from gsa.record import record
from gsa.resnet import ResNet
from tests.conftest import VARIANTS, noise, tiny_config, tiny_model

SIZES = [(64, 64), (49, 79)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_maps_of_every_variant_are_exact(variant, dtype):
    model = tiny_model(**VARIANTS[variant]).to(dtype)
    results = list(verify(model, SIZES, queries=6))
    kinds = ["content", "positional", "sum"]
    if variant in ("content", "positional", "row"):
        kinds = ["content"] if variant == "content" else ["positional"]
    kinds += [f"reverse {kind}" for kind in kinds]
    assert [result.branch for result in results] == kinds * len(SIZES) * 4
    for result in results:
        assert result.passed, result
        assert result.dtype == str(dtype).removeprefix("torch.")


def test_half_precision_and_no_query_prove_nothing():
    with pytest.raises(ValueError, match="of bfloat16; maps are proved in float32 or float64"):
        next(verify(tiny_model().bfloat16(), SIZES))
    with pytest.raises(ValueError, match=r"`queries` \(=0\) must be at least 1"):
        next(verify(tiny_model(), SIZES, queries=0))


def test_a_proof_of_nothing_is_none():
    conv = ResNet(tiny_config().twin(), seed=0).eval()
    for model, sizes in ((conv, SIZES), (tiny_model(), [])):
        with pytest.raises(ValueError, match="there is nothing to prove"):
            next(verify(model, sizes))
    with pytest.raises(ValueError, match=r"`sizes` has \(-1, 5\); a picture has at least one row"):
        next(verify(tiny_model(), [(64, 64), (-1, 5)]))


def test_the_relative_error_is_a_share_of_what_the_head_computes_everywhere(recording):
    layer = recording["2.1"]
    output = layer.content.copy()
    output[1, 2, 3, 4] += 0.5
    proof = prove(replace(layer, content=output), "content", Cells.at(3, 4))
    assert proof.max_abs_error == pytest.approx(0.5)
    assert proof.max_rel_error == pytest.approx(0.5 / np.sqrt(np.square(output[1]).mean()))


def test_all_maps_of_a_place_take_less_time_than_a_forward_pass():
    model = ResNet(preset("gsa_resnet26_small", projection_norm="rms"), seed=0).eval()
    x = noise(128, 128)

    def seconds(work):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    with torch.inference_mode():
        forward = seconds(lambda: model(x))
    recording = record(model, x)
    layers = [
        (recording.grid(name).cell_at(40, 70), each) for name, each in recording.layers.items()
    ]

    def every_map():
        for cell, layer in layers:
            for branch in maps.branches(layer):
                maps.branch_map(layer, branch, Cells.at(*cell))

    assert seconds(every_map) < forward


@pytest.mark.parametrize("direction", ["from", "to"])
@pytest.mark.parametrize("kind", ["content", "positional", "sum"])
def test_regions_are_proved_too(recording, kind, direction):
    assert prove(recording["2.1"], kind, Cells(1, 2, 5, 8), direction).max_rel_error < 1e-10


def failures(model):
    """Maps whose proof fails."""
    return [result for result in verify(model, [(64, 96)], queries=4) if not result.passed]


def keys_normalised_over_channels(layer, cells):
    rho = layer.rho / layer.rho.sum(axis=1, keepdims=True)
    return maps_content(replace(layer, rho=rho), cells)


def outer_product_of_own_scores(layer, cells):
    row, columns = maps.row_weights(layer, cells)[:, 0], layer.shape[1]
    own = maps_column(layer, cells.top)[:, :, cells.left]
    assert row.shape[1] == columns
    return own[:, :, None] * row[:, None, :]


def query_turned_round(layer, cells):
    row, column = cells.top % layer.shape[1], cells.left % layer.shape[0]
    return maps_content(layer, Cells.at(column, row))


def row_offsets_turned_round(layer, cells):
    return maps_row(replace(layer, r_r=layer.r_r[::-1]), cells)


def column_offsets_turned_round(layer, row):
    return maps_column(replace(layer, r_c=layer.r_c[::-1]), row)


def keys_of_the_reader(layer, cells):
    return maps_content(layer, cells)


def scores_of_the_place(layer, cells):
    return maps.positional_map(layer, cells)


def gain_left_out(layer, cells, channel=None):
    return maps_sum(replace(layer, gain=np.ones_like(layer.gain)), cells, channel)


def reverse_gain_left_out(layer, cells, channel=None):
    return maps_reverse_sum(replace(layer, gain=np.ones_like(layer.gain)), cells, channel)


maps_content, maps_row, maps_column = maps.content_map, maps.row_weights, maps.column_weights
maps_sum, maps_reverse_sum = maps.sum_map, maps.reverse_sum_map
BROKEN = [
    ("content_map", keys_normalised_over_channels, {"content", "sum"}),
    ("content_map", query_turned_round, {"content", "sum"}),
    ("positional_map", outer_product_of_own_scores, {"positional", "sum"}),
    ("row_weights", row_offsets_turned_round, {"positional", "sum"}),
    ("column_weights", column_offsets_turned_round, {"positional", "sum"}),
    ("sum_map", gain_left_out, {"sum"}),
    ("reverse_content_map", keys_of_the_reader, {"reverse content", "reverse sum"}),
    ("reverse_positional_map", scores_of_the_place, {"reverse positional", "reverse sum"}),
    ("reverse_sum_map", reverse_gain_left_out, {"reverse sum"}),
]


@pytest.mark.parametrize(
    ("name", "wrong", "kinds"), BROKEN, ids=[wrong.__name__ for _, wrong, _ in BROKEN]
)
def test_a_broken_formula_is_caught(monkeypatch, name, wrong, kinds):
    model = tiny_model()
    assert not failures(model)
    monkeypatch.setattr(maps, name, wrong)
    found = failures(model)
    assert {result.layer for result in found} >= {"1.1", "2.1", "3.1"}
    assert {result.branch for result in found} == kinds


@pytest.mark.parametrize("missing", ["gain", "offset"])
def test_a_missing_gain_or_offset_is_caught(monkeypatch, missing):
    model = tiny_model()
    whole = proofs.apply_map

    def without(layer, kind, cells):
        value = getattr(layer, missing)
        blank = np.full_like(value, missing == "gain")
        return whole(replace(layer, **{missing: blank}), kind, cells)

    monkeypatch.setattr(proofs, "apply_map", without)
    found = failures(model)
    assert {result.layer for result in found} == {"1.1", "2.1", "3.1", "4.1"}
    assert {result.branch for result in found} == {"positional", "sum"}


def test_autocast_around_proofs_has_no_effect():
    plain = list(verify(tiny_model(), [(64, 64)], queries=2))
    with torch.autocast("cpu", torch.bfloat16):
        assert list(verify(tiny_model(), [(64, 64)], queries=2)) == plain
    assert list(verify(torch.compile(tiny_model()), [(64, 64)], queries=2)) == plain


def planted(monkeypatch, change):
    """Proofs in double precision, at two places, of recordings whose content was changed."""

    def changed(model, x):
        found = record(model, x)
        layers = {
            name: replace(layer, content=change(layer.content.copy()))
            for name, layer in found.layers.items()
        }
        return replace(found, layers=layers)

    monkeypatch.setattr(proofs, "record", changed)
    results = verify(tiny_model().double(), [(64, 96)], queries=2)
    return [result for result in results if result.branch == "content"]


def test_an_error_of_single_precision_does_not_pass_in_double(monkeypatch):
    results = planted(monkeypatch, lambda content: content * (1 + 1e-7))
    assert [result.passed for result in results] == [False] * 4


def test_the_last_cell_is_among_two_places(monkeypatch):
    def in_the_last_cell(content):
        content[..., -1, -1] *= 2
        return content

    results = planted(monkeypatch, in_the_last_cell)
    assert [result.passed for result in results] == [False] * 4


def test_an_error_whose_square_is_no_single_number_is_found(recording):
    layer = recording["2.1"]
    huge = replace(layer, content=np.full_like(layer.content, 1e25))
    assert prove(huge, "content", Cells.at(3, 4)).max_rel_error == pytest.approx(1)


def test_an_output_that_is_no_number_proves_nothing(recording):
    layer = recording["2.1"]
    broken = replace(layer, content=np.full_like(layer.content, np.nan))
    proof = prove(broken, "content", Cells.at(0, 0))
    assert not proof.max_rel_error <= 1
    worst = Proof.worst([Proof(0.0, 0.0), proof, Proof(1.0, 1.0)])
    assert not worst.max_rel_error <= 1


def test_a_kind_or_a_direction_that_is_none_is_refused(recording):
    layer, cells = recording["2.1"], Cells.at(0, 0)
    with pytest.raises(ValueError, match="no kind 'postional' here; it must be content or pos"):
        prove(layer, "postional", cells)
    with pytest.raises(ValueError, match=r"`direction` \(='form'\) must be of \('from', 'to'\)"):
        prove(layer, "content", cells, "form")


@pytest.mark.parametrize("direction", ["from", "to"])
@pytest.mark.parametrize("kind", ["content", "sum"])
def test_a_branch_that_is_not_there_cannot_be_proved(recording, kind, direction):
    without = replace(recording["2.1"], content=None)
    with pytest.raises(ValueError, match="layer 2.1 has no content branch"):
        prove(without, kind, Cells.at(0, 0), direction)
