"""The card of a checkpoint: what its weights are, what they need, and what they are worth."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from gsa.config import NetworkConfig, is_finite
from gsa.costs import flops, parameters
from gsa.preprocess import Preprocess

CALIBRATION_BINS = 15  # of the expected calibration error among a card's results


ENVIRONMENT = "GSA_CHECKPOINTS"  # names another folder of checkpoints than the project's own


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one sentence fit for a user."""


def check_name(name: str) -> None:
    """CheckpointError if a checkpoint's name is no plain name of a file."""
    if not isinstance(name, str):
        raise CheckpointError(f"the name of a checkpoint (={name!r}) must be a word.")
    if "/" in name or os.sep in name:
        raise CheckpointError(
            f"the checkpoint {name!r} must be named without its folder, which `directory` or the "
            f"environment variable {ENVIRONMENT} names."
        )


@dataclass(frozen=True, repr=False)
class Card:
    """What a checkpoint is. Figures in it are computed by training and evaluation."""

    name: str
    pair: str  # checkpoints that differ in the mixer alone share this name
    network: NetworkConfig
    preprocess: Preprocess
    # everyday words, in the order of the logits; a list may stand for it
    classes: tuple[str, ...]
    data: dict[str, Any] = field(
        default_factory=dict, repr=False
    )  # name, terms, pictures in each split
    recipe: dict[str, Any] = field(default_factory=dict)  # what training was told
    training: dict[str, Any] = field(
        default_factory=dict, repr=False
    )  # epochs, seconds, device, versions
    results: dict[str, Any] = field(
        default_factory=dict, repr=False
    )  # top1, top5, n, intervals, ...
    use: str = ""  # what the weights are for
    limits: str = ""  # what they are not good for
    sha256: str = ""  # of the weights file

    def __post_init__(self) -> None:
        for each in fields(self):
            kind = {"str": str, "dict[str, Any]": dict}.get(str(each.type))
            if kind and not isinstance(getattr(self, each.name), kind):
                raise CheckpointError(
                    f"the card's `{each.name}` (={getattr(self, each.name)!r}) must be of type "
                    f"{each.type}."
                )
        check_name(self.name)
        if not self.name:
            raise CheckpointError("the card's `name` is empty.")
        if not isinstance(self.classes, list | tuple) or not all(
            isinstance(each, str) for each in self.classes
        ):
            raise CheckpointError(
                f"the card's `classes` (={self.classes!r}) must be a list of names."
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:  # a number of one would be the number of the other
            raise CheckpointError(f"the card's `classes` name {twice[0]!r} more than once.")
        self._check_results()
        if self.results and "name" not in self.data:
            raise CheckpointError(
                "the card has results and does not name the data they were found on, as `name` "
                "of `data`."
            )
        if len(self.classes) != self.network.num_classes:
            raise CheckpointError(
                f"the card names {len(self.classes)} classes for a network with "
                f"{self.network.num_classes}."
            )

    def __repr__(self) -> str:
        return f"Card({self.name!r}, {self.mixer}, {len(self.classes)} classes)"

    def _check_results(self) -> None:
        """The rules for those results that are calculated with or printed."""
        top1 = self.results.get("top1", 0.0)
        if not is_finite(top1) or not 0 <= top1 <= 1:
            raise CheckpointError(f"the card's `top1` (={top1!r}) must be a number from 0 to 1.")
        temperature = self.results.get("temperature", 1.0)
        if not is_finite(temperature) or temperature <= 0:
            raise CheckpointError(
                f"the card's `temperature` (={temperature!r}) must be a finite number above 0."
            )

    @property
    def mixer(self) -> str:
        """`gsa`, `conv` or `mixed`."""
        return self.network.mixer

    @property
    def params(self) -> int:
        """Number of trainable parameters."""
        return parameters(self.network)

    @property
    def flops(self) -> int:
        """Operations for one picture, 2 for each multiply-add."""
        return flops(self.network)

    @property
    def temperature(self) -> float:
        """What logits are divided by for calibrated probabilities; 1 where none was fitted."""
        return float(self.results.get("temperature", 1.0))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, with the parameters and operations of the network."""
        return {
            "name": self.name,
            "pair": self.pair,
            "mixer": self.mixer,
            "params": self.params,
            "flops": self.flops,
            "network": self.network.to_dict(),
            "preprocess": self.preprocess.to_dict(),
            "data": self.data,
            "recipe": self.recipe,
            "training": self.training,
            "results": self.results,
            "use": self.use,
            "limits": self.limits,
            "sha256": self.sha256,
            "classes": list(self.classes),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Card:
        """The inverse of `to_dict`.

        Raises:
            CheckpointError: if an entry is missing or does not fit.
        """
        derived = {"mixer", "params", "flops"}
        try:
            kept = {key: value for key, value in values.items() if key not in derived}
            kept["network"] = NetworkConfig.from_dict(kept["network"])
            kept["preprocess"] = Preprocess.from_dict(kept["preprocess"])
            return cls(**kept)
        except CheckpointError:
            raise
        except KeyError as error:
            raise CheckpointError(f"the card has no entry {error}.") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise CheckpointError(f"the card does not fit: {str(error).rstrip('.')}.") from None
