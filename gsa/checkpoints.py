"""Trained weights on disk: `<name>.safetensors`, and beside it `<name>.json`, its card.

The card says everything that is needed to use the weights (network, preprocessing, class names)
and to judge them (data, recipe, results, cost). Matrices are stored in half precision; vectors,
among them the statistics of the batch norms, in single precision, since halves cannot hold them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from gsa.card import ENVIRONMENT, Card, CheckpointError, check_name
from gsa.files import whole_file
from gsa.preprocess import Preprocess
from gsa.resnet import ResNet

HISTORY = ".curves.json"  # ends the name of the file with what training noted after each epoch
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """A network ready for inference: eval mode, single precision, parameters frozen."""

    model: ResNet
    card: Card

    def __repr__(self) -> str:
        return f"Checkpoint({self.card.name!r}, {self.card.params} parameters)"

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing the network was trained with."""
        return self.card.preprocess

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.card.classes


def folder(directory: str | Path | None = None) -> Path:
    """`directory`, or by default `$GSA_CHECKPOINTS`, or else the project's own folder."""
    if directory is not None:
        return Path(directory)
    chosen = os.environ.get(ENVIRONMENT)
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "checkpoints"


def available(directory: str | Path | None = None) -> list[str]:
    """Names of the checkpoints that have weights and a card, sorted."""
    weights = folder(directory).glob("*.safetensors")
    return sorted(path.stem for path in weights if path.with_suffix(".json").exists())


def read_cards(directory: str | Path | None = None) -> dict[str, Card | CheckpointError]:
    """Every card of `available()` by its name, or the error that says why it cannot be read."""
    found: dict[str, Card | CheckpointError] = {}
    for name in available(directory):
        try:
            found[name] = read_card(name, directory)
        except CheckpointError as error:
            found[name] = error
    return found


def read_card(name: str, directory: str | Path | None = None) -> Card:
    """A card without its weights.

    Raises:
        CheckpointError: if there is none of that name, it does not fit, or it is of another name.
    """
    check_name(name)
    path = folder(directory) / f"{name}.json"
    if not path.parent.is_dir():
        raise CheckpointError(f"there is no folder {str(path.parent)!r} of checkpoints.")
    if not path.is_file():
        known = ", ".join(available(directory)) or "none"
        raise CheckpointError(f"there is no checkpoint {name!r}; there are: {known}.")
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise CheckpointError(
            f"the card of checkpoint {name!r} cannot be read ({error.strerror})."
        ) from None
    except (ValueError, RecursionError):
        raise CheckpointError(f"the card of checkpoint {name!r} is not valid JSON.") from None
    try:
        card = Card.from_dict(values)
    except CheckpointError as error:
        raise CheckpointError(f"of checkpoint {name!r}, {error}") from None
    if card.name != name:  # a copy would take its original's place in the pair
        raise CheckpointError(f"the card of checkpoint {name!r} gives its name as {card.name!r}.")
    return card


def history(name: str, directory: str | Path | None = None) -> list[dict[str, Any]]:
    """What training noted after each epoch, such as its `loss`; empty if that is not there."""
    path = folder(directory) / f"{name}{HISTORY}"
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _refuse(constant: str) -> None:
    """NaN and infinity, which Python reads and JSON does not have."""
    raise ValueError(constant)


def load(name: str, directory: str | Path | None = None, device: str = "cpu") -> Checkpoint:
    """Load a checkpoint for inference.

    Args:
        name: one of `available()`.
        directory: where to look instead of `folder()`.
        device: as torch names it.

    Raises:
        CheckpointError: if it is missing, damaged, a Git LFS pointer, or does not fit its card.
        ValueError: for a device that this machine lacks.
    """
    card = read_card(name, directory)
    path = folder(directory) / f"{name}.safetensors"
    state = _read_weights(path, name, card.sha256)
    model = _network(state, card)
    try:
        model = model.to(device)
    except (AssertionError, RuntimeError) as error:
        detail = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(f"`device` (={device!r}) cannot be used: {detail}.") from None
    return Checkpoint(model.eval().requires_grad_(False), card)


def _network(state: dict[str, Tensor], card: Card) -> ResNet:
    """The network of a card with these weights; CheckpointError if they do not fit it."""
    model = ResNet(card.network, seed=0)  # leaves torch's random numbers as they are
    floats = dict(_floats(state))
    name = card.name
    try:
        model.load_state_dict({key: value.float() for key, value in floats.items()}, strict=False)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"the weights of {name!r} do not fit its card: {detail}") from None
    wanted = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
    missing, unknown = wanted - set(floats), set(state) - set(model.state_dict())
    if missing or unknown:
        raise CheckpointError(
            f"the weights of {name!r} do not fit its card: {len(missing)} missing, "
            f"{len(unknown)} unknown, such as {sorted(missing | unknown)[0]!r}."
        )
    for key, value in floats.items():
        if not torch.isfinite(value).all():
            raise CheckpointError(
                f"the weights of {name!r} have values that are not finite, in {key!r}."
            )
    return model


def _floats(state: dict[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    return ((key, value) for key, value in state.items() if value.is_floating_point())


def _read_weights(path: Path, name: str, sha256: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"checkpoint {name!r} has a card but no weights, {path.name}.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read ({error.strerror}).") from None
    if data.startswith(_LFS_POINTER):
        raise CheckpointError(
            f"{path.name} is a Git LFS pointer and not the weights; run `git lfs pull`."
        )
    if not sha256:
        raise CheckpointError(
            f"the card of checkpoint {name!r} names no sha256 to check the weights by."
        )
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CheckpointError(
            f"{path.name} does not have the sha256 that its card names; fetch it again."
        )
    try:
        state = from_bytes(data)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name} is damaged ({error}); fetch it again.") from None
    return state


def save(model: nn.Module, card: Card, directory: str | Path) -> Card:
    """Write weights and card; the card gets the sha256 of the weights.

    Both are written before either takes its name, so that an error leaves the old ones; a kill
    between the two names leaves new weights under the old card, which `load` refuses. Evaluate what
    is loaded again, not `model`: the matrices are rounded to half precision.

    Returns:
        The card as written.

    Raises:
        CheckpointError: for weights that do not fit the card, or are not finite in half precision.
    """
    root = folder(directory)
    root.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.ndim > 1 else value.float()).contiguous().cpu()
        for key, value in _floats(model.state_dict())
    }
    _network(state, card)
    data = to_bytes(state)
    card = replace(card, sha256=hashlib.sha256(data).hexdigest())
    text = _text(card)  # takes long, since it counts the operations of the network
    with (
        whole_file(root / f"{card.name}.json") as new_card,
        whole_file(root / f"{card.name}.safetensors") as new_weights,  # takes its name first
    ):
        new_card.write_bytes(text)
        new_weights.write_bytes(data)
    return card


def write_card(card: Card, directory: str | Path) -> None:
    """Write a card, for instance with results added, beside weights that are there."""
    text = _text(card)
    with whole_file(folder(directory) / f"{card.name}.json") as partial:
        partial.write_bytes(text)


def _text(card: Card) -> bytes:
    """What the file of a card holds."""
    return (json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n").encode()
