"""What a head sees by place: the same numbers from maps, tokens, tables and images."""

import pytest
import torch
from fixtures.networks import noise
from torch import Tensor
from torch.nn import functional

from trainable.backbones.layout import MAPS, Pool, Statistic, TensorLayout
from trainable.model.network import ConcatPool

LAST = TensorLayout(channels_last=True)
TOKENS = TensorLayout(prefix_tokens=2, class_token=True)


def pooled(statistic: Statistic, maps: Tensor, layout: TensorLayout = MAPS) -> Tensor:
    """Each number (batch, numbers, channels) of one statistic."""
    found: Tensor = ConcatPool(layout, [statistic])(maps)
    return found.view(len(maps), -1, 3)


def test_the_grid_of_a_flat_map_is_its_average() -> None:
    flat = noise(4, 1).expand(4, 3, 7, 5)
    torch.testing.assert_close(pooled("grid", flat), pooled("average", flat).expand(4, 9, 3))


@pytest.mark.parametrize("size", [3, 6, 15])
def test_the_mean_of_the_grid_is_the_average_where_three_divides_the_side(size: int) -> None:
    maps = noise(4, size)
    found = pooled("grid", maps).mean(dim=1, keepdim=True)
    torch.testing.assert_close(found, pooled("average", maps))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 20])
def test_cells_are_those_of_adaptive_pooling_whatever_the_side(size: int) -> None:
    maps = noise(4, size)[..., : max(1, size - 1)]
    expected = functional.adaptive_avg_pool2d(maps, 3).flatten(2).mT
    torch.testing.assert_close(pooled("grid", maps), expected)


@pytest.mark.parametrize("size", [1, 4, 6, 20])
def test_the_top_is_between_the_average_and_the_maximum(size: int) -> None:
    maps = noise(4, size)
    average, top, highest = (pooled(one, maps) for one in ("average", "top", "maximum"))
    assert (top >= average - 1e-5).all()
    assert (top <= highest).all()
    assert torch.equal(top, highest) == (size**2 < 40), "up to 39 places it is one"


def test_the_top_is_the_mean_of_a_twentieth_of_the_places() -> None:
    maps = torch.arange(100.0).flip(0).reshape(1, 1, 10, 10).expand(2, 3, 10, 10)
    assert torch.equal(pooled("top", maps), torch.full((2, 1, 3), 97.0))


@pytest.mark.parametrize("statistic", ["grid", "top"])
def test_maps_with_channels_last_and_tokens_are_pooled_alike(statistic: Statistic) -> None:
    maps = noise(4, 7)
    expected = pooled(statistic, maps)
    assert torch.equal(pooled(statistic, maps.permute(0, 2, 3, 1), LAST), expected)
    prefix = torch.full((4, 2, 3), 1e3)
    tokens = torch.cat([prefix, maps.flatten(2).mT], dim=1)
    torch.testing.assert_close(pooled(statistic, tokens, TOKENS), expected)


def test_every_layout_has_places_and_a_class_token_stays_what_it_is() -> None:
    places = {"grid", "grid+average", "top", "top+average"}
    of_class = {"class", "class+average"}
    assert set(MAPS.pools) == {"average", "maximum", "both"} | places
    assert set(TOKENS.pools) == set(MAPS.pools) | of_class
    tokens = noise(2, 4).flatten(2).mT
    assert torch.equal(pooled("class", tokens, TOKENS)[:, 0], tokens[:, 0])


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("average", ("maximum", "average", "class")),
        ("class", ("maximum", "average", "class")),
        ("grid", ("grid",)),
        ("top+average", ("average", "top")),
    ],
)
def test_a_network_computes_no_more_by_place_than_its_head_sees(
    pool: Pool, expected: tuple[Statistic, ...]
) -> None:
    assert TOKENS.pooled(pool) == expected
