"""Grey bytes become the input of a network."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torchvision.transforms import functional

from trainable.images.pixels import count_greys, pixel_statistics
from trainable.images.preprocessing import (
    NORMALIZATIONS,
    NormalizationName,
    PixelStatistics,
    Preprocessing,
    Square,
)
from trainable.images.scale import IMAGENET_SCALE, Scale

HALF = PixelStatistics(mean=0.5, std=0.25)


def normalize(
    pixels: Tensor, name: NormalizationName, cohort: PixelStatistics, own: Scale = IMAGENET_SCALE
) -> Tensor:
    return Preprocessing(Square(20), name, own).normalize(pixels, cohort)


@pytest.fixture
def pixels() -> Tensor:
    """Six images, each of its own brightness and contrast."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((6, 20, 20), generator=generator)
    brightness = torch.linspace(20, 120, 6).view(-1, 1, 1)
    return (brightness + noise * brightness).to(torch.uint8)


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_grey_bytes_become_three_channels_of_floats(
    pixels: Tensor, name: NormalizationName
) -> None:
    before = pixels.clone()
    normalized = normalize(pixels, name, HALF)
    assert normalized.shape == (6, 3, 20, 20)
    assert normalized.dtype == torch.float32
    assert normalized.is_contiguous()
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("name", ["none", "cohort", "image"])
def test_channels_are_equal_unless_imagenet_tells_them_apart(
    pixels: Tensor, name: NormalizationName
) -> None:
    red, green, blue = normalize(pixels, name, HALF).unbind(dim=1)
    assert torch.equal(red, green)
    assert torch.equal(green, blue)


def test_none_is_the_share_of_white(pixels: Tensor) -> None:
    normalized = normalize(pixels, "none", HALF)
    torch.testing.assert_close(normalized[:, 0], pixels / 255)
    white = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    assert (normalize(white, "none", HALF) == 1).all()


def test_imagenet_equals_torchvision(pixels: Tensor) -> None:
    colours = (pixels / 255).unsqueeze(1).repeat(1, 3, 1, 1)
    expected = functional.normalize(colours, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalize(pixels, "imagenet", HALF), expected)


def test_cohort_has_about_mean_0_and_deviation_1_over_all_images(pixels: Tensor) -> None:
    normalized = normalize(pixels, "cohort", pixel_statistics(count_greys(pixels.numpy())))
    assert normalized.mean().item() == pytest.approx(0, abs=1 / 30)
    assert normalized.std(correction=0).item() == pytest.approx(1, abs=1 / 30)
    assert normalized.mean(dim=(1, 2, 3)).std() > 0.1


def test_cohort_uses_the_statistics_that_it_is_given(pixels: Tensor) -> None:
    expected = (pixels / 255 - 0.5) / 0.25
    torch.testing.assert_close(normalize(pixels, "cohort", HALF)[:, 0], expected)


def test_image_has_mean_0_and_deviation_1_in_every_image(pixels: Tensor) -> None:
    normalized = normalize(pixels, "image", HALF)
    means, deviations = normalized.mean(dim=(2, 3)), normalized.std(dim=(2, 3), correction=0)
    torch.testing.assert_close(means, torch.zeros(6, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(deviations, torch.ones(6, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["none", "imagenet", "image"])
def test_image_is_normalized_alike_in_every_batch(pixels: Tensor, name: NormalizationName) -> None:
    alone = torch.cat([normalize(image[None], name, HALF) for image in pixels])
    torch.testing.assert_close(normalize(pixels, name, HALF), alone)


@pytest.mark.parametrize("name", NORMALIZATIONS)
@pytest.mark.parametrize("level", [0, 100, 255])
def test_image_of_one_grey_stays_finite(name: NormalizationName, level: int) -> None:
    grey = torch.full((2, 8, 8), level, dtype=torch.uint8)
    normalized = normalize(grey, name, pixel_statistics(count_greys(grey.numpy())))
    assert normalized.isfinite().all()
    if name in ("cohort", "image"):
        torch.testing.assert_close(normalized, torch.zeros(2, 3, 8, 8), atol=1e-4, rtol=0)


def test_what_a_graph_was_traced_with_is_not_met_again(pixels: Tensor) -> None:
    own = Scale((0.31,), (0.17,))
    with FakeTensorMode(allow_non_fake_inputs=True):
        normalize(pixels, "own", HALF, own)
    assert type(normalize(pixels, "own", HALF, own)) is Tensor
