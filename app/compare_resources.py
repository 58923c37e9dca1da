"""What the Compare page measures; networks come from `resources`.

Each measurement is a generator of (share done, result so far), so a page can show it while it runs
and stop it by not going on.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image, ImageOps

import gsa
from app import compare_pictures, gallery, resources
from gsa import erf, ranges
from gsa.card import Card
from gsa.checkpoints import Checkpoint
from gsa.config import Mixer
from gsa.maps import Branch, branches
from gsa.record import Array

if TYPE_CHECKING:  # they take time to load, and few sessions ask for them
    from gsa.differences import Differences
    from gsa.samples import Pixels
    from gsa.split import Split

SHOWN = 6  # pictures that one twin alone gets right, of each twin
SIDE = 180  # of these, in pixels of the page
PICTURES = 16  # of the gallery, that receptive fields are averaged over
MIXERS: tuple[Mixer, Mixer] = ("gsa", "conv")
Pair = dict[str, str]  # names of checkpoints by mixer, as `resources.twins` gives them
# measurements at once that hold the pictures of a folder, up to 250 MB each
_FOLDERS = threading.Semaphore(2)
_MEASURING = threading.Lock()  # one clock at a time, or they would measure each other


@dataclass(frozen=True, eq=False)
class Fields:
    """Receptive fields of the twins at every layer, and how far GSA's maps look beside them."""

    size: int  # side of the input in pixels
    place: tuple[float, float]  # (row, column) in pixels
    names: tuple[str, ...]  # of the pictures
    of: dict[str, list[erf.Field]]  # by mixer, in the order of the layers
    distances: dict[Branch, list[float]]  # mean over heads and queries, pixels, by layer
    reach: list[float]  # mean distance of the conv twin's kernels, pixels, by layer
    # what `distances` and `of` would be if all cells, or pixels, counted alike, by layer
    even_distances: list[float]
    even: list[erf.Spread]

    @property
    def pictures(self) -> int:
        """How many there are."""
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the maps, JSON-ready, with the protocol."""
        return {
            "size": self.size,
            "place": list(self.place),
            "pictures": self.pictures,
            "names": list(self.names),
            "unit": erf.UNIT,
            "gradient": erf.GRADIENT,
            "scale": erf.SCALE,
            "fields": {mixer: [each.to_dict() for each in of] for mixer, of in self.of.items()},
            "distances": {
                branch: [None if math.isnan(each) else each for each in distances]
                for branch, distances in self.distances.items()
            },
            "reach": self.reach,
            "even_distances": self.even_distances,
            "even": [each.to_dict() for each in self.even],
        }

    def maps(self) -> dict[str, Array]:
        """The gradient of each mixer M and layer L as `M_L`, (rows, columns) of the input."""
        return {f"{mixer}_{each.layer}": each.map for mixer, of in self.of.items() for each in of}


def cards(pair: Pair) -> dict[str, Card]:
    """The cards of a pair by mixer."""
    return {mixer: resources.checkpoint(name).card for mixer, name in pair.items()}


def version(pair: Pair) -> str:
    """Changes with the pair, its weights and its cards."""
    return " ".join(resources.fingerprint(card)[:16] for card in cards(pair).values())


def _twins(pair: Pair, *, trained: bool = True) -> dict[Mixer, Checkpoint]:
    found = {mixer: resources.checkpoint(pair[mixer]) for mixer in MIXERS}
    if trained:
        return found
    with resources.TURNS:  # the statistics of their batch norms take a forward pass
        return {mixer: gsa.untrained(twin.card) for mixer, twin in found.items()}


def _turn_by_turn(steps: Iterator[Any]) -> Iterator[Any]:
    """The same steps, each in a turn of its own, so that other sessions get theirs between."""
    while True:
        with resources.TURNS:
            try:
                step = next(steps)
            except StopIteration:
                return
        yield step


def fields(
    pair: Pair, place: tuple[float, float], *, trained: bool
) -> Iterator[tuple[float, Fields]]:
    """Receptive fields of both twins.

    Args:
        pair: of checkpoints.
        place: (row, column) as shares of the picture's sides.
        trained: with the weights of the checkpoints, or with random ones.
    """
    twins = _twins(pair, trained=trained)
    names = tuple(sorted(gallery.titles())[:PICTURES])  # those of `python -m gsa erf`
    photos = [gsa.open_picture(gallery.FOLDER / name) for name in names]
    size = twins["gsa"].preprocess.size
    at = (min(place[0] * size, size - 0.01), min(place[1] * size, size - 0.01))
    reach = erf.kernel_reach(twins["conv"].model, size)
    found = Fields(size, at, names, {mixer: [] for mixer in MIXERS}, {}, [], [], [])
    layers = list(twins["gsa"].model.blocks())
    total = (len(MIXERS) + 1) * len(layers)
    done = 0
    for mixer, twin in twins.items():
        x = torch.cat([twin.preprocess.tensor(twin.preprocess.crop(photo)) for photo in photos])
        for field in _turn_by_turn(erf.fields(twin.model, x, at)):
            found.of[mixer].append(field)
            done += 1
            yield done / total, found
    photo = twins["gsa"].preprocess.crop(photos[0])
    with resources.TURNS:
        recording = gsa.record(twins["gsa"].model, twins["gsa"].preprocess.tensor(photo))
    distances: dict[Branch, list[float]] = {}
    for layer in recording.layers:
        for branch in branches(recording[layer]):
            value = ranges.mean_distance(recording[layer], branch, recording.grid(layer))
            distances.setdefault(branch, []).append(value)
        done += 1
        yield done / total, found
    found = replace(
        found,
        distances=distances,
        reach=[reach[layer][0] for layer in layers],
        even_distances=[ranges.mean_even_distance(recording.grid(layer)) for layer in layers],
        even=[erf.even_spread(field) for field in found.of["gsa"]],  # twins have one centre
    )
    yield 1.0, found


def devices() -> list[tuple[str, str]]:
    """What can be measured here: device and type of numbers."""
    found = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [(device, dtype) for device in found for dtype in ("float32", "bfloat16")]


def costs(
    pair: Pair, kind: str, device: str, dtype: str, limit: float
) -> Iterator[tuple[float, list[Any]]]:
    """Measured costs of single layers, or of the twins' networks, as the input grows.

    Args:
        pair: of checkpoints; what is measured has the widths of its networks.
        kind: `layer` or `network`.
        device: one of `devices()`, as `dtype`.
        dtype: `float32` or `bfloat16`.
        limit: seconds that one forward pass may take.
    """
    from gsa import scaling

    setting = scaling.Setting(device, dtype, limit=limit)
    config = cards(pair)["gsa"].network
    if kind == "layer":
        width, heads = config.widths[0], config.heads
        norm = config.projection_norm
        steps = scaling.measure_layers(width, heads, scaling.SIZES, setting, norm)
        total = len(scaling.mixers(width, heads, 1)) * len(scaling.SIZES)
    else:
        steps = scaling.measure_networks(config, scaling.SIZES, setting)
        total = 3 * len(scaling.SIZES)
    found: list[Any] = []
    while True:
        with _MEASURING, resources.TURNS:
            cost = next(steps, None)
        if cost is None:
            return
        found.append(cost)
        yield len(found) / total, found


def _few_at_once(steps: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    """The same steps, once there is room for their pictures; waiting can be cancelled too."""
    while not _FOLDERS.acquire(timeout=0.5):
        yield 0.0, None
    try:
        yield from steps
    finally:
        _FOLDERS.release()


def _pixels(
    twins: list[Checkpoint], sample: Split, part: float
) -> Generator[tuple[float, None], None, Pixels]:
    """What twins see of a sample, which is a part of what is to be done.

    It takes no turn: files keep nobody waiting.
    """
    from gsa import samples

    for share, pixels in samples.prepare(twins, sample):
        if pixels is not None:
            return pixels
        yield part * share, None
    raise AssertionError("`prepare` ends with the pixels")


def stress(
    pair: Pair, test: str, folder: str, count: int
) -> Iterator[tuple[float, list[Any] | None]]:
    """Scores of both twins in a test, on up to `count` pictures of a folder or the gallery."""
    steps = _stress(pair, test, folder, count)
    return _few_at_once(steps) if folder else steps


def _stress(
    pair: Pair, test: str, folder: str, count: int
) -> Iterator[tuple[float, list[Any] | None]]:
    from gsa import robustness

    sample = compare_pictures.sample(cards(pair)["gsa"], folder, count)
    twins = list(_twins(pair).values())
    total = 1 + len(twins) * len(robustness.TESTS[test].severities)
    pixels = yield from _pixels(twins, sample, 1 / total)
    found: list[Any] = []
    for score in _turn_by_turn(robustness.scores(twins, sample, [test], pixels)):
        found.append(score)
        yield (1 + len(found)) / total, found


def differences(pair: Pair, folder: str, count: int) -> Iterator[tuple[float, Any]]:
    """What each twin gets right, on up to `count` pictures of a folder or the gallery.

    Yields:
        At the end: what was found, and the pictures to show of it, by position.
    """
    steps = _differences(pair, folder, count)
    return _few_at_once(steps) if folder else steps


def _differences(pair: Pair, folder: str, count: int) -> Iterator[tuple[float, Any]]:
    from gsa import differences as between

    twins = _twins(pair)
    sample = compare_pictures.sample(cards(pair)["gsa"], folder, count)
    pixels = yield from _pixels(list(twins.values()), sample, 1 / 2)
    steps = between.compare(twins["gsa"], twins["conv"], sample, pixels)
    for share, found in _turn_by_turn(steps):
        yield (1 + share) / 2, None if found is None else (found, _shown(sample, found))


def _shown(sample: Split, found: Differences) -> dict[int, Image.Image]:
    """The middle of the first pictures that one twin alone gets right, at the size of the page."""
    shown = [*found.only_first[:SHOWN], *found.only_second[:SHOWN]]
    pictures = sample.subset(shown).pictures()
    return {
        at: ImageOps.fit(picture, (SIDE, SIDE)) for at, picture in zip(shown, pictures, strict=True)
    }


def probe(task: str, steps: int) -> Iterator[tuple[float, dict[str, Any]]]:
    """Tiny twins trained on a task that far pixels decide."""
    from gsa import probes

    setting = probes.Probe(task, steps=steps)
    found: dict[str, Any] = {}
    for number, mixer in enumerate(MIXERS):
        for progress in _turn_by_turn(probes.run(setting, mixer)):
            found[mixer] = progress
            yield (number + progress.step / progress.steps) / len(MIXERS), found
    yield 1.0, found
