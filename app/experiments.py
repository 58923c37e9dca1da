"""What the sections compute on a picture beyond its maps, kept by the key of what was seen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st
import torch

import gsa
from app import panels, resources
from app.resources import Seen
from app.selection import Selection, Value
from gsa import erf, interventions, perturbations, stability
from gsa.interventions import Cut, Limits
from gsa.perturbations import Box, Change, Effect
from gsa.record import Array, Recording

if TYPE_CHECKING:  # captum takes long to load, and few sessions ask for it
    from gsa.attribution import Attribution
    from gsa.faithfulness import Chance, Curve

_EXPLAINING = threading.Lock()  # attributions go one at a time: those that wait hold no turn
Spread = dict[tuple[str, str], dict[str, dict[str, float]]]


def input_of(seen: Seen) -> torch.Tensor:
    """What the network got, (1, 3, rows, columns)."""
    return seen.card.preprocess.tensor(seen.crop)


_HASH: dict[str | type[Any], Callable[[Any], Any]] = {Seen: lambda seen: seen.key}


def _kept(entries: int) -> Any:
    """Keep results of a picture by what was seen of it, for a while from when they were made."""
    return st.cache_resource(
        show_spinner=False, max_entries=entries, ttl=resources.KEPT, hash_funcs=_HASH
    )


@_kept(64)
def ranges_everywhere(seen: Seen, heads: str, value: Value) -> Spread:
    """`panels.everywhere` of every layer and branch."""
    recording, chosen = seen.recording, Selection(heads=heads, value=value)
    return {
        (name, branch): panels.everywhere(recording, name, branch, chosen)
        for name in recording.layers
        for branch in gsa.maps.branches(recording[name])
    }


@st.cache_resource(show_spinner=False, max_entries=12)
def _baseline(weights: str, kind: str, seed: int, _trained: gsa.Checkpoint) -> gsa.Checkpoint:
    with resources.TURNS:  # the statistics of its batch norms take a forward pass
        if kind == "untrained":
            return gsa.untrained(_trained.card, seed)
        return gsa.shuffled(_trained, seed)


@_kept(128)
def companion(seen: Seen, kind: str, pixels: tuple[int, int] = (0, 0), seed: int = 0) -> Recording:
    """The picture mirrored or moved, or as an untrained or shuffled network saw it."""
    x, network = input_of(seen), seen.network
    if kind == "mirrored":
        x = stability.mirrored(x, pixels[1])
    elif kind == "moved":
        x = stability.moved(x, *pixels)
    else:
        network = _baseline(seen.card.sha256, kind, seed, network)
    with resources.TURNS:
        return gsa.record(network.model, x)


@_kept(64)
def fields(seen: Seen, place: tuple[float, float]) -> list[erf.Field]:
    """The receptive fields of the units nearest to a place, on this picture alone."""
    with resources.TURNS:
        return list(erf.fields(seen.network.model, input_of(seen), place))


@_kept(256)
def limited(seen: Seen, limits: Limits) -> Array:
    """Class probabilities (classes,) of the GSA network under limits."""
    checkpoint = seen.network
    model = interventions.limited(checkpoint.model, limits)
    with resources.TURNS:
        return interventions.probabilities(model, input_of(seen), checkpoint.card.temperature)[0]


@_kept(64)
def by_radius(seen: Seen, radii: tuple[float, ...], cut: Cut) -> Array:
    """Class probabilities (radii, classes) while all weights beyond or up to each are cut."""
    checkpoint = seen.network
    with resources.TURNS:
        return interventions.by_radius(checkpoint, input_of(seen), radii, cut)


@_kept(64)
def by_shuffling(seen: Seen, place: tuple[float, float], radii: tuple[float, ...]) -> Array:
    """Class probabilities (radii, classes) while all beyond each radius is shuffled."""
    checkpoint = seen.network
    with resources.TURNS:
        return perturbations.by_shuffled_radius(checkpoint, input_of(seen), place, radii)


@_kept(64)
def effect(seen: Seen, box: Box, how: Change, place: tuple[float, float]) -> Effect:
    """What a changed part of the picture does to a network."""
    checkpoint, x = seen.network, input_of(seen)
    changed = perturbations.change(x, box, how)
    with resources.TURNS:
        return perturbations.effect(checkpoint, x, changed, place)


@dataclass(frozen=True, eq=False)
class Explained:
    """An attribution and the curve that tests it."""

    attribution: Attribution
    deletion: Curve


@_kept(128)
def explained(seen: Seen, target: int, method: str) -> Explained:
    """A class attribution by captum with its deletion curve."""
    from gsa.attribution import attribute
    from gsa.faithfulness import deletion

    checkpoint, x = seen.network, input_of(seen)
    with _EXPLAINING, resources.TURNS:
        found = attribute(checkpoint, x, target, method)
    with resources.TURNS:
        return Explained(found, deletion(checkpoint, x, target, found.values))


@_kept(64)
def by_chance(seen: Seen, target: int) -> Chance:
    """The deletion curves of blocks in random order, as `gsa.faithfulness.by_chance` has them."""
    from gsa import faithfulness

    curves = []
    for seed in range(faithfulness.DRAWS):
        with resources.TURNS:  # others have theirs between two of them
            curves.append(faithfulness.at_random(seen.network, input_of(seen), target, seed))
    return faithfulness.Chance.of(curves)
