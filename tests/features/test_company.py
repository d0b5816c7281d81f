"""What is stored of an image does not depend, to the bit, on the images that were run with it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.networks import CPU, images_of, random_pixels, tiny_config

from trainable.backbones.encoder import Encoder
from trainable.backbones.weights import find_weights
from trainable.features.body import Body
from trainable.features.tables import features_name, frozen_inputs
from trainable.images.loading import Images
from trainable.store.arrays import ArrayStore

NAMES = ("squeezenet1_1", "resnet18", "densenet121", "timm/vit_tiny_patch16_224")
PIXELS = random_pixels(40)
COMPANIES = ([39], [39, 0, 7], [*range(39, 3, -1)])


def body_of(name: str, images: Images, **changes: object) -> Body:
    cut = Encoder.read(name).network.cuts[-1]
    config = tiny_config(backbone=name, cut=cut, normalization="image", **changes)
    return Body(images, config, find_weights("none", [name]), CPU)


@pytest.mark.parametrize("name", NAMES)
def test_features_have_the_same_bits_in_any_company(name: str) -> None:
    body = body_of(name, images_of(PIXELS))
    all_of_them = body.pooled(torch.arange(40))
    for rows in map(torch.tensor, COMPANIES):
        assert torch.equal(body.pooled(rows), all_of_them[rows])


@pytest.mark.parametrize("unfreeze", [0, 1])
@pytest.mark.parametrize("rows", COMPANIES)
def test_a_table_of_known_and_new_images_is_that_of_a_search_from_nothing(
    tmp_path: Path, rows: list[int], unfreeze: int
) -> None:
    old, now = images_of(PIXELS[:30]), images_of(PIXELS[rows])
    frozen_inputs(body_of(NAMES[0], old, unfreeze=unfreeze), ArrayStore(tmp_path / "old"))
    grown, fresh = (body_of(NAMES[0], now, unfreeze=unfreeze) for _ in range(2))
    found, _ = frozen_inputs(grown, ArrayStore(tmp_path / "old"))
    expected, _ = frozen_inputs(fresh, ArrayStore(tmp_path / "new"))
    every = torch.arange(len(rows))
    assert torch.equal(found(every), expected(every))
    assert (grown.num_forwarded, fresh.num_forwarded) == (sum(n >= 30 for n in rows), len(rows))


def test_where_the_pixels_that_a_network_sees_change_all_images_are_new(tmp_path: Path) -> None:
    store = ArrayStore(tmp_path)
    old, now = images_of(PIXELS[:30]), images_of(PIXELS)
    body = body_of(NAMES[0], old)
    frozen_inputs(body, store)
    assert store.num_missing(features_name(body, now)) == 10
    others = np.roll(PIXELS, 1, axis=2)
    assert store.num_missing(features_name(body, images_of(others))) == 40
