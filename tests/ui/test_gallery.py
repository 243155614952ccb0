"""What a card says, how an image becomes text, and that people's words never become HTML."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.ui import gallery
from explorer.ui.gallery import Card, card_data, crisp, image_url, sparkline

CARD = Card(12, "data:image/png;base64,AA==", given="7", predicted="1", true="1", percentile=0.98)


def _decoded(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1])))


def test_label_with_and_without_truth() -> None:
    assert CARD.label == "given 7 \u2192 looks like 1 (true 1)"
    assert Card(1, "", "7", "7").label == "given 7 \u2192 looks like 7"
    unpredicted = Card(1, "", "7", "", "1")
    assert (unpredicted.label, unpredicted.alt) == ("given 7 (true 1)", "Image 1: given 7, true label 1.")


def test_alt_says_all_of_it() -> None:
    card = Card(5, "", "cat", "dog", "dog", 0.991, badge="conflict", partner_image="data:x", partner_caption="given dog")
    assert card.alt == (
        "Image 5: given cat, looks like dog, true label dog, conflict, more suspicious than 99% of the images, "
        "beside it its near duplicate, given dog."
    )


def test_only_a_conflict_gets_the_double_frame() -> None:
    assert card_data(Card(1, "", "a", "b", badge="conflict"))["conflict"] is True
    assert "conflict" not in card_data(Card(1, "", "a", "b", badge="flipped"))


def test_nothing_empty_is_sent_but_image_zero_is() -> None:
    data = card_data(Card(0, "data:x", "a", "a"))
    assert data == {"id": 0, "image": "data:x", "label": "given a \u2192 looks like a", "alt": "Image 0: given a, looks like a."}


def test_a_score_of_zero_still_has_its_bar() -> None:
    assert card_data(Card(1, "", "a", "a", percentile=0.0))["score"] == 0
    assert card_data(Card(1, "", "a", "a", percentile=1.7))["score"] == 1


def test_card_data_is_json() -> None:
    assert json.loads(json.dumps(card_data(CARD), allow_nan=False)) == card_data(CARD)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (32, 32, 3), (5, 9)])
def test_a_tiny_image_survives_exactly(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    url = image_url(image)
    assert url.startswith("data:image/png;base64,")
    assert np.array_equal(np.asarray(_decoded(url)), image[:, :, 0] if shape[2:] == (1,) else image)


def test_a_large_image_becomes_jpeg() -> None:
    url = image_url(np.zeros((96, 80, 3), dtype=np.uint8))
    assert url.startswith("data:image/jpeg;base64,") and _decoded(url).size == (80, 96)


@pytest.mark.parametrize("image", [np.zeros((8, 8, 3)), np.zeros(8, dtype=np.uint8)])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        image_url(image)


def test_sparkline_keeps_ends_and_scale() -> None:
    values = np.linspace(2.0, 0.5, 300)
    line = sparkline(values.tolist())
    assert (len(line), line[0], line[-1]) == (40, 1.0, 0.25)
    assert sparkline((values * 7).tolist()) == line


@pytest.mark.parametrize(("losses", "line"), [((), []), ((1.0,), []), ((float("nan"), 2.0, 1.0), [1.0, 0.5]), ((0.0, 0.0), [0.0, 0.0])])
def test_sparkline_of_little(losses: tuple[float, ...], line: list[float]) -> None:
    assert sparkline(losses) == line


@pytest.mark.parametrize(
    ("shape", "largest", "size"), [((300, 200, 3), 192, (128, 192)), ((100, 100), 192, (100, 100)), ((300, 300), 8, (64, 64))]
)
def test_a_large_image_is_made_smaller_for_a_card(shape: tuple[int, ...], largest: int, size: tuple[int, int]) -> None:
    url = image_url(np.zeros(shape, dtype=np.uint8), largest)
    assert _decoded(url).size == size and len(url) < len(image_url(np.zeros((600, 600), dtype=np.uint8)))


def test_a_tiny_image_is_never_made_smaller() -> None:
    image = np.random.default_rng(0).integers(0, 256, (63, 63, 3), dtype=np.uint8)
    assert image_url(image, 16) == image_url(image)


@pytest.mark.parametrize(("wanted", "least"), [(112, 96), (75, 1), (64.3, 1), (96, 96)])
def test_pixels_of_a_small_image_are_all_of_one_size(wanted: float, least: int) -> None:
    for pixels in range(1, 64):
        size = crisp(pixels, wanted, least)
        assert size % pixels == 0 and size >= least
        assert size <= max(wanted, least + pixels - 1, pixels)  # no larger than it has to be
        assert size + pixels > wanted  # nor smaller


@pytest.mark.parametrize(("pixels", "size"), [(8, 112), (28, 112), (32, 96), (24, 96), (48, 96), (64, 112), (512, 112), (0, 112)])
def test_the_sizes_of_common_images(pixels: int, size: int) -> None:
    assert crisp(pixels, 112, 96) == size


def test_a_note_is_shown_and_said() -> None:
    card = Card(1, "data:x", "a", "b", note="A 98 %, B 12 %")
    assert card_data(card)["note"] == "A 98 %, B 12 %" and "A 98 %, B 12 %" in card.alt


@pytest.mark.parametrize("script", ["gallery.js", "live_chart.js", "confusion.js"])
def test_no_words_are_ever_read_as_html(script: str) -> None:
    source = Path(gallery.__file__).with_name(script).read_text(encoding="utf-8")
    assert not [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in source]
