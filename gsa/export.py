"""Leaving with a figure: PNG, SVG, self-contained HTML and raw numbers, each with provenance."""

from __future__ import annotations

import hashlib
import html
import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from gsa import maps
from gsa.card import Card
from gsa.cells import Cells
from gsa.contributions import contribution_map, reverse_contribution_map
from gsa.files import said, whole_file
from gsa.machine import PROJECT, version_of
from gsa.maps import Direction
from gsa.preprocess import Grid
from gsa.proofs import prove
from gsa.record import Recording

# of a name whose letters the font lacks boxes are drawn; the provenance has it in full
warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)


@dataclass(frozen=True)
class Provenance:
    """What a figure was made from, enough to make it again."""

    checkpoint: str
    weights_sha256: str
    picture: str  # file name
    picture_sha256: str  # of the file
    crop_box: tuple[float, float, float, float]  # left, top, right, bottom; file pixels, upright
    place: tuple[float, float]  # row, column in pixels of the network input
    layers: tuple[str, ...]
    heads: str  # which head, or how heads are combined
    scale: str  # what a colour scale spans
    region: tuple[float, float, float, float] | None = None  # top, left, bottom, right in pixels
    direction: Direction = "from"  # from: what the place reads; to: who reads the place
    value: str = "weight"  # or absolute, deviation (from the mean of the map), contribution
    gsa_version: str = version_of(PROJECT)
    torch_version: str = torch.__version__

    @classmethod
    def of(cls, card: Card, picture: bytes, name: str, **rest: object) -> Provenance:
        """Fill in the hashes, and `name` as text can have it; `rest` are the other fields."""
        digest = hashlib.sha256(picture).hexdigest()
        return cls(card.name, card.sha256, said(name), digest, **rest)  # type: ignore[arg-type]

    def cells(self, grid: Grid) -> Cells:
        """The cells of a layer's grid that the place, or the region, touches."""
        if self.region is None:
            return Cells.at(*grid.cell_at(*self.place))
        return Cells.over(grid, *self.region)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)


def figure_bytes(
    figure: Figure, kind: str, provenance: Provenance, what: str = "Attention maps"
) -> bytes:
    """A figure as `png`, `svg` or `html`, the provenance inside.

    Args:
        figure: to be written.
        kind: of file.
        provenance: of the figure.
        what: is shown, in the heading of a page.

    Raises:
        ValueError: for another kind.
    """
    stream = io.BytesIO()
    if kind == "png":
        figure.savefig(stream, format="png", metadata={"Description": provenance.to_json()})
        return stream.getvalue()
    if kind not in ("svg", "html"):
        raise ValueError(f"`kind` (={kind!r}) must be png, svg or html.")
    figure.savefig(stream, format="svg", metadata={"Description": provenance.to_json()})
    if kind == "svg":
        return stream.getvalue()
    svg = stream.getvalue().decode()
    return _HTML.format(
        title=html.escape(f"{what}: {provenance.picture}, {provenance.checkpoint}"),
        svg=svg[svg.index("<svg") :],
        provenance=html.escape(json.dumps(asdict(provenance), indent=2, ensure_ascii=False)),
    ).encode()


_HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font-family:sans-serif;margin:2rem}}svg{{max-width:100%;height:auto}}</style>
<h1>{title}</h1>
{svg}
<h2>Provenance</h2>
<pre>{provenance}</pre>
</html>
"""


def npz_bytes(recording: Recording, provenance: Provenance) -> bytes:
    """The raw maps of every head, with coordinates, proofs and provenance, as an NPZ archive.

    For each layer L and branch B: `B_L` (heads, rows, columns) in the recording's precision,
    `contribution_B_L` of that shape the lengths of weight x gain x value, `cells_L` the query's
    (top, left, bottom, right), `centre_rows_L` and `centre_columns_L` in pixels of the network
    input, `error_B_L` the largest relative error that `gsa.proofs.prove` finds. For the positional
    branch `gain_L` and `offset_L` (heads, value channels). Where the direction is `to`, entry
    (a, b) is what the query in cell (a, b) gives to the cells.
    """
    arrays: dict[str, np.ndarray] = {}
    direction = provenance.direction
    of, contribution = maps.branch_map, contribution_map
    if direction == "to":
        of, contribution = maps.reverse_map, reverse_contribution_map
    for name in provenance.layers:
        layer, grid = recording[name], recording.grid(name)
        cells = provenance.cells(grid)
        arrays[f"cells_{name}"] = np.array(astuple(cells))
        arrays[f"centre_rows_{name}"] = (np.arange(grid.rows) + 0.5) * grid.cell[0]
        arrays[f"centre_columns_{name}"] = (np.arange(grid.columns) + 0.5) * grid.cell[1]
        for branch in maps.branches(layer):
            arrays[f"{branch}_{name}"] = of(layer, branch, cells)
            arrays[f"contribution_{branch}_{name}"] = contribution(layer, branch, cells)
            error = prove(layer, branch, cells, direction).max_rel_error
            arrays[f"error_{branch}_{name}"] = np.array(error)
        if layer.gain is not None and layer.offset is not None:
            arrays[f"gain_{name}"], arrays[f"offset_{name}"] = layer.gain, layer.offset
    raw = replace(provenance, heads="each", value="weight", scale="none")  # whatever is drawn
    return archive_bytes(arrays, raw.to_json())


def archive_bytes(arrays: Mapping[str, np.ndarray], provenance: str) -> bytes:
    """Arrays by name as an NPZ archive; `provenance`, one JSON object, lies in it as text."""
    stream = io.BytesIO()
    held = np.array(provenance)
    np.savez_compressed(stream, provenance=held, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def json_bytes(value: Mapping[str, object]) -> bytes:
    """A JSON object for people to read, too; ValueError for a number that JSON does not have."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1).encode()


def write_all(
    directory: Path, stem: str, figure: Figure, recording: Recording, provenance: Provenance
) -> list[Path]:
    """Write `<stem>.png`, `.svg`, `.html` and `.npz`; returns their paths.

    The archive comes first: by it the command knows its own files, also those that a kill left.

    Raises:
        ValueError: if there are files of this name already, made of another picture or by other
            weights, or nobody knows of what.
    """
    archive = directory / f"{stem}.npz"
    paths = [archive, *(directory / f"{stem}.{kind}" for kind in ("png", "svg", "html"))]
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None:
        _check_origin(taken, _origin_of(archive), provenance)
    directory.mkdir(parents=True, exist_ok=True)
    files = {archive: npz_bytes(recording, provenance)}
    for path in paths[1:]:
        files[path] = figure_bytes(figure, path.suffix[1:], provenance)
    for path, data in files.items():
        with whole_file(path) as partial:
            partial.write_bytes(data)
    return [*paths[1:], archive]


# what numpy raises for files that are no such archive
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)


def _check_origin(taken: Path, origin: dict[str, Any], provenance: Provenance) -> None:
    """ValueError if a file that is there does not come from this picture and these weights."""
    if not origin:
        problem = "is there already, and no archive of maps tells what it shows"
    elif origin.get("picture_sha256") != provenance.picture_sha256:
        problem = f"has the maps of another picture called {provenance.picture!r}"
    elif origin.get("weights_sha256") != provenance.weights_sha256:
        problem = f"has maps by other weights, of checkpoint {origin.get('checkpoint')!r}"
    else:
        return
    raise ValueError(f"{str(taken)!r} {problem}, which would be lost; choose another folder.")


def _origin_of(archive: Path) -> dict[str, Any]:
    """The provenance inside an archive of maps; empty where there is no such archive."""
    try:
        with np.load(archive) as held:
            found = json.loads(held["provenance"].item())
    except _UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}
