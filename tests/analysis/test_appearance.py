"""The label-free embedding: its filters against closed forms and SciPy, its views against the images seen in them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from explorer.analysis import appearance
from explorer.analysis.appearance import (
    CELLS,
    IDENTITY,
    SIDE,
    SIMPLE_VIEWS,
    THOROUGH,
    View,
    area,
    blur,
    both,
    by_content,
    embed,
    fit_appearance,
    jitter,
    local_contrast,
    luminance,
    maps_of,
    projections,
    unit,
    views,
)
from explorer.analysis.warping import warp
from explorer.records import Array
from tests.analysis.pictures import pictures

pytestmark = pytest.mark.usefixtures("one_thread")


def random_light(count: int, seed: int = 0) -> Array:
    return both(np.random.default_rng(seed).random((count, SIDE, SIDE), dtype=np.float32), blur(1.0))


# -- filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.0, 2.5, 4.0])
def test_blur_is_a_gaussian_with_reflected_borders(sigma: float) -> None:
    expected = ndimage.gaussian_filter1d(np.eye(SIDE), sigma, axis=0, mode="reflect", radius=int(np.ceil(3 * sigma)))
    assert np.abs(blur(sigma) - expected).max() < 1e-6


@pytest.mark.parametrize("matrix", [blur(0.5), blur(4.0), area(28, SIDE), area(8, SIDE), area(64, SIDE), area(SIDE, CELLS), area(45, 7)])
def test_filters_average(matrix: Array) -> None:
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-6) and (matrix >= 0).all()
    flat = np.full((2, matrix.shape[1], matrix.shape[1]), 0.3, dtype=np.float32)
    assert np.allclose(both(flat, matrix), 0.3, atol=1e-6)


def test_area_shares_what_a_pixel_covers() -> None:
    assert np.array_equal(area(4, 2), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    assert np.allclose(area(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    assert np.array_equal(area(5, 5), np.eye(5))
    assert np.array_equal(area(2, 4), [[1, 0], [1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize(("source", "target"), [(33, 32), (28, 32), (100, 32), (8, 32), (32, 16), (7, 5)])
def test_area_averages_what_repeated_pixels_would(source: int, target: int) -> None:
    expected = np.eye(source).repeat(target, axis=0).reshape(target, source, source).mean(axis=1)
    assert np.abs(area(source, target) - expected).max() < 1e-6


@pytest.mark.parametrize("side", [64, 96])
def test_area_is_what_pillow_calls_a_box(side: int) -> None:
    image = np.random.default_rng(0).random((side, side), dtype=np.float32)
    expected = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
    assert np.abs(both(image[None], area(side, SIDE))[0] - expected).max() < 1e-5


def test_both_filters_rows_and_columns() -> None:
    images, matrix = np.random.default_rng(0).random((3, 5, 5)), np.random.default_rng(1).random((4, 5))
    assert np.allclose(both(images, matrix), np.einsum("ai,nij,bj->nab", matrix, images, matrix))


@pytest.mark.parametrize("side", [8, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_luminance_of_one_colour(side: int, channels: int) -> None:
    images = np.full((2, side, side, channels), 51, dtype=np.uint8)
    light = luminance(images)
    assert light.shape == (2, SIDE, SIDE) and light.dtype == np.float32
    assert np.allclose(light, 0.2, atol=1e-6)


def test_luminance_weighs_red_green_and_blue() -> None:
    pure = np.zeros((3, SIDE, SIDE, 3), dtype=np.uint8)
    pure[range(3), :, :, range(3)] = 255
    assert luminance(pure)[:, 0, 0] == pytest.approx([0.299, 0.587, 0.114])
    grey = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    assert np.allclose(luminance(grey), luminance(grey.repeat(3, axis=-1)), atol=1e-6)


def test_flat_ground_has_no_contrast_and_edges_have_about_one() -> None:
    flat = np.full((1, SIDE, SIDE), 0.7, dtype=np.float32)
    assert np.abs(local_contrast(flat, 1.0, 3.0)).max() < 1e-3
    half = flat.copy()
    half[..., : SIDE // 2] = 0.2
    assert 0.5 < np.abs(local_contrast(half, 1.0, 3.0)).max() < 3
    faint = 0.5 + 0.5 * (half - 0.5)
    assert np.allclose(local_contrast(faint, 1.0, 3.0), local_contrast(half, 1.0, 3.0), atol=0.35)


def test_maps_are_of_unit_strength() -> None:
    maps = maps_of(random_light(5))
    assert maps.shape == (5, 2, CELLS, CELLS) and maps.dtype == np.float32
    assert np.allclose((maps**2).mean(axis=(2, 3)), 1, atol=1e-3)
    assert np.allclose(maps[:, 0].mean(axis=(1, 2)), 0, atol=1e-5)
    assert not maps_of(np.full((1, SIDE, SIDE), 0.5, dtype=np.float32)).round(3).any()


# -- the discriminant -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def light() -> Array:
    return luminance(pictures(200))


@pytest.fixture(scope="module")
def fitted(light: Array) -> appearance.Appearance:
    return fit_appearance(light)


def test_fitting_depends_on_images_and_seed_alone(light: Array, fitted: appearance.Appearance) -> None:
    again = fit_appearance(light)
    assert np.array_equal(again.projection, fitted.projection) and np.array_equal(again.offset, fitted.offset)
    assert not np.allclose(np.abs(fit_appearance(light, seed=1).projection), np.abs(fitted.projection))
    assert fitted.projection.shape == (2 * CELLS**2, appearance.DIMENSIONS) and fitted.projection.dtype == np.float32


def test_an_order_by_content_is_the_same_whatever_the_order_given() -> None:
    images = pictures(60)
    shuffled = images[np.random.default_rng(0).permutation(60)]
    assert np.array_equal(images[by_content(images)], shuffled[by_content(shuffled)])
    assert sorted(by_content(images)) == list(range(60)) != by_content(images).tolist()
    assert by_content(images[:0]).tolist() == []


def test_jitter_stays_an_image_and_leaves_the_original(light: Array) -> None:
    before = light.copy()
    copies = jitter(light, np.random.default_rng(0))
    assert copies.shape == light.shape and copies.dtype == np.float32
    assert 0 <= copies.min() and copies.max() <= 1 and np.array_equal(light, before)
    assert (np.abs(copies - light).mean(axis=(1, 2)) > 0.01).all()


def test_embeddings_have_length_one(light: Array, fitted: appearance.Appearance) -> None:
    assert np.allclose(np.linalg.norm(embed(fitted, maps_of(light)), axis=1), 1, atol=1e-5)
    assert np.array_equal(unit(np.zeros((1, 3))), np.zeros((1, 3)))


@pytest.mark.parametrize(("factor", "step"), [(1.0, 30), (1.0, -25), (0.7, 20), (0.8, 0)])
def test_brightness_and_contrast_hardly_move_an_embedding(light: Array, fitted: appearance.Appearance, factor: float, step: float) -> None:
    base, toned = embed(fitted, maps_of(light)), embed(fitted, maps_of(factor * light + step / 255))
    own = np.einsum("nd,nd->n", base, toned)
    assert own.min() > 0.98
    assert np.array_equal((toned @ base.T).argmax(axis=1), np.arange(len(light)))


def test_a_jittered_image_is_nearest_to_itself(light: Array, fitted: appearance.Appearance) -> None:
    moved = embed(fitted, maps_of(jitter(light, np.random.default_rng(5))))
    assert ((moved @ embed(fitted, maps_of(light)).T).argmax(axis=1) == np.arange(len(light))).mean() > 0.7


# -- views ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, THOROUGH + 1])
def test_views_begin_with_the_image_and_its_flips(count: int) -> None:
    found = views(count)
    assert np.array_equal(found[0].matrix, IDENTITY) and found[0].shift == (0, 0) and found[0].sign == 1
    for view in found[:SIMPLE_VIEWS]:
        assert view.shift == (0, 0) and np.allclose(view.matrix @ view.matrix.T, IDENTITY)
    assert {view.sign for view in found[:SIMPLE_VIEWS]} == {1, -1} and {view.sign for view in found[SIMPLE_VIEWS:]} == {1}
    keys = {(*view.matrix.round(6).ravel().tolist(), *np.round(view.shift, 6).tolist(), view.sign) for view in found}
    assert len(keys) == len(found)


def test_many_images_are_asked_for_in_fewer_views() -> None:
    assert len(views(THOROUGH)) == len(views()) == 92 and len(views(THOROUGH + 1)) == 42


def test_a_crop_lies_inside_the_image() -> None:
    corners = np.array([(y, x) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
    for count in (0, THOROUGH + 1):
        for view in views(count):
            if np.linalg.det(view.matrix) ** 2 < 0.99:
                assert np.abs(corners @ view.matrix.T + view.shift).max() < 0.5 + 1e-9


def test_a_projection_embeds_the_view_of_an_image_from_its_own_maps(light: Array, fitted: appearance.Appearance) -> None:
    maps = maps_of(light[:7])
    found = views()
    for view, matrix in zip(found, projections(fitted, found), strict=True):
        seen, _ = warp(maps, np.arange(7), view.matrix[None].repeat(7, 0), CELLS * np.array([view.shift]).repeat(7, 0))
        assert np.allclose(unit(maps.reshape(7, -1) @ matrix - fitted.offset), embed(fitted, view.sign * seen), atol=1e-4)


def test_the_plain_view_is_the_embedding_itself(light: Array, fitted: appearance.Appearance) -> None:
    (matrix,) = projections(fitted, (View(IDENTITY, (0, 0)),))
    maps = maps_of(light)
    assert np.allclose(unit(maps.reshape(len(maps), -1) @ matrix - fitted.offset), embed(fitted, maps), atol=5e-3)


def test_a_mirrored_image_in_the_mirror_is_the_image(light: Array, fitted: appearance.Appearance) -> None:
    (matrix,) = projections(fitted, views()[1:2])
    mirrored = maps_of(np.ascontiguousarray(light[:, :, ::-1])).reshape(len(light), -1)
    assert np.allclose(unit(mirrored @ matrix - fitted.offset), embed(fitted, maps_of(light)), atol=5e-3)
