"""Receptive fields as pictures: the map, the square a unit can see, circles of the mass."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.figures import raster, theme


def url(
    weights: NDArray[np.floating],
    box: tuple[int, int, int, int],
    centre: tuple[float, float],
    radii: Sequence[float],
    *,
    root: bool = False,
    see_through: bool = False,
) -> str:
    """A receptive field as the data URL of an SVG picture.

    Args:
        weights: (rows, columns), not negative; its peak gets the strongest colour.
        box: top, left, bottom, right of the theoretical field in pixels.
        centre: (row, column) of the unit in pixels.
        radii: of the circles in pixels; one that is not a number is not drawn.
        root: whether colours are of the square root, for what is strong in few pixels.
        see_through: to lie over the picture.
    """
    rows, columns = weights.shape
    limit = float(weights.max()) or 1.0  # nothing to colour: any scale will do
    colours = raster.coloured(weights, limit, signed=False, see_through=see_through, root=root)
    top, left, bottom, right = box
    circles = "".join(
        f"<circle cx='{centre[1]:g}' cy='{centre[0]:g}' r='{radius:g}' stroke='#fff' "
        "vector-effect='non-scaling-stroke' stroke-width='1.5' fill='none'/>"
        for radius in radii
        if radius == radius
    )
    drawing = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {columns} {rows}'>"
        f"<image href='{raster.png_url(colours)}' width='{columns}' height='{rows}' "
        "style='image-rendering:pixelated'/>"
        f"<rect x='{left + 0.5}' y='{top + 0.5}' width='{right - left - 1}' "
        f"height='{bottom - top - 1}' fill='none' stroke='{theme.BORDER}' stroke-width='2' "
        f"stroke-dasharray='2 4' vector-effect='non-scaling-stroke'/>{circles}</svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()


def markup(source: str, label: str) -> str:
    """A picture for a page, by its URL and what it is in words.

    The browser's cleaning of pages takes pictures out of SVG, and leaves SVG as a picture alone.
    """
    return (
        f"<img src='{source}' alt='{html.escape(label, quote=True)}' "
        "style='width:100%;max-width:340px;display:block;border-radius:4px'>"
    )
