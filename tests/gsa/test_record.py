import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from gsa.record import record
from tests.conftest import noise, tiny_model

PICTURES = 16


def test_logits_are_those_of_a_plain_pass_bit_for_bit(model):
    with torch.inference_mode():
        plain = model(noise())[0].numpy()
    np.testing.assert_array_equal(record(model, noise()).logits, plain)


def test_arrays_cannot_be_written(recording):
    with pytest.raises(ValueError, match="read-only"):
        recording["2.1"].q[0] = 0


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))]
)
def test_a_copy_cannot_be_written_either(recording, copied):
    again = copied(recording)
    assert list(again.layers) == list(recording.layers)
    np.testing.assert_array_equal(again["2.1"].rho, recording["2.1"].rho)
    for array in (again.logits, again["2.1"].q):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(TypeError, match="does not support item assignment"):
        again.layers["2.1"] = again["1.1"]
    with pytest.raises(FrozenInstanceError):
        again.height = 1


def test_every_layer_has_its_tensors(recording):
    assert list(recording.layers) == ["1.1", "2.1", "3.1", "4.1"]
    layer = recording["1.1"]
    assert layer.shape == (16, 24)
    assert recording.grid("1.1").cell == (4, 4)
    assert layer.q.shape == layer.rho.shape == (4, 4, 16, 24)
    np.testing.assert_allclose(layer.rho.sum(axis=(2, 3)), 1)
    np.testing.assert_allclose(layer.output, layer.content + layer.positional)


def test_an_unknown_layer_is_refused(recording):
    with pytest.raises(ValueError, match="there is no layer '9.9'; layers are 1.1, 2.1"):
        recording["9.9"]


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match="must be in eval mode"):
        record(tiny_model().train(), noise())


def test_more_than_one_picture_is_refused(model):
    with pytest.raises(ValueError, match=r"shape \(2, 3, 64, 64\)"):
        record(model, noise().repeat(2, 1, 1, 1))


def test_a_picture_without_colours_is_refused(model):
    with pytest.raises(ValueError, match=r"shape \(1, 1, 64, 64\); it must be \(1, 3, rows"):
        record(model, noise()[:, :1])


def traces(model):
    """All that recording might leave behind."""
    return [
        (
            module.training,
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
            len(module._backward_hooks),
            sorted(vars(module)),
            [(p.requires_grad, p.grad is None) for p in module.parameters(recurse=False)],
        )
        for module in model.modules()
    ] + [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]


def test_autocast_around_it_has_no_effect(model):
    plain = record(model, noise())
    with torch.autocast("cpu", torch.bfloat16):
        inside = record(model, noise())
        assert torch.is_autocast_enabled("cpu")
    np.testing.assert_array_equal(inside.logits, plain.logits)
    np.testing.assert_array_equal(inside["2.1"].output, plain["2.1"].output)


@pytest.mark.parametrize(
    "wrapped", [lambda model: torch.compile(model, backend="eager"), torch.nn.DataParallel]
)
def test_the_network_in_a_wrapper_is_recorded(model, wrapped):
    found = record(wrapped(model), noise())
    assert list(found.layers) == ["1.1", "2.1", "3.1", "4.1"]
    np.testing.assert_array_equal(found.logits, record(model, noise()).logits)


def test_what_is_no_network_or_no_tensor_is_refused(model):
    with pytest.raises(ValueError, match="`model` is a Linear; it must be a ResNet of `gsa`"):
        record(torch.nn.Linear(3, 5), noise())
    with pytest.raises(ValueError, match="`x` is a ndarray; it must be a tensor of torch"):
        record(model, noise().numpy())


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(recording, temperature):
    with pytest.raises(ValueError, match=r"`temperature` \(=.*\) must be a finite number above 0"):
        recording.probabilities(temperature)


def test_nothing_is_left_behind():
    model = tiny_model()
    before = traces(model)
    record(model, noise())
    assert traces(model) == before


def test_nothing_is_left_behind_after_an_exception(monkeypatch):
    model = tiny_model()
    before = traces(model)
    with monkeypatch.context() as patch:
        patch.setattr("gsa.attention.normalise_keys", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            record(model, noise())
    assert traces(model) == before


def outcomes(recorder, model):
    """What `PICTURES` threads got, each for its own picture, and what one thread gets."""
    alone = [record(model, noise(seed=seed))["1.1"].q for seed in range(PICTURES)]
    start = threading.Barrier(PICTURES)

    def one(seed):
        start.wait()
        return [recorder(model, noise(seed=seed)) for _ in range(5)]

    with ThreadPoolExecutor(PICTURES) as pool:
        together = list(pool.map(one, range(PICTURES)))
    return sum(
        not np.array_equal(alone[seed], got) for seed in range(PICTURES) for got in together[seed]
    )


def test_threads_on_one_model_get_their_own_tensors(model):
    assert outcomes(lambda m, x: record(m, x)["1.1"].q, model) == 0


def test_the_thread_test_catches_a_naive_hook(model):
    def with_hook(shared, x):
        kept = {}
        layer = shared.gsa_layers()["1.1"]
        hook = layer.to_q.register_forward_hook(lambda *args: kept.update(q=args[2]))
        with torch.inference_mode():
            shared(x)
        hook.remove()
        return kept["q"][0].unflatten(0, (4, -1)).numpy()

    assert outcomes(with_hook, model) > 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_picture_of_numbers_that_are_not_finite_is_refused(wrong):
    x = noise()
    x[0, 1, 2, 3] = wrong
    with pytest.raises(ValueError, match="`x` holds NaN or infinity"):
        record(tiny_model(), x)
