"""Everything the app keeps between runs: networks, recordings, gallery.

What is kept is shared by all sessions and never changed: frozen networks, read-only arrays. The
keys are short strings (names, sha256 of the picture's bytes), since Streamlit hashes large arrays
by a sample only.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from dataclasses import asdict, dataclass

import numpy as np
import streamlit as st
import torch
from PIL import Image

import gsa
from app import gallery
from gsa.card import Card
from gsa.checkpoints import folder
from gsa.record import Array

PHOTO_SIDE = 720  # longest side of the photo as it is sent to the browser
KEPT = "1h"  # how long the app remembers a picture, and what was computed of it
LONGEST = 2  # longer side over shorter of what is shown of it: in more, the square is too small
TURNS = threading.Semaphore(2)  # forward passes at once; more of them only wait for the cores
_DECODER = threading.Lock()  # one picture at a time: a large one takes hundreds of megabytes


@dataclass(frozen=True)
class Seen:
    """A picture as one network saw it."""

    key: str  # changes with the picture, the network, its weights or its card
    network: gsa.Checkpoint  # which experiments go on with, whatever becomes of its files
    recording: gsa.Recording
    crop: Image.Image  # what the network saw
    crop_box: tuple[float, float, float, float]  # left, top, right, bottom in photo pixels
    photo_size: tuple[int, int]  # width, height of the file, upright
    top: tuple[tuple[str, float], ...]  # label and calibrated probability, best first

    @property
    def card(self) -> Card:
        """Of the network."""
        return self.network.card


def device() -> str:
    """Where the networks are: on a GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@st.cache_resource(show_spinner=False, max_entries=32)
def _checkpoint(name: str, directory: str, times: tuple[int, ...]) -> gsa.Checkpoint:
    torch.set_num_threads(1)  # with two forward passes at once, more threads only get in the way
    return gsa.load(name, device=device())


def checkpoint(name: str) -> gsa.Checkpoint:
    """A network by name, loaded again when its files change; CheckpointError if it is no good."""
    files = (folder() / f"{name}{suffix}" for suffix in (".safetensors", ".json"))
    times = tuple(file.stat().st_mtime_ns for file in files if file.is_file())
    return _checkpoint(name, str(folder()), times)


def twins(pair: str = "") -> dict[str, str]:
    """A pair of checkpoints, `{"gsa": name, "conv": name}`, by its name.

    The first pair where there is none of that name; empty if there is none at all.
    """
    known = gsa.pairs()
    return known.get(pair) or next(iter(known.values()), {})


@st.cache_resource(show_spinner=False, max_entries=64, ttl=KEPT)
def _seen(key: str, _network: gsa.Checkpoint, _data: bytes) -> Seen:
    network, photo = _network, _opened(_data)
    crop = network.preprocess.crop(photo)
    with TURNS:
        recording = gsa.record(network.model, network.preprocess.tensor(crop))
    probabilities = recording.probabilities(network.card.temperature)
    size = gsa.upright_size(_data)
    box = network.preprocess.crop_box(*size)
    top = best(network.card, probabilities)
    return Seen(key, network, recording, crop, box, size, top)


def best(card: Card, probabilities: Array) -> tuple[tuple[str, float], ...]:
    """The five most probable classes, label and probability."""
    order = np.argsort(-probabilities, kind="stable")[:5]
    return tuple((card.classes[at], float(probabilities[at])) for at in order)


def target(seen: Seen, label: str) -> int:
    """The class of a label; where there is none of that name, the one the network says."""
    classes = seen.card.classes
    return classes.index(label if label in classes else seen.top[0][0])


def _opened(data: bytes) -> Image.Image:
    with _DECODER:
        return gsa.open_picture(data)


def seen(name: str, digest: str, data: bytes) -> Seen:
    """A picture through a network; PictureError if the bytes are no good picture."""
    network = checkpoint(name)
    return _seen(f"{fingerprint(network.card)} {digest}", network, data)


def fingerprint(card: Card) -> str:
    """Changes with the weights of a card, and with all that it says of them."""
    kept = json.dumps(asdict(card), sort_keys=True)  # `to_dict` counts operations, which takes long
    return hashlib.sha256(kept.encode()).hexdigest()


def shown_part(width: int, height: int) -> tuple[int, int, int, int]:
    """The middle of a photo that is shown, all of it unless it is very wide or tall.

    The seen square would be a speck in the whole of a panorama, and nobody could point at a place.

    Args:
        width: of the photo, in pixels.
        height: of the photo, in pixels.

    Returns:
        (left, top, right, bottom) in photo pixels.
    """
    most = LONGEST * min(width, height)
    wide, tall = min(width, most), min(height, most)
    left, top = (width - wide) // 2, (height - tall) // 2
    return left, top, left + wide, top + tall


@st.cache_resource(show_spinner=False, max_entries=64, ttl=KEPT)
def photo_url(digest: str, _data: bytes) -> str:
    """The part of the photo that is shown, reduced for the screen, as a data URL."""
    photo = _opened(_data)
    photo = photo.crop(shown_part(*photo.size))
    photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
    return data_url(photo, "JPEG")


def data_url(picture: Image.Image, kind: str = "PNG") -> str:
    """A picture as a data URL of type PNG or JPEG."""
    stream = io.BytesIO()
    picture.save(stream, kind, quality=85)
    encoded = base64.b64encode(stream.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{encoded}"


@st.cache_data(show_spinner=False)
def thumbnails() -> list[dict[str, str]]:
    """The gallery's pictures: `name` (file), `title` in everyday words, `url` of a thumbnail."""
    found = []
    for name, title in gallery.titles().items():
        picture = Image.fromarray(np.asarray(gallery_square(name).resize((96, 96))))
        found.append({"name": name, "title": title, "url": data_url(picture, "JPEG")})
    return found


def gallery_square(name: str) -> Image.Image:
    """The middle of a picture of the gallery: what networks see that cut nothing more off."""
    picture = gsa.open_picture(gallery.FOLDER / name)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def gallery_bytes(name: str) -> bytes | None:
    """The file of a gallery picture; None if the gallery has none of that name."""
    return (gallery.FOLDER / name).read_bytes() if name in gallery.titles() else None
