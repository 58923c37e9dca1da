"""Maps as small pictures, one pixel a cell, for the browser to enlarge without smoothing."""

from __future__ import annotations

import base64
import io
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from app.figures import theme


@cache
def _colours(name: str) -> NDArray[np.uint8]:
    return theme.lookup(name)


def coloured(
    weights: NDArray[np.floating],
    limit: float,
    *,
    signed: bool,
    see_through: bool,
    root: bool = False,
) -> NDArray[np.uint8]:
    """A map as RGBA.

    Args:
        weights: (y, x); NaN is grey.
        limit: |weight| of the strongest colour, above 0; larger weights get it too.
        signed: diverging scale from -limit to limit; otherwise |weights| from 0 to limit.
        see_through: the opacity is in proportion to |weights|, to lie over a picture.
        root: of maps without a sign, colours and opacity by the square root of |weights|.

    Returns:
        (y, x, 4) uint8.
    """
    known = np.nan_to_num(weights)
    share = np.clip(known / limit, -1, 1) if signed else np.clip(np.abs(known) / limit, 0, 1)
    share = np.sqrt(share) if root and not signed else share
    at = (share + 1) / 2 if signed else share
    rgba = np.full((*weights.shape, 4), 255, dtype=np.uint8)
    if see_through:
        # the colour tells the sign alone and the opacity the size, or weak weights would be white
        strong = np.sign(share) * 0.38 + 0.5 if signed else np.full_like(share, 0.95)
        rgba[..., :3] = _colours(theme.SIGNED if signed else theme.UNSIGNED)[
            (strong * 255).round().astype(int)
        ]
        rgba[..., 3] = (np.abs(share) * 255).round()
    else:
        rgba[..., :3] = _colours(theme.SIGNED if signed else theme.UNSIGNED)[
            (at * 255).round().astype(int)
        ]
    rgba[np.isnan(weights)] = (*ImageColor.getrgb(theme.UNKNOWN), 255)
    return rgba


def png_url(rgba: NDArray[np.uint8]) -> str:
    """(y, x, 4) uint8 as a data URL."""
    stream = io.BytesIO()
    Image.fromarray(rgba).save(stream, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
