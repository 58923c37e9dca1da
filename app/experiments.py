"""What the sections compute on a picture beyond its maps, kept by short keys like `resources`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
import torch

import gsa
from app import panels, resources
from app.resources import Seen
from gsa import interventions, perturbations, stability
from gsa.interventions import Limits
from gsa.perturbations import Box, Effect
from gsa.record import Array, Recording

if TYPE_CHECKING:  # captum takes long to load, and few sessions ask for it
    from gsa.attribution import Attribution
    from gsa.faithfulness import Curve

Spread = dict[tuple[str, str], dict[str, dict[str, float]]]


def input_of(seen: Seen) -> torch.Tensor:
    """What the network got, (1, 3, rows, columns)."""
    return seen.card.preprocess.tensor(seen.crop)


@st.cache_resource(show_spinner=False, max_entries=64)
def _ranges(key: str, digest: str, heads: str, _recording: Recording) -> Spread:
    return {
        (name, branch): panels.everywhere(_recording, name, branch, heads)
        for name in _recording.layers
        for branch in gsa.maps.branches(_recording[name])
    }


def ranges_everywhere(seen: Seen, digest: str, heads: str) -> Spread:
    """`panels.everywhere` of every layer and branch."""
    return _ranges(seen.key, digest, heads, seen.recording)


@st.cache_resource(show_spinner=False, max_entries=4)
def _baseline(name: str, key: str, kind: str) -> gsa.Checkpoint:
    trained = resources.checkpoint(name)
    if kind == "untrained":
        return gsa.untrained(trained.card)
    return gsa.shuffled(trained)


@st.cache_resource(show_spinner=False, max_entries=64)
def _companion(key: str, digest: str, kind: str, pixels: tuple[int, int], _seen: Seen) -> Recording:
    x = input_of(_seen)
    name = _seen.card.name
    network = resources.checkpoint(name)
    if kind == "mirrored":
        x = stability.mirrored(x)
    elif kind == "moved":
        x = stability.moved(x, *pixels)
    else:
        network = _baseline(name, key, kind)
    with resources.TURNS:
        return gsa.record(network.model, x)


def companion(seen: Seen, digest: str, kind: str, pixels: tuple[int, int] = (0, 0)) -> Recording:
    """The picture mirrored or moved, or as an untrained or shuffled network saw it."""
    return _companion(seen.key, digest, kind, pixels, seen)


@st.cache_resource(show_spinner=False, max_entries=256)
def _limited(key: str, digest: str, limits: Limits, _seen: Seen) -> Array:
    checkpoint = resources.checkpoint(_seen.card.name)
    model = interventions.limited(checkpoint.model, limits)
    with resources.TURNS:
        return interventions.probabilities(model, input_of(_seen), checkpoint.card.temperature)[0]


def limited(seen: Seen, digest: str, limits: Limits) -> Array:
    """Class probabilities (classes,) of the GSA network under limits."""
    return _limited(seen.key, digest, limits, seen)


@st.cache_resource(show_spinner=False, max_entries=64)
def _by_radius(key: str, digest: str, radii: tuple[float, ...], _seen: Seen) -> Array:
    with resources.TURNS:
        checkpoint = resources.checkpoint(_seen.card.name)
        return interventions.by_radius(checkpoint, input_of(_seen), radii)


def by_radius(seen: Seen, digest: str, radii: tuple[float, ...]) -> Array:
    """Class probabilities (radii, classes) while all weights beyond each radius are cut."""
    return _by_radius(seen.key, digest, radii, seen)


@st.cache_resource(show_spinner=False, max_entries=64)
def _by_shuffling(
    key: str, digest: str, place: tuple[float, float], radii: tuple[float, ...], _seen: Seen
) -> Array:
    with resources.TURNS:
        checkpoint = resources.checkpoint(_seen.card.name)
        return perturbations.by_shuffled_radius(checkpoint, input_of(_seen), place, radii)


def by_shuffling(
    seen: Seen, digest: str, place: tuple[float, float], radii: tuple[float, ...]
) -> Array:
    """Class probabilities (radii, classes) while all beyond each radius is shuffled."""
    return _by_shuffling(seen.key, digest, place, radii, seen)


@st.cache_resource(show_spinner=False, max_entries=64)
def _effect(
    key: str, digest: str, box: Box, how: str, place: tuple[float, float], _seen: Seen
) -> Effect:
    x = input_of(_seen)
    changed = perturbations.change(x, box, how)  # type: ignore[arg-type]
    with resources.TURNS:
        return perturbations.effect(resources.checkpoint(_seen.card.name), x, changed, place)


def effect(seen: Seen, digest: str, box: Box, how: str, place: tuple[float, float]) -> Effect:
    """What a changed part of the picture does to a network."""
    return _effect(seen.key, digest, box, how, place, seen)


@dataclass(frozen=True, eq=False)
class Explained:
    """An attribution and the curve that tests it."""

    attribution: Attribution
    deletion: Curve


@st.cache_resource(show_spinner=False, max_entries=128)
def _explained(key: str, digest: str, target: int, method: str, _seen: Seen) -> Explained:
    from gsa.attribution import attribute
    from gsa.faithfulness import deletion

    checkpoint, x = resources.checkpoint(_seen.card.name), input_of(_seen)
    found = attribute(checkpoint, x, target, method)
    return Explained(found, deletion(checkpoint, x, target, found.values))


def explained(seen: Seen, digest: str, target: int, method: str) -> Explained:
    """A class attribution by captum with its deletion curve."""
    return _explained(seen.key, digest, target, method, seen)
