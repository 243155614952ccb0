"""Decoding: modes, sizes, orientation, transparency, and images that cannot be read."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.data.images import Decoded, Picture, decode_images, resize_images
from explorer.records import DataError


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flat(color: float | tuple[float, ...], mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> bytes:
    return encoded(Image.new(mode, size, color))


def decode(*contents: bytes | Path | None, image_size: int = 0) -> Decoded:
    return decode_images([Picture(f"image {i}", content) for i, content in enumerate(contents)], image_size)


def test_grey_images_have_one_channel() -> None:
    decoded = decode(flat(7, "L"), flat(1, "1"))
    assert decoded.images.shape == (2, 8, 8, 1)
    assert decoded.images.dtype == np.uint8
    assert decoded.images[0].max() == 7
    assert decoded.images[1].min() == 255
    assert decoded.notices == ()


def test_one_colour_image_makes_all_colour() -> None:
    decoded = decode(flat(7, "L"), flat((1, 2, 3)))
    assert decoded.images.shape == (2, 8, 8, 3)
    assert decoded.images[0, 0, 0].tolist() == [7, 7, 7]
    assert decoded.images[1, 0, 0].tolist() == [1, 2, 3]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    wide = Image.fromarray(np.full((8, 8), 0x80FF, np.uint16))
    assert decode(encoded(wide)).images[0, 0, 0].tolist() == [0x80]


def test_transparency_becomes_white() -> None:
    half = Image.new("LA", (8, 8), (0, 0))
    decoded = decode(flat((255, 0, 0, 0), "RGBA"), flat((255, 0, 0, 255), "RGBA"))
    assert decoded.images[:, 0, 0].tolist() == [[255, 255, 255], [255, 0, 0]]
    assert decode(encoded(half)).images[0, 0, 0].tolist() == [255]
    palette = Image.new("RGB", (8, 8), (255, 0, 0)).quantize(4)
    assert decode(encoded(palette, transparency=0)).images[0, 0, 0].tolist() == [255, 255, 255]


def test_cmyk_and_palette_become_colour() -> None:
    jpeg = encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG")
    gif = encoded(Image.new("RGB", (8, 8), (255, 0, 0)).convert("P"), "GIF")
    assert decode(jpeg, gif).images.shape == (2, 8, 8, 3)


# Where the standard says that the first stored pixel belongs: (row, column) per orientation.
CORNERS = {1: (0, 0), 2: (0, 7), 3: (7, 7), 4: (7, 0), 5: (0, 0), 6: (0, 7), 7: (7, 7), 8: (7, 0)}


@pytest.mark.parametrize("orientation", CORNERS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind == "JPEG" else {}
    shown = decode(encoded(Image.fromarray(pixels), kind, exif=exif, **options)).images[0, :, :, 0]
    assert np.unravel_index(shown.argmax(), shown.shape) == CORNERS[orientation]


def test_turned_image_reports_the_size_a_person_sees() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(Image.new("L", (20, 10)), "JPEG", exif=exif))
    assert decoded.notices == ("Images of 10 x 20 were cropped to a square and resized to 32 x 32.",)


@pytest.mark.parametrize(
    ("sizes", "asked", "side", "notice"),
    [
        ([(64, 64), (64, 64)], 0, 64, ""),
        ([(65, 65), (65, 65)], 0, 32, "Images of 65 x 65 were resized to 32 x 32."),
        ([(8, 8), (16, 16)], 0, 32, "Images of 2 different sizes were resized to 32 x 32."),
        ([(8, 8), (90, 70), (32, 32)], 0, 32, "Images of 3 different sizes were cropped to a square and resized to 32 x 32."),
        ([(10, 8), (10, 8)], 0, 32, "Images of 10 x 8 were cropped to a square and resized to 32 x 32."),
        ([(28, 28)], 16, 16, "Images of 28 x 28 were resized to 16 x 16."),
        ([(16, 16)], 16, 16, ""),
    ],
)
def test_sizes(sizes: list[tuple[int, int]], asked: int, side: int, notice: str) -> None:
    decoded = decode(*[flat(9, "L", size) for size in sizes], image_size=asked)
    assert decoded.images.shape == (len(sizes), side, side, 1)
    assert (decoded.images == 9).all()
    assert "".join(decoded.notices) == notice


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_crop_is_centred_and_resizing_averages(kind: str) -> None:
    pixels = np.zeros((300, 500, 3), np.uint8)
    pixels[:, 100:400] = np.indices((300, 300)).sum(0)[..., None] % 2 * 255  # a checkerboard, grey from afar
    shown = decode(encoded(Image.fromarray(pixels), kind), image_size=10).images[0]
    assert 100 < shown[1:-1, 1:-1].min() <= shown[1:-1, 1:-1].max() < 155


def test_resizing_arrays_equals_resizing_while_decoding() -> None:
    for mode, shape in (("L", (12, 12, 1)), ("RGB", (12, 12, 3))):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        image = Image.fromarray(pixels.squeeze(), mode) if mode == "L" else Image.fromarray(pixels)
        assert np.array_equal(resize_images(pixels[None], 20), decode(encoded(image), image_size=20).images)


def bomb() -> bytes:
    """A PNG header that claims 100 megapixels, and nothing behind it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + struct.pack(">I", 0) + b"IDAT"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not an image", "not an image"),
        (None, "no image bytes"),
        (b"", "no image bytes"),
        (flat(1)[:-30], "truncated"),
        (bomb(), "more than 50 megapixels"),
        (Path("/nowhere/a.png"), "no such file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "not an image"),  # never handed to Ghostscript
        (encoded(Image.new("F", (8, 8)), "TIFF"), "floating-point"),
    ],
)
def test_broken_image_is_named_and_skipped(content: bytes | Path | None, why: str) -> None:
    decoded = decode(flat(1), content, flat(2))
    assert decoded.kept.tolist() == [0, 2]
    assert len(decoded.images) == 2
    assert decoded.notices[0].startswith("1 broken image was skipped, of 3: image 1 (")
    assert why in decoded.notices[0]
    with pytest.raises(DataError, match="none of the 1 images can be read: image 0"):
        decode(content)


def test_five_broken_images_are_named_and_the_rest_counted() -> None:
    (notice,) = decode(flat(1), *[None] * 3, *[b"x"] * 4).notices
    assert notice.startswith("7 broken images were skipped, of 8: image 1, image 2, image 3 (no image bytes")
    assert notice.endswith("image 4, image 5 (not an image), and 2 more.")


def test_order_survives_the_thread_pool() -> None:
    decoded = decode(*[flat(i % 256, "L", (4, 4)) for i in range(1_500)])
    assert decoded.images[:, 0, 0, 0].tolist() == [i % 256 for i in range(1_500)]
    assert not decoded.images.flags.writeable
