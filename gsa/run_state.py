"""The state of a run on disk, and what it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from gsa.config import Mixer
from gsa.machine import out_of_memory
from gsa.recipe import Recipe


@dataclass(frozen=True)
class Identity:
    """What a state belongs to: a run goes on with the same of each alone.

    Pictures are told by their file names, classes and order, so that a known data set may be moved;
    the recipe tells one that it names by a path.
    """

    recipe: Recipe
    mixer: Mixer
    classes: tuple[str, ...]
    learn: str  # digest of the pictures to learn from
    held: str  # digest of those that are held out
    start: str | None  # sha256 of the weights it started from; "": random ones; None: not known
    teachers: tuple[str, ...] = ()  # sha256 of the weights it learns from

    def to_dict(self) -> dict[str, Any]:
        """The entries of a state: `recipe`, and `identity` with the others."""
        others = {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        return {"recipe": self.recipe.to_dict(), "identity": others}


_OTHERS = {  # what a state belongs to that differs in a field
    "mixer": "the other twin",
    "classes": "other classes",
    "learn": "other pictures to learn from",
    "held": "other held-out pictures",
    "start": "another start",
    "teachers": "other teachers",
}


def read_state(path: Path, identity: Identity) -> tuple[dict[str, Any] | None, Identity]:
    """The state of a run, if there is one.

    Args:
        path: the file.
        identity: of the run. What a state does not tell of its own, as those of earlier versions
            tell the recipe alone, is taken to be the same.

    Returns:
        The state, its tensors in the memory of the CPU, or None; and the identity, with a start
        that is not known if the state has none.

    Raises:
        ValueError: if the file is damaged or belongs to another run.
    """
    if not path.is_file():
        return None, identity
    data = BytesIO(path.read_bytes())
    try:
        # not where the network is, which may have no room left
        state = torch.load(data, map_location="cpu", weights_only=True)
        entries = dict(state["recipe"])
        told = dict(state.get("identity", {}))
        unknown = sorted(entries.keys() - {each.name for each in fields(Recipe)})
        recipe = None if unknown else Recipe(**entries)
    except Exception as error:  # whatever damage makes of the archive, its pickle and its entries
        if out_of_memory(error):
            raise
        raise ValueError(
            f"the state {str(path)!r} is damaged; remove it to train from the first step."
        ) from None
    if recipe is None:
        raise ValueError(
            f"the recipe of {str(path)!r} has a field {unknown[0]!r} that this version does not "
            "know; go on with the version that wrote it, or choose another folder."
        )
    others = [
        words
        for name, words in _OTHERS.items()
        if told.get(name) is not None and told[name] != getattr(identity, name)
    ]
    if recipe != identity.recipe:
        others.insert(0, f"another recipe ({_differing(recipe, identity.recipe)})")
    if others:
        raise ValueError(
            f"{str(path)!r} belongs to {' and '.join(others)}; choose another folder or remove it."
        )
    return state, replace(identity, start=told.get("start"))


def _differing(one: Recipe, other: Recipe) -> str:
    names = [each.name for each in fields(Recipe) if each.compare]
    return ", ".join(f"`{name}`" for name in names if getattr(one, name) != getattr(other, name))
