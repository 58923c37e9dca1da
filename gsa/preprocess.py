"""Picture to tensor, and pixel to grid cell, in both directions.

`Preprocess` says which square of a photo a network sees and how it becomes numbers; training,
evaluation, command line and app use this one object. `Grid` maps between the pixels of that
square and the cells of a feature map.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gsa.config import is_finite

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_LEAST_STD = 1e-6  # divided by less, pixels get too large for the sums of a network


def pixels_of(picture: Image.Image) -> Tensor:
    """(3, rows, columns) uint8 of an RGB picture.

    As torchvision's `pil_to_tensor`, without loading torchvision: it takes longer to load than the
    whole project, and a person waits for the first picture.
    """
    return torch.from_numpy(np.array(picture, dtype=np.uint8)).permute(2, 0, 1)


@dataclass(frozen=True)
class Preprocess:
    """Centre crop, resize, normalise; lists may stand for tuples.

    Raises:
        ValueError: if a field breaks a rule; the sentence names the field, the value and the rule.
    """

    size: int  # side of the square network input, in pixels
    mean: tuple[float, float, float] = IMAGENET_MEAN  # of R, G, B in [0, 1]
    std: tuple[float, float, float] = IMAGENET_STD
    crop_ratio: float = 1.0  # side of the cropped square / shorter side of the photo

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"`size` (={self.size!r}) must be whole pixels, at least 1.")
        if not is_finite(self.crop_ratio) or not 0 < self.crop_ratio <= 1:
            raise ValueError(f"`crop_ratio` (={self.crop_ratio!r}) must be above 0 and at most 1.")
        for name in ("mean", "std"):
            value = getattr(self, name)
            three = isinstance(value, tuple | list) and len(value) == 3
            if not three or not all(is_finite(each) for each in value):
                raise ValueError(f"`{name}` (={value!r}) must have three finite numbers.")
            object.__setattr__(self, name, tuple(value))
        if min(self.std) < _LEAST_STD:
            raise ValueError(f"`std` (={self.std!r}) must be at least {_LEAST_STD:g} each.")

    def crop_box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The square that is seen, (left, top, right, bottom) in photo pixels."""
        side = self.crop_ratio * min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

    def crop(self, picture: Image.Image) -> Image.Image:
        """What the network sees, as an RGB picture of size x size pixels.

        It is bicubic and antialiased; a square of six times the size or more is halved, or made yet
        smaller, by averages first. That takes half of the time and less, and moves a pixel by a few
        of 255 levels, by about ten where fine stripes meet the averages.
        """
        box = self.crop_box(*picture.size)
        side, rgb = (self.size, self.size), picture.convert("RGB")
        return rgb.resize(side, Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)

    def tensor(self, crop: Image.Image) -> Tensor:
        """(1, 3, rows, columns) float32, normalised, of a picture that `crop` gave.

        Raises:
            ValueError: if the picture is not RGB.
        """
        if crop.mode != "RGB":
            raise ValueError(f"the picture has the mode {crop.mode!r}; it must be RGB, cropped.")
        return self.normalise(pixels_of(crop).unsqueeze(0))

    def picture(self, x: Tensor) -> Image.Image:
        """The inverse of `tensor`: a normalised (1, 3, rows, columns) as an RGB picture."""
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (self.mean, self.std))
        pixels = (x[0].cpu() * std + mean).clamp(0, 1) * 255
        return Image.fromarray(pixels.round().byte().permute(1, 2, 0).numpy())

    def normalise(self, pixels: Tensor) -> Tensor:
        """(b, 3, rows, columns), values from 0 to 255, to normalised float32."""
        mean = torch.tensor(self.mean, device=pixels.device).view(3, 1, 1)
        std = torch.tensor(self.std, device=pixels.device).view(3, 1, 1)
        return (pixels.float() / 255 - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """The inverse of `to_dict`; ValueError for fields that do not fit."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"preprocessing fields do not fit: {error}") from None


@dataclass(frozen=True)
class Grid:
    """The cells of a feature map over a network input; cell (r, c) covers an equal share of it.

    The unit in a cell lies up to half a cell further up and left than its middle, as far as strides
    keep the first of two pixels: `gsa.receptive_field.field_of` has its centre.

    Boxes and positions are (row, column), in pixels of the network input, from its top left.
    """

    rows: int
    columns: int
    height: int  # of the network input, in pixels
    width: int

    @property
    def cell(self) -> tuple[float, float]:
        """(height, width) of a cell in pixels."""
        return self.height / self.rows, self.width / self.columns

    def cell_at(self, row: float, column: float) -> tuple[int, int]:
        """The cell that holds a pixel position.

        Raises:
            ValueError: if the position is outside the picture.
        """
        if not (0 <= row < self.height and 0 <= column < self.width):
            raise ValueError(
                f"the place ({row:g}, {column:g}) must lie inside the {self.height} x "
                f"{self.width} pixels of the network input (row, column, from 0)."
            )
        return int(row * self.rows / self.height), int(column * self.columns / self.width)

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """(top, left, bottom, right) of a cell in pixels."""
        tall, wide = self.cell
        return row * tall, column * wide, (row + 1) * tall, (column + 1) * wide

    def centre(self, row: int, column: int) -> tuple[float, float]:
        """(row, column) of the middle of a cell in pixels."""
        tall, wide = self.cell
        return (row + 0.5) * tall, (column + 0.5) * wide
