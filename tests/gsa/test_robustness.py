import numpy as np
import pytest
import torch

from gsa import checkpoints, robustness
from gsa.evaluate import logits_of, prepared
from gsa.robustness import GREY, TESTS
from gsa.split import Pixels, Split
from tests.conftest import photo

X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TESTS)
def test_every_test_keeps_shape_and_range_and_starts_with_nothing(name):
    test = TESTS[name]
    smooth = torch.nn.functional.interpolate(X[..., ::16, ::16], (64, 64), mode="bicubic")
    smooth = smooth.clamp(0, 1)
    changes = []
    for severity in test.severities:
        out = test.apply(smooth, severity)
        assert out.shape == smooth.shape
        assert 0 <= out.min() <= out.max() <= 1
        changes.append(float((out - smooth).abs().mean()))
    assert changes[0] < 0.005
    assert min(changes[1:]) > changes[0]
    assert max(changes[2:]) > 0.03


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("side", [64, 128])
def test_the_first_severity_leaves_a_picture_with_all_its_detail_as_it_is(name, side):
    noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    out = TESTS[name].apply(noise, TESTS[name].severities[0])
    torch.testing.assert_close(out, noise, atol=1e-5, rtol=0)


def test_shuffling_moves_whole_patches_and_loses_none():
    out = robustness.shuffle_patches(X, 4)
    before = {
        tuple(p.flatten().tolist())
        for p in X[0].unfold(1, 16, 16).unfold(2, 16, 16)[0].reshape(-1, 256)
    }
    after = {
        tuple(p.flatten().tolist())
        for p in out[0].unfold(1, 16, 16).unfold(2, 16, 16)[0].reshape(-1, 256)
    }
    assert before == after
    assert not torch.equal(X, out)
    odd = robustness.shuffle_patches(X[..., :50, :50], 4)
    assert torch.equal(odd[..., 48:, :], X[..., 48:50, :50])  # what is over stays


def test_low_and_high_pass_part_waves_by_their_length():
    at = torch.arange(64) / 64
    coarse, fine = (
        0.2 * torch.sin(2 * np.pi * waves * at).expand(1, 3, 64, 64) for waves in (2, 24)
    )
    low = robustness.low_pass(0.5 + coarse + fine, 1 / 8) - 0.5
    high = robustness.high_pass(0.5 + coarse + fine, 8) - 0.5
    torch.testing.assert_close(low, coarse * 2 ** -((2 / 8) ** 2), atol=1e-3, rtol=0)
    torch.testing.assert_close(high, coarse + fine - low, atol=1e-3, rtol=0)
    assert robustness.low_pass(0.5 + coarse, 1 / 2).amax() - 0.5 == pytest.approx(0.1, abs=1e-3)


def test_covering_far_and_near_are_opposites():
    far, near = robustness.cover_far(X, 0.5), robustness.cover_near(X, 0.5)
    covered_far, covered_near = (far != X).any(1)[0], (near != X).any(1)[0]
    assert covered_far.float().mean() == covered_near.float().mean() == 0.5
    assert not (covered_far & covered_near).any()
    assert covered_far[0, 0]
    assert covered_near[32, 32]
    assert (far[:, :, 0, 0] == GREY).all()


@pytest.mark.parametrize("cover", [robustness.cover_far, robustness.cover_near])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.75, 0.9])
def test_what_is_covered_lies_evenly_round_the_middle(cover, share):
    covered = (cover(X, share) != X).any(1)[0]
    assert torch.equal(covered, covered.flip(0, 1))  # turned by half
    assert covered.float().mean() == pytest.approx(share, abs=1 / 64)


def test_geometry():
    moved = robustness.shift(X, 0.25)
    assert torch.equal(moved[..., 16:, 16:], X[..., :48, :48])
    assert (moved[..., :16, :] == GREY).all()
    torch.testing.assert_close(robustness.rotate(X, 180), X.flip(-1, -2), atol=1e-3, rtol=0)
    counter_clockwise = X.rot90(1, (-2, -1))
    torch.testing.assert_close(robustness.rotate(X, 90), counter_clockwise, atol=1e-3, rtol=0)
    small = robustness.shrink(X, 0.5)
    assert (small[..., 0, :] == GREY).all()
    assert small[..., 16:48, 16:48].std() > 0.01
    constant = torch.full((1, 3, 64, 64), 0.2)
    torch.testing.assert_close(robustness.centre_crop(constant, 0.3), constant)


def of(photos, targets, labels):
    """A split of pictures of one size."""
    container = Pixels(np.stack([np.asarray(each) for each in photos])) if photos else None
    return Split(
        tuple((container, str(at)) for at in range(len(photos))), tuple(targets), tuple(labels)
    )


def test_scores_of_twins(tiny_checkpoints):
    twins = [checkpoints.load(name) for name in ("tiny_gsa", "tiny_conv")]
    photos = [photo(seed=seed) for seed in range(4)]
    said = logits_of(twins[0], prepared(twins[0].preprocess, photos)).argmax(1)
    sample = of(photos, said.tolist(), twins[0].labels)  # what the first says is right at the start
    found = list(robustness.scores(twins, sample, ["shift"]))
    assert len(found) == 2 * len(TESTS["shift"].severities)
    assert found[0].checkpoint == "tiny_gsa"
    assert (found[0].right, found[0].n) == (1, 4)
    assert found[0].low < 1 == pytest.approx(found[0].high)


def test_logits_are_those_of_the_recording(tiny_checkpoints):
    from gsa.record import record

    twin = checkpoints.load("tiny_gsa")
    crop = twin.preprocess.crop(photo())
    mine = logits_of(twin, prepared(twin.preprocess, [photo()]))[0]
    np.testing.assert_allclose(
        mine, record(twin.model, twin.preprocess.tensor(crop)).logits, atol=1e-5
    )


def test_bad_input_gets_a_sentence(tiny_checkpoints):
    twins = [checkpoints.load("tiny_gsa")]
    for sample, tests, sentence in (
        (of([photo()], [0], ("ant",)), ["melt"], "no test 'melt'"),
        (of([], [], ("ant",)), ["shift"], "no picture"),
        (of([photo()], [0], ("zebra",)), ["shift"], "does not know 'zebra'"),
    ):
        with pytest.raises(ValueError, match=sentence):
            next(robustness.scores(twins, sample, tests))
