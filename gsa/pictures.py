"""Opening pictures that come from anywhere: one gate, one sentence for everything it refuses.

A network must see what a person sees in a photo viewer, so the EXIF orientation is applied,
transparency is laid on white, and 16-bit grey is scaled (a plain conversion would turn it white).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

# Pillow's own limit is another; the one below refuses with a sentence
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
SUFFIXES = {  # of the files of each format
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}
FORMATS = tuple(SUFFIXES)
MAX_BYTES = 20 * 2**20  # of the file
MAX_MEGAPIXELS = 50  # a JPEG can be decoded at a reduced size, so it may be this large
MAX_MEGAPIXELS_OTHER = 25  # other formats are decoded whole: 25 MP take up to 400 MiB
_JPEG = ("JPEG", "MPO")  # MPO: a JPEG with further pictures behind it, as phones write them
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_ROWS = 256  # that are scaled at a time
DECODE_SIDE = 1024  # a large JPEG is decoded at 1/2, 1/4 or 1/8, but no smaller than this


class PictureError(ValueError):
    """A picture that is refused; the message is one sentence fit for a user."""


def open_picture(source: bytes | str | Path) -> Image.Image:
    """Decode a picture as a person sees it.

    Args:
        source: the bytes of a file, or its path.

    Returns:
        An upright RGB picture. A large JPEG may come reduced (no side under `DECODE_SIDE` pixels);
        `upright_size` has the size of the file's own pixels.

    Raises:
        PictureError: if the file is missing, empty, too large, of another format or damaged.
    """
    data = source if isinstance(source, bytes) else _read(source)
    if not data:
        raise PictureError("The file is empty (0 bytes).")
    if len(data) > MAX_BYTES:
        raise PictureError(
            f"The file has {len(data) / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read."
        )
    with _refusing():
        return _decode(data)


def upright_size(source: str | Path | bytes) -> tuple[int, int]:
    """(width, height) of a picture as a person sees it, before any reduction; from its header.

    Args:
        source: what `open_picture` opens, the path of a file or its bytes.

    Raises:
        PictureError: if the file is missing, too large, of another format or damaged.
    """
    data = source if isinstance(source, bytes) else _read(source)
    with _refusing(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size
        if isinstance(picture, TiffImageFile):  # its `size` is upright in some versions of Pillow
            width, height = (picture.tag_v2[tag] for tag in (IMAGEWIDTH, IMAGELENGTH))
        turned = picture.getexif().get(ExifTags.Base.Orientation) in _TURNED
    return (height, width) if turned else (width, height)


@contextmanager
def _refusing() -> Iterator[None]:
    """Says in one sentence what Pillow has against a file, as a PictureError."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"The file is not a picture in one of {', '.join(FORMATS)}.") from None
    except Image.DecompressionBombError:
        raise PictureError(f"The picture has more than {MAX_MEGAPIXELS} megapixels.") from None
    except Exception as error:  # decoders raise nearly anything on damaged files
        detail = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise PictureError(f"The picture is damaged and cannot be decoded ({detail}).") from None


def _read(source: str | Path) -> bytes:
    path, name = Path(source), str(source)  # as it was given: a path has lost an empty part
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # may never end
            raise PictureError(f"{name!r} is a device or a pipe and not a file.")
        if path.stat().st_size > MAX_BYTES:  # refuse before reading it all
            mebibytes = path.stat().st_size / 2**20
            raise PictureError(
                f"The file has {mebibytes:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read."
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"There is no file {name!r}.") from None
    except OSError as error:
        raise PictureError(f"The file {name!r} cannot be read ({error.strerror}).") from None


def _decode(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        width, height = picture.size  # known from the header, before any pixel is decoded
        megapixels = width * height / 1e6
        limit = MAX_MEGAPIXELS if picture.format in _JPEG else MAX_MEGAPIXELS_OTHER
        if megapixels > limit:
            raise PictureError(
                f"The picture has {width} x {height} = {megapixels:.0f} megapixels; "
                f"at most {limit} are decoded for this format."
            )
        if picture.format in _JPEG and picture.mode in ("RGB", "L"):
            # decodes at 1/2, 1/4 or 1/8: a 12-megapixel photo opens several times faster
            picture.draft(picture.mode, (DECODE_SIDE, DECODE_SIDE))
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)  # else it copies an upright one
        seen = _to_rgb(_in_srgb(picture))
    seen.info.pop("icc_profile", None)  # or what shows it would take it for other colours
    return seen


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The same colours in sRGB, which networks are trained on; a profile that is broken is none."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "RGBA", "L", "CMYK"):
        return picture
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(own):
            return picture
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        found = ImageCms.profileToProfile(
            picture, own, ImageCms.createProfile("sRGB"), outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return picture if found is None else found


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        low, high = float(values.min()), float(values.max())
        if not np.isfinite((low, high)).all():  # NaN is the least and the most of what has it
            raise PictureError("The picture has pixels that are not finite numbers.")
        if picture.mode.startswith("I") and low >= 0 and high <= 65535:
            # "I" says nothing of its depth: where nothing is brighter, it is taken for 8 bits
            eight = picture.mode == "I" and high <= 255
            low, high = 0.0, 255.0 if eight else 65535.0
        grey = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), _ROWS):  # eight bytes for each pixel would be much
            band = values[start : start + _ROWS].astype(np.float64)
            grey[start : start + _ROWS] = ((band - low) / max(high - low, 1e-12) * 255).round()
        return Image.fromarray(grey).convert("RGB")
    if picture.has_transparency_data:
        layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        white.alpha_composite(layer)  # in place
        return white.convert("RGB")
    if picture.mode == "RGB" and picture.format == "JPEG":
        return picture  # others hold what they were decoded from, and further pictures: a copy
    return picture.convert("RGB")
