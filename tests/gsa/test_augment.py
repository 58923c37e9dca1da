from dataclasses import replace

import pytest
import torch

from gsa.augment import erase, mix, views
from gsa.recipe import Recipe
from tests.conftest import photo

RECIPE = Recipe("p", "d", "resnet14_tiny", 32, 2, crop_scale=1.0)


@pytest.fixture(scope="module")
def pictures():
    from torchvision.transforms.v2.functional import pil_to_tensor

    return [pil_to_tensor(photo(40, 40, seed)) for seed in range(6)]


def seeded(function, *arguments, seed=0):
    torch.manual_seed(seed)
    return function(*arguments)


@pytest.mark.parametrize("policy", ["", "trivial", "rand"])
def test_a_seed_gives_the_same_views_again(pictures, policy):
    recipe = replace(RECIPE, augment=policy)
    first = seeded(views, pictures, recipe, 0)
    assert (first.shape, first.dtype) == ((6, 3, 32, 32), torch.uint8)
    assert first.equal(seeded(views, pictures, recipe, 0))
    assert not first.equal(seeded(views, pictures, recipe, 0, seed=1))


@pytest.mark.parametrize("policy", ["trivial", "rand"])
def test_a_policy_changes_pictures_that_nothing_else_does(policy):
    grey = [torch.arange(32 * 32).view(1, 32, 32).expand(3, -1, -1).byte()] * 20
    plain = seeded(views, grey, RECIPE, 0)
    changed = seeded(views, grey, replace(RECIPE, augment=policy), 0)
    differing = sum(not one.equal(other) for one, other in zip(plain, changed, strict=True))
    assert differing > 10


def test_a_policy_sets_in_with_its_epoch_and_early_crops_are_smaller(pictures):
    late = replace(RECIPE, augment="trivial", augment_from=1)
    assert seeded(views, pictures, late, 0).equal(seeded(views, pictures, RECIPE, 0))
    assert not seeded(views, pictures, late, 1).equal(seeded(views, pictures, RECIPE, 1))
    larger = replace(RECIPE, size=64, early_size=32, early_epochs=1)
    sides = [seeded(views, pictures, larger, epoch).shape[-1] for epoch in (0, 1)]
    assert sides == [32, 64]


def test_erasing_blanks_a_rectangle_of_its_own_in_each_picture():
    x = torch.ones(8, 3, 32, 32)
    assert erase(x, RECIPE) is x
    blank = seeded(erase, x, replace(RECIPE, erase=1.0)) == 0
    assert blank.any(dim=(1, 2, 3)).all()
    assert len({tuple(each.nonzero()[0].tolist()) for each in blank[:, 0]}) > 4
    some = seeded(erase, x, replace(RECIPE, erase=0.5)) == 0
    assert 0 < some.any(dim=(1, 2, 3)).sum() < 8


def test_mixing_gives_shares_of_classes():
    x, targets = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 1])
    assert mix(x, targets, 3, RECIPE)[1] is targets
    mixed, shares = seeded(mix, x, targets, 3, replace(RECIPE, mixup=1.0))
    assert shares.shape == (4, 3)
    assert torch.allclose(shares.sum(1), torch.ones(4))
    assert not mixed.equal(x)
