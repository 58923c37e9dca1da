"""What the commands of `python -m gsa` compute, as JSON-ready values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from gsa import checkpoints, erf, export, figures, maps, ranges
from gsa.baselines import untrained
from gsa.card import Card, CheckpointError
from gsa.cells import Cells
from gsa.checkpoints import Checkpoint
from gsa.config import PRESETS
from gsa.costs import flops, parameters
from gsa.defaults import default_checkpoint, first_pictures, with_twin
from gsa.files import json_ready, ready_folder, said
from gsa.pictures import PictureError, open_picture, upright_size
from gsa.proofs import verify
from gsa.record import Recording, record

Rows = list[dict[str, Any]]
STEP = 2  # between the queries that ranges are the mean over


def info() -> dict[str, Rows]:
    """Every preset with its cost, and every checkpoint with its card.

    Of a checkpoint whose card cannot be read, there are `name` and `error`; one whose weights
    cannot be used has `error` beside its card.
    """
    return {
        "presets": [
            {
                "name": name,
                "params": parameters(config),
                "flops": flops(config),
                "input_size": config.input_size,
            }
            for name, config in PRESETS.items()
        ],
        "checkpoints": [_about(name, card) for name, card in checkpoints.read_cards().items()],
    }


def _about(name: str, card: Card | CheckpointError) -> dict[str, Any]:
    if isinstance(card, CheckpointError):
        return {"name": name, "error": str(card)}
    try:
        checkpoints.load(name)
    except CheckpointError as error:
        return card.to_dict() | {"error": str(error)}
    return card.to_dict()


def classify(images: list[str], name: str | None, top: int) -> Iterator[dict[str, Any]]:
    """The most probable classes of each picture, or the sentence that says why not.

    Raises:
        ValueError: if `top` is below 1; CheckpointError if there is no such checkpoint.
    """
    if top < 1:
        raise ValueError(f"`top` (={top}) must be at least 1.")
    checkpoint = checkpoints.load(default_checkpoint() if name is None else name)
    for image in images:
        start = time.perf_counter()
        try:
            recording = _recording(checkpoint, image)
        except PictureError as error:
            yield {"file": image, "error": str(error)}
            continue
        milliseconds = (time.perf_counter() - start) * 1000
        probabilities = recording.probabilities(checkpoint.card.temperature)
        best = np.argsort(-probabilities, kind="stable")[:top]
        yield {
            "file": image,
            "checkpoint": checkpoint.card.name,
            "top": [
                {"label": checkpoint.labels[at], "probability": float(probabilities[at])}
                for at in best
            ],
            "milliseconds": round(milliseconds, 1),
        }


def _recording(checkpoint: Checkpoint, image: str) -> Recording:
    crop = checkpoint.preprocess.crop(open_picture(image))
    return record(checkpoint.model, checkpoint.preprocess.tensor(crop))


def _with_maps(checkpoint: Checkpoint, recording: Recording) -> Recording:
    if not recording.layers:
        raise ValueError(f"{checkpoint.card.name!r} is a conv network and has no attention maps.")
    return recording


def draw_maps(
    image: str,
    place: tuple[float, float],
    name: str | None,
    layer: str | None,
    head: int | None,
    directory: Path,
) -> dict[str, Any]:
    """Write the maps of a place as PNG, SVG, HTML and NPZ.

    Raises:
        ValueError: for a bad picture, place, layer, head, checkpoint or folder to write to.
    """
    checkpoint = checkpoints.load(default_checkpoint() if name is None else name)
    picture = open_picture(image)  # refuses what is too large before it is read
    file = Path(image)
    data = file.read_bytes()
    preprocess = checkpoint.preprocess
    crop = preprocess.crop(picture)
    recording = _with_maps(checkpoint, record(checkpoint.model, preprocess.tensor(crop)))
    layers = list(recording.layers) if layer is None else [layer]
    panels = figures.place_panels(recording, place, layers, head)
    ready_folder(directory)
    heads = "mean over heads" if head is None else f"head {head}"
    provenance = export.Provenance.of(
        checkpoint.card,
        data,
        file.name,
        crop_box=preprocess.crop_box(*upright_size(data)),
        place=place,
        layers=tuple(layers),
        heads=heads,
        scale="each map its own, printed",
    )
    where = f"place {place[0]:g}, {place[1]:g}"
    title = f"{provenance.picture}, {checkpoint.card.name}, {heads}, {where}"
    even = [ranges.even_distance(panel.cells, recording.grid(panel.layer)) for panel in panels]
    figure = figures.strip(crop, panels, title, figures.legend_of(even))
    # what was asked for, so that one file does not take another's name: cat.jpg is not cat.png
    row, column = (repr(number + 0.0).removesuffix(".0") for number in place)  # -0.0 is 0.0
    stem = said(f"{file.stem}{file.suffix.replace('.', '_')}_{row}_{column}")
    asked = (layer, None if head is None else f"head{head}")
    stem = "_".join([stem, checkpoint.card.name, *(part for part in asked if part is not None)])
    written = export.write_all(directory, stem, figure, recording, provenance)
    return {
        "file": image,
        "checkpoint": checkpoint.card.name,
        "written": [str(path) for path in written],
        "maps": [
            {"layer": panel.layer, "branch": panel.branch, "cell": [panel.cells.top,
             panel.cells.left], **panel.measures.to_dict()}
            for panel in panels
        ],
    }  # fmt: skip


def verify_checkpoints(name: str | None, queries: int) -> Iterator[dict[str, Any]]:
    """Prove the maps of one or all checkpoints, at the trained and at an odd size, both precisions.

    Of all, one that cannot be used has `checkpoint` and `error` alone, and the others follow.

    Raises:
        ValueError: if `queries` is below 1; CheckpointError if there is nothing to verify.
    """
    if queries < 1:
        raise ValueError(f"`queries` (={queries}) must be at least 1.")
    names = checkpoints.available() if name is None else [name]
    if not names:
        raise CheckpointError(f"there is no checkpoint in {checkpoints.folder()}.")
    proved = False
    for each in names:
        try:
            checkpoint = checkpoints.load(each)
        except CheckpointError as error:
            if name is not None:
                raise
            yield {"checkpoint": each, "error": str(error)}
            continue
        if not checkpoint.model.gsa_layers():
            if name is not None:
                raise ValueError(f"{each!r} is a conv network and has no maps to prove.")
            continue
        trained = checkpoint.preprocess.size
        sizes = [(trained, trained), (trained * 3 // 4 + 1, trained * 5 // 4 - 1)]
        for dtype in (torch.float32, torch.float64):
            model = checkpoint.model.to(dtype)
            for result in verify(model, sizes, queries=queries):
                proved = True
                yield {"checkpoint": each, **asdict(result), "passed": result.passed}
    if not proved:
        raise CheckpointError(f"no checkpoint in {checkpoints.folder()} has maps to prove.")


def measure_ranges(
    image: str, name: str | None, place: tuple[float, float] | None, step: int = STEP
) -> Rows:
    """Range measures per layer, branch and head: of one place, or the mean over all queries.

    Raises:
        ValueError: for a bad picture, place, step or checkpoint.
    """
    if step < 1:
        raise ValueError(f"`step` (={step}) must be at least 1.")
    checkpoint = checkpoints.load(default_checkpoint() if name is None else name)
    recording = _with_maps(checkpoint, _recording(checkpoint, image))
    rows: Rows = []
    for layer_name, layer in recording.layers.items():
        grid = recording.grid(layer_name)
        for branch in maps.branches(layer):
            if place is None:
                found = list(ranges.over_queries(layer, branch, grid, step))
            else:
                query = grid.cell_at(*place)
                found = [(query, ranges.measure_heads(layer, branch, Cells.at(*query), grid))]
            even = fmean(ranges.even_distance(Cells.at(*query), grid) for query, _ in found)
            for head in range(layer.heads):
                measures = [heads[head] for _, heads in found]
                about = {"layer": layer_name, "branch": branch, "head": head, "even_distance": even}
                about |= {"queries": len(measures), "spread": ranges.spread(measures)}
                rows.append(about | ranges.mean(measures).to_dict())
    return rows


def receptive_fields(
    name: str | None, folder: Path | None, count: int, place: tuple[float, float] | None
) -> dict[str, Any]:
    """Receptive fields of both twins of a pair at every layer, with random and trained weights.

    A checkpoint without a twin is looked at alone.

    With them stands how far one layer looks: `reach`, the mean distance of a conv layer's kernel,
    and `mean_distance` of a GSA layer's maps by branch, in pixels; None where a layer has no such.

    Args:
        name: one of the pair; by default the first pair.
        folder: of the pictures to average over; by default the app's gallery.
        count: how many of them, the first by name.
        place: (row, column) in pixels of the network input; by default its middle.

    Raises:
        ValueError: for a bad checkpoint, folder, count or place.
    """
    folder, pictures = first_pictures(folder, count)
    # where other work keeps the cores busy, threads that wait for each other take ten times as long
    torch.set_num_threads(1)
    rows: Rows = []
    protocol: dict[str, Any] = {}
    for mixer, twin in with_twin(name).items():
        trained = checkpoints.load(twin)
        preprocess = trained.preprocess
        crops = map(preprocess.crop, pictures.values())
        x = torch.cat([preprocess.tensor(crop) for crop in crops])
        middle = (preprocess.size / 2, preprocess.size / 2)
        protocol = {
            "size": preprocess.size,
            "pictures": len(pictures),
            "names": list(pictures),
            "source": folder.resolve().name,
            "place": list(place or middle),
            "unit": erf.UNIT,
            "gradient": erf.GRADIENT,
            "scale": erf.SCALE,
            "mean_distance": f"of |w| over all heads and up to {ranges.PLACES**2} places of the "
            "first picture",
        }
        for weights, checkpoint in (("random", untrained(trained.card)), ("trained", trained)):
            recording = record(checkpoint.model, x[:1])
            reach = erf.kernel_reach(checkpoint.model, preprocess.size)
            for field in erf.fields(checkpoint.model, x, place or middle):
                about: dict[str, Any] = {"checkpoint": twin, "mixer": mixer, "weights": weights}
                about["reach"] = reach[field.layer][0] if field.layer in reach else None
                about["mean_distance"] = _mean_distances(recording, field.layer)
                rows.append(about | field.to_dict())
    return {"protocol": protocol, "fields": rows}


def _mean_distances(recording: Recording, layer: str) -> dict[str, float | None] | None:
    """By branch; None for a conv layer, and for a branch without weight."""
    if layer not in recording.layers:
        return None
    kept, grid = recording[layer], recording.grid(layer)
    found: dict[str, float] = {
        branch: ranges.mean_distance(kept, branch, grid) for branch in maps.branches(kept)
    }
    return json_ready(found)
