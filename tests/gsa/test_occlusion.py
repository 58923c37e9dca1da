"""Occlusion on pictures that are far from square."""

import numpy as np
import pytest

from gsa.attribution import attribute
from gsa.checkpoints import load
from tests.conftest import noise


@pytest.mark.parametrize("shape", [(200, 5), (5, 200)])
def test_the_window_fits_into_a_narrow_picture(checkpoint_folder, shape):
    checkpoint = load("tiny_conv", checkpoint_folder)
    found = attribute(checkpoint, noise(*shape), 0, "occlusion").values
    assert found.shape == shape
    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 100  # a window as large as the picture gives one value
