"""From image files and bytes to one uint8 array: any size, grey or colour; broken ones are named and skipped.

Whatever arrives here was made by somebody else, so nothing is believed before it is decoded, and only
decoders that stay inside this process are used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from explorer.records import Array, DataError, freeze

# Pillow's reader for EPS, for one, would start Ghostscript on a stranger's file; these only unpack pixels.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = frozenset(".png .jpg .jpeg .jpe .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm".split())
MAX_PIXELS = 50_000_000  # checked in the header: a file of a few kB can claim gigabytes
TOO_LARGE = f"more than {MAX_PIXELS // 10**6} megapixels"
LARGEST_OWN_SIZE = 64  # square images up to here keep their size when none is asked for
FALLBACK_SIZE = 32
NAMED = 5  # broken images named one by one
CHUNK, CHUNKS = 64, 16  # images per task of the pool, tasks held in memory at once

ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
Item = TypeVar("Item")


class Picture(NamedTuple):
    """One image before decoding: what to call it, and its bytes or its file (None: the table has neither)."""

    name: str
    content: bytes | Path | None


class Decoded(NamedTuple):
    """images: uint8 ``[n, S, S, C]``, C = 1 if all are grey, else 3. kept: int64 ``[n]``, which of the pictures these are."""

    images: Array
    kept: Array
    notices: tuple[str, ...]


class _Broken(NamedTuple):
    name: str
    why: str


class _Square(NamedTuple):
    pixels: Array  # uint8 [side, side] or [side, side, 3]
    size: tuple[int, int]  # width and height before the crop


def decode_images(pictures: Iterable[Picture], image_size: int = 0) -> Decoded:
    """Decode all pictures to one size, upright, transparency on white; skip broken ones with a notice.

    Args:
        pictures: consumed as it goes, so that encoded bytes of a large table are never all in memory.
        image_size: side in pixels; 0 keeps the images' own size if all have the same square size up to 64, else takes 32.

    Raises:
        DataError: if no picture can be decoded.
    """
    results = list(_decode_all(pictures, image_size))
    kept = [position for position, result in enumerate(results) if isinstance(result, _Square)]
    good = [result for result in results if isinstance(result, _Square)]
    broken = [result for result in results if isinstance(result, _Broken)]
    if not good:
        raise DataError(f"none of the {len(results):,} images can be read: {_listed(broken)}")
    side = _common_side(good)
    notices = (*_size_notice({square.size for square in good}, side), *_broken_notice(broken, len(results)))
    return Decoded(_stack([square.pixels for square in good], side), np.array(kept, np.int64), notices)


def resize_images(images: Array, side: int) -> Array:
    """Square uint8 ``[N, H, H, C]`` resized, with antialiasing, to ``[N, side, side, C]``."""
    return images if images.shape[1] == side else _stack([image.squeeze(-1) if image.shape[-1] == 1 else image for image in images], side)


def resize_notice(before: int, after: int) -> tuple[str, ...]:
    """What to tell the person when square images were resized; nothing if they were not."""
    return _size_notice({(before, before)}, after)


def _decode_all(pictures: Iterable[Picture], image_size: int) -> Iterator[_Square | _Broken]:
    work = partial(_decode_chunk, image_size=image_size)
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for chunks in _batched(_batched(pictures, CHUNK), CHUNKS):
            for squares in pool.map(work, chunks):
                yield from squares


def _batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _decode_chunk(pictures: list[Picture], image_size: int) -> list[_Square | _Broken]:
    return [_decode(picture, image_size) for picture in pictures]


def _decode(picture: Picture, image_size: int) -> _Square | _Broken:
    try:
        return _read(picture.content, image_size)
    except Exception as error:  # a decoder may raise anything on damaged bytes, and one image must not end the run
        return _Broken(picture.name, _reason(error))


def _read(content: bytes | Path | None, image_size: int) -> _Square:
    if not content:
        raise ValueError("no image bytes; the image itself must be stored, not only its path")
    if isinstance(content, Path) and not content.is_file():  # opening a pipe or a device would wait for ever
        raise ValueError("no such file")
    with Image.open(BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(TOO_LARGE)
        side = image_size or _own_side(width, height)
        if min(width, height) > 4 * side:
            image.draft(None, (2 * side, 2 * side))  # JPEG only: lets the decoder skip detail that is averaged away anyway
        image.load()
        turn = TURNS.get(_orientation(image))
        plain = _plain(image)
    if turn is not None:
        plain = plain.transpose(turn)
        width, height = (height, width) if turn in (TURNS[5], TURNS[6], TURNS[7], TURNS[8]) else (width, height)
    return _Square(np.asarray(_crop(plain, side)), (width, height))


def _own_side(width: int, height: int) -> int:
    return width if width == height <= LARGEST_OWN_SIZE else FALLBACK_SIZE


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a camera's note that cannot be read does not make the pixels unreadable
        return 1


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers; store them as 8-bit values")
    if image.mode.startswith("I"):  # Pillow's own conversion clips 16-bit values at 255 instead of scaling them
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65_535) >> 8).astype(np.uint8))
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def _crop(image: Image.Image, side: int) -> Image.Image:
    """The largest centred square, resized with antialiasing."""
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    return image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + edge, top + edge))


def _common_side(squares: list[_Square]) -> int:
    sides = {square.pixels.shape[0] for square in squares}
    return sides.pop() if len(sides) == 1 else FALLBACK_SIZE


def _stack(pixels: list[Array], side: int) -> Array:
    """uint8 ``[n, side, side, C]``; grey images take three equal channels where any other has colour."""
    channels = 3 if any(image.ndim == 3 for image in pixels) else 1
    out = np.empty((len(pixels), side, side, channels), np.uint8)
    for row, image in zip(out, pixels, strict=True):
        fitted = image if image.shape[0] == side else np.asarray(_crop(Image.fromarray(image), side))
        row[...] = fitted if fitted.ndim == 3 else fitted[..., None]
    return freeze(out)


def _size_notice(sizes: set[tuple[int, int]], side: int) -> tuple[str, ...]:
    if sizes == {(side, side)}:
        return ()
    width, height = next(iter(sizes))
    what = f"{width} x {height}" if len(sizes) == 1 else f"{len(sizes):,} different sizes"
    crop = "" if all(width == height for width, height in sizes) else "cropped to a square and "
    return (f"Images of {what} were {crop}resized to {side} x {side}.",)


def _broken_notice(broken: list[_Broken], total: int) -> tuple[str, ...]:
    if not broken:
        return ()
    verb = "image was" if len(broken) == 1 else "images were"
    return (f"{len(broken):,} broken {verb} skipped, of {total:,}: {_listed(broken)}.",)


def _listed(broken: list[_Broken]) -> str:
    """The first few by name, a reason they share said once."""
    alike = groupby(broken[:NAMED], key=lambda one: one.why)
    more = f", and {len(broken) - NAMED:,} more" if len(broken) > NAMED else ""
    return ", ".join(f"{', '.join(one.name for one in group)} ({why})" for why, group in alike) + more


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):  # Pillow's own, higher limits
        return TOO_LARGE
    text = (isinstance(error, OSError) and error.strerror) or str(error)  # without the path that the system's errors repeat
    return text.splitlines()[0][:120] if text else type(error).__name__
