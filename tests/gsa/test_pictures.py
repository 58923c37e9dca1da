import io
import pickle

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, ImageSequence

from gsa.pictures import DECODE_SIDE, PictureError, open_picture, upright_size
from tests.conftest import photo


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    opened = open_picture(encoded(photo(200, 100), "JPEG", exif=exif))
    assert opened.size == (100, 200)


def test_sixteen_bit_grey_is_scaled_and_not_white():
    ramp = np.linspace(0, 65535, 100, dtype=np.uint16).reshape(10, 10)
    opened = np.asarray(open_picture(encoded(Image.fromarray(ramp))))
    assert opened.shape == (10, 10, 3)
    assert opened.min() == 0
    assert opened.max() == 255
    assert 120 < opened.mean() < 135


def test_dark_sixteen_bit_grey_stays_dark():
    dark = np.full((10, 10), 255, dtype=np.uint16)
    assert np.asarray(open_picture(encoded(Image.fromarray(dark)))).max() == 1


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert open_picture(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGB"])
def test_every_mode_becomes_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    opened = open_picture(encoded(photo(20, 10).convert(mode), kind))
    assert opened.mode == "RGB"
    assert opened.size == (20, 10)


def test_a_large_jpeg_comes_reduced_but_not_below_the_limit():
    opened = open_picture(encoded(photo(4000, 3000), "JPEG"))
    assert opened.size == (2000, 1500)
    assert min(opened.size) >= DECODE_SIDE


def test_the_size_of_the_file_is_known_beside_a_reduced_picture():
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6  # a phone held upright
    for exif, size in ((None, (4000, 3000)), (turned, (3000, 4000))):
        data = encoded(photo(4000, 3000), "JPEG", **({"exif": exif} if exif else {}))
        assert upright_size(data) == size
        assert open_picture(data).size == (size[0] // 2, size[1] // 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_upright_size_is_that_of_the_opened_picture(kind, orientation, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(photo(60, 30), kind, exif=exif)
    assert upright_size(data) == open_picture(data).size
    (tmp_path / "turned").write_bytes(data)
    assert upright_size(tmp_path / "turned") == upright_size(data)
    assert upright_size(data) == ((30, 60) if orientation > 4 else (60, 30))


def test_a_jpeg_with_a_second_picture_behind_it_is_a_jpeg():
    double = encoded(photo(6400, 4800), "MPO", save_all=True, append_images=[photo(64, 48)])
    with Image.open(io.BytesIO(double)) as picture:
        assert picture.format == "MPO"
    assert open_picture(double).size == (1600, 1200)  # 31 megapixels, decoded at a quarter
    assert upright_size(double) == (6400, 4800)


def test_a_small_file_with_huge_pixels_is_refused_from_its_header():
    bomb = encoded(Image.new("L", (9000, 9000)))
    assert len(bomb) < 200_000
    with pytest.raises(PictureError, match="81 megapixels; at most 25"):
        open_picture(bomb)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty (0 bytes)."),
        (b"hello, I am a text" * 20, "The file is not a picture in one of JPEG"),
        (encoded(photo(), "JPEG")[:2000], "The picture is damaged and cannot be decoded"),
        (encoded(photo())[:300], "The picture is damaged and cannot be decoded"),
        (b"\x00" * (21 * 2**20), "The file has 21 MiB; at most 20 MiB are read."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "The file is not a picture"),
    ],
)
def test_what_is_no_good_picture_gets_one_sentence(data, sentence):
    with pytest.raises(PictureError) as caught:
        open_picture(data)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match="There is no file"):
        open_picture(tmp_path / "cat.jpg")


def test_a_device_that_never_ends_is_refused():
    with pytest.raises(PictureError, match="is a device or a pipe"):
        open_picture("/dev/zero")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(PictureError, match="cannot be read"):
        open_picture(tmp_path)


def test_colours_of_another_space_are_brought_to_srgb():
    red = Image.new("RGB", (4, 4), (200, 60, 60))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile, expected in ((srgb, (200, 60, 60)), (swapped(srgb), (60, 60, 200))):
        opened = open_picture(encoded(red, icc_profile=profile))
        assert opened.getpixel((0, 0)) == expected
        assert "icc_profile" not in opened.info


def test_a_broken_colour_profile_is_none():
    red = Image.new("RGB", (4, 4), (200, 60, 60))
    assert open_picture(encoded(red, icc_profile=b"none")).getpixel((0, 0)) == (200, 60, 60)


def swapped(profile: bytes) -> bytes:
    """The profile with red and blue exchanged, under another name."""
    table = bytearray(profile)
    count = int.from_bytes(table[128:132], "big")
    for at in range(132, 132 + 12 * count, 12):
        tag = bytes(table[at : at + 4])
        table[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(tag, tag)
    return bytes(table).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_opened_picture_is_upright_for_whoever_looks_again(kind):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture = open_picture(encoded(photo(60, 30), kind, exif=exif))
    again = ImageOps.exif_transpose(picture)
    np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))
    assert pickle.loads(pickle.dumps(picture)) == picture


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF", "MPO"])
def test_of_several_pictures_the_first_is_left(kind):
    """Nothing else of the file is kept, in memory or to be found by who looks for it."""
    others = [Image.new("RGB", (20, 10), colour) for colour in ("lime", "blue")]
    first = Image.new("RGB", (20, 10), "red")
    picture = open_picture(encoded(first, kind, save_all=True, append_images=others))
    assert len(list(ImageSequence.Iterator(picture))) == 1
    assert not hasattr(picture, "fp")
    red, green, blue = picture.getpixel((10, 5))
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("data", [b"abc", b"", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_the_size_of_what_is_no_picture_is_refused(data):
    with pytest.raises(PictureError, match="^The (file|picture) is "):
        upright_size(data)
