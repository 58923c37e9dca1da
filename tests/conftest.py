"""What several tests share: tiny networks with random statistics, and pictures made on the spot."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gsa.baselines import untrained
from gsa.card import Card
from gsa.checkpoints import save
from gsa.config import NetworkConfig, preset
from gsa.preprocess import Preprocess
from gsa.record import Recording, record
from gsa.resnet import ResNet

VARIANTS: dict[str, dict] = {
    "paper": {},
    "batch": {"projection_norm": "batch", "query_offset": 1.0, "relative_init": "local"},
    "rms": {"projection_norm": "rms", "query_gain": 0.2, "query_offset": 1.0},
    "content": {"positional": "none"},
    "positional": {"content": False},
    "column": {"positional": "column"},
    "row": {"content": False, "positional": "row"},
}


def tiny_config(**changes) -> NetworkConfig:
    return preset("gsa_resnet14_tiny", num_classes=5, input_size=64, **changes)


def random_statistics(model: nn.Module, seed: int = 0) -> None:
    """Statistics, gains and biases as training might leave them, so that none is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = module.running_mean.shape
            module.running_mean.copy_(0.3 * torch.randn(shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            with torch.no_grad():
                module.weight.copy_(0.5 + torch.rand(shape, generator=generator))
                module.bias.copy_(0.2 * torch.randn(shape, generator=generator))


def tiny_model(seed: int = 0, **changes) -> ResNet:
    model = ResNet(tiny_config(**changes), seed=seed)
    random_statistics(model, seed)
    return model.eval().requires_grad_(False)


def noise(height: int = 64, width: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def model() -> ResNet:
    return tiny_model()


@pytest.fixture(scope="session")
def recording() -> Recording:
    """Of a picture that is not square, so that rows and columns cannot be confused."""
    return record(tiny_model().double(), noise(64, 96).double())


def photo(width: int = 200, height: int = 150, seed: int = 0) -> Image.Image:
    """Soft blobs of colour: a picture that resizing does not turn to grey."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair of untrained tiny twins as checkpoints."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for mixer in ("gsa", "conv"):
        config = tiny_config(projection_norm="rms", query_gain=0.2, query_offset=1.0)
        config = config if mixer == "gsa" else config.twin()
        card = Card(
            name=f"tiny_{mixer}",
            pair="tiny",
            network=config,
            preprocess=Preprocess(64),
            classes=("ant", "bee", "cat", "dog", "eel"),
            data={"name": "nothing"},
        )
        blank = untrained(card, seed=1)
        save(blank.model, replace(card, use="tests"), folder)
    return folder


@pytest.fixture
def tiny_checkpoints(checkpoint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny twins are the only checkpoints there are."""
    monkeypatch.setenv("GSA_CHECKPOINTS", str(checkpoint_folder))
    return checkpoint_folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Sums over several threads differ in the last bit; other modules get theirs back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pytest_sessionfinish() -> None:
    """The app freezes what it has loaded; unfrozen, it is freed in the right order at the end."""
    gc.unfreeze()
