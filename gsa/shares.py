"""How much each branch carries: its part in the output of every layer, over many pictures.

A share is that of `gsa.maps.branch_share` over the whole grid: the norm of the branch's output over
the sum of both norms. Measured before the first step of training, for several ways to start, and
after training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsa.baselines import take_statistics
from gsa.cells import Cells
from gsa.checkpoints import Checkpoint
from gsa.config import NetworkConfig
from gsa.evaluate import prepared
from gsa.maps import branch_share
from gsa.record import Array, record
from gsa.resnet import ResNet
from gsa.split import Split

BATCH = 64  # pictures of a step


@dataclass(frozen=True)
class Start:
    """A way to start a GSA network."""

    name: str
    changes: dict[str, Any]  # of the fields of a `NetworkConfig`
    unit_embeddings: bool = False  # draw the relative embeddings with variance 1

    def network(self, config: NetworkConfig, seed: int) -> ResNet:
        """An untrained network."""
        model = ResNet(replace(config, **self.changes), seed=seed)
        if self.unit_embeddings:
            generator = torch.Generator().manual_seed(seed)
            for name, parameter in model.named_parameters():
                if name.endswith((".r_c", ".r_r")):
                    torch.nn.init.normal_(parameter, generator=generator)
        return model

    def shares(self, config: NetworkConfig, seed: int, pictures: Tensor) -> dict[str, Array]:
        """`positional_shares` as in a first step: each batch under its own statistics.

        Under those of other pictures, one of more contrast would grow by a power of its contrast
        in every layer where nothing bounds the queries.
        """
        model = self.network(config, seed)
        batches = []
        for batch in pictures.split(BATCH):
            take_statistics(model, batch)
            batches.append(positional_shares(model, batch))
        return _pooled(batches)


_PAPER: dict[str, Any] = {
    "projection_norm": "none",
    "query_gain": 1.0,
    "query_offset": 0.0,
    "relative_init": "normal",
}
STARTS = (
    Start("the paper's module, embeddings of variance 1", _PAPER, unit_embeddings=True),
    Start("the paper's module, small embeddings", _PAPER),
    Start("batch norm on queries, keys, values", {**_PAPER, "projection_norm": "batch"}),
    Start("the module with the checkpoint's options", {}),
)


def positional_shares(model: ResNet, pictures: Tensor) -> dict[str, Array]:
    """Share of the positional branch; that of the content branch is what is missing to 1.

    Args:
        model: in eval mode, its GSA layers with both branches.
        pictures: (n, 3, rows, columns), normalised.

    Returns:
        For each layer, in the order the data passes them, (n,).
    """
    shares: dict[str, list[float]] = {}
    for picture in pictures:
        for name, layer in record(model, picture[None]).layers.items():
            cells = Cells(0, 0, *layer.shape)
            shares.setdefault(name, []).append(branch_share(layer, "positional", cells))
    return {name: np.array(values) for name, values in shares.items()}


def study(checkpoint: Checkpoint, split: Split, count: int, seeds: int) -> dict[str, Any]:
    """The shares of a checkpoint's network at several starts and after training.

    Args:
        checkpoint: with GSA layers that have both branches.
        split: any pictures; `count` of them are taken at equal steps.
        count: of pictures.
        seeds: untrained networks for each start; the shares of all are pooled.

    Returns:
        JSON-ready: `checkpoint`, `sha256`, `pictures`, `seeds`, and `conditions`, each with
        `name`, `trained` and `layers`: for each layer `mean`, and `low` and `high`, the 10th and
        90th percentile over pictures (and seeds), of the share of the positional branch.

    Raises:
        ValueError: for a network without both branches, or a count that is not positive.
    """
    config = checkpoint.card.network
    if "gsa" not in config.mixers or not config.content or config.positional == "none":
        raise ValueError(f"{checkpoint.card.name!r} has no GSA layers with two branches.")
    for name, value in (("pictures", count), ("seeds", seeds)):
        if value < 1:
            raise ValueError(f"`{name}` (={value}) must be at least 1.")
    at = np.unique(np.linspace(0, len(split) - 1, count).round().astype(int)).tolist()
    crops = prepared(checkpoint.preprocess, split.subset(at).pictures())
    pictures = checkpoint.preprocess.normalise(crops)
    conditions = []
    for start in STARTS:
        drawn = _pooled([start.shares(config, seed, pictures) for seed in range(seeds)])
        conditions.append({"name": start.name, "trained": False, "layers": _summary(drawn)})
    trained = positional_shares(checkpoint.model, pictures)
    conditions.append({"name": "after training", "trained": True, "layers": _summary(trained)})
    return {
        "checkpoint": checkpoint.card.name,
        "sha256": checkpoint.card.sha256,
        "pictures": len(pictures),
        "seeds": seeds,
        "conditions": conditions,
    }


def _pooled(parts: list[dict[str, Array]]) -> dict[str, Array]:
    """All of them in one, layer by layer."""
    return {name: np.concatenate([shares[name] for shares in parts]) for name in parts[0]}


def _summary(shares: dict[str, Array]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "mean": float(values.mean()),
            "low": float(np.quantile(values, 0.1)),
            "high": float(np.quantile(values, 0.9)),
        }
        for name, values in shares.items()
    }
