"""The kinds of heads: their layers, and what each of them says of itself."""

from typing import Any, get_args

import pytest
import torch
from fixtures.networks import noise, random_model, tiny_config
from torch import Tensor, nn

from trainable.backbones.encoder import find_backbone
from trainable.backbones.layout import Pool
from trainable.config import HeadName, TrialConfig
from trainable.images.batches import Batch
from trainable.model.network import (
    ConcatPool,
    KeptStatistics,
    count_parameters,
)
from trainable.training.heads import HEADS, FastaiHead, PlainHead
from trainable.trial.cross_validation import build_network, fresh_head


def kinds(head: nn.Sequential) -> list[str]:
    """The layers of a head in a few letters each."""
    return [
        f"{type(layer).__name__} {layer.p}" if isinstance(layer, nn.Dropout)
        else f"{type(layer).__name__} {tuple(layer.weight.shape)}" if isinstance(layer, nn.Linear)
        else type(layer).__name__
        for layer in head
    ]  # fmt: skip


def test_the_head_starts_from_kaimings_normal_distribution() -> None:
    torch.manual_seed(0)
    hidden, last = (
        layer for layer in FastaiHead().build(1024, TrialConfig()) if isinstance(layer, nn.Linear)
    )
    assert hidden.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert last.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((), ["BatchNorm1d", "Dropout 0.4", "Linear (2, 20)"]),
        (
            (8,),
            [
                *("BatchNorm1d", "Dropout 0.2", "Linear (8, 20)", "ReLU"),
                *("BatchNorm1d", "Dropout 0.4", "Linear (2, 8)"),
            ],
        ),
        (
            (8, 6, 4),
            [
                *("BatchNorm1d", "Dropout 0.2", "Linear (8, 20)", "ReLU"),
                *("BatchNorm1d", "Dropout 0.2", "Linear (6, 8)", "ReLU"),
                *("BatchNorm1d", "Dropout 0.2", "Linear (4, 6)", "ReLU"),
                *("BatchNorm1d", "Dropout 0.4", "Linear (2, 4)"),
            ],
        ),
    ],
)
def test_fastais_head_halves_the_dropout_of_all_layers_but_the_last(
    layers: tuple[int, ...], expected: list[str]
) -> None:
    head = FastaiHead().build(20, TrialConfig(head_layers=layers, dropout=0.4))
    assert kinds(head) == expected
    assert all(layer.bias is None for layer in head if isinstance(layer, nn.Linear))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((), ["Dropout 0.4", "Linear (2, 10)"]),
        (
            (8, 6),
            [
                *("Linear (8, 10)", "ReLU", "Linear (6, 8)", "ReLU"),
                *("Dropout 0.4", "Linear (2, 6)"),
            ],
        ),
    ],
)
def test_a_plain_head_has_one_dropout_and_biases(
    layers: tuple[int, ...], expected: list[str]
) -> None:
    head = PlainHead().build(10, TrialConfig(head_layers=layers, dropout=0.4))
    assert kinds(head) == expected
    assert all(layer.bias is not None for layer in head if isinstance(layer, nn.Linear))


def test_one_half_of_the_pooled_features_is_that_of_each_stage_and_view() -> None:
    first, second = noise(4, 5), noise(4, 3)[:, :2]
    pooled = torch.cat([ConcatPool()(maps) for maps in (first, second, 2 * first, 2 * second)], 1)
    averages = torch.cat([maps.mean(dim=(2, 3)) for maps in (first, second)], dim=1)
    maxima = torch.cat([maps.amax(dim=(2, 3)) for maps in (first, second)], dim=1)
    halves: dict[Pool, Tensor] = {"average": averages, "maximum": maxima}
    for pool, of_view in halves.items():
        found = KeptStatistics(pool, (3, 2), views=2)(pooled)
        assert torch.equal(found, torch.cat([of_view, 2 * of_view], dim=1))


@pytest.mark.parametrize(
    ("name", "classifier"), [("resnet18", "fc"), ("resnet50", "fc"), ("densenet121", "classifier")]
)
def test_a_plain_head_is_torchvisions_network_with_its_classifier_replaced(
    name: str, classifier: str
) -> None:
    model = random_model(name)
    config = tiny_config(
        backbone=name,
        cut=find_backbone(name).cuts[-1],
        head="plain",
        pool="average",
        head_layers=(),
        dropout=0,
    )
    network = build_network(model, config).eval()
    *_, last = network.head
    setattr(model, classifier, last)
    images = noise(3, 64, seed=9)
    with torch.inference_mode():
        expected = model(images)
        found = network(Batch(images))
    assert expected.shape == (3, 2)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "nothing to compare"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    width = find_backbone(name).stages[-1].width
    assert count_parameters(network).trainable == 2 * width + 2


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        # two batch norms and two matrices, as in the assignment's summary
        ({}, 528_384),
        ({"head_layers": ()}, 2 * 1024 + 1024 * 2),
        ({"head": "plain", "pool": "average", "head_layers": ()}, 512 * 2 + 2),
        ({"head": "logistic", "pool": "maximum"}, 512 * 2 + 2),
        ({"head": "logistic", "cut": "fused"}, 2 * (96 + 256 + 512 + 512) * 2 + 2),
        (
            {"head": "plain", "pool": "average", "head_layers": (256, 64)},
            513 * 256 + 257 * 64 + 65 * 2,
        ),
        ({"cut": "classifier"}, 2 * 2000 + 2000 * 512 + 2 * 512 + 512 * 2),
    ],
)
def test_the_head_of_a_configuration(settings: dict[str, Any], parameters: int) -> None:
    assert count_parameters(fresh_head(TrialConfig(**settings))).total == parameters


@pytest.mark.parametrize("name", HEADS)
def test_a_head_divides_the_odds_by_what_positives_weigh_but_not_in_training(
    name: HeadName,
) -> None:
    heads = []
    for settings in ({}, {"positive_weight": 1.5, "positive_copies": 4}):
        torch.manual_seed(0)
        config = tiny_config(head=name, pool="both", **settings)
        heads.append(fresh_head(config).requires_grad_(False))
    features = torch.randn(5, 1024)
    plain, weighted = (head.eval()(features).softmax(dim=1)[:, 1] for head in heads)
    odds, expected = weighted / (1 - weighted), plain / (1 - plain) / 6
    torch.testing.assert_close(odds, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(*(head.train()(features) for head in heads))


def test_every_head_of_a_configuration_has_its_object() -> None:
    assert set(HEADS) == set(get_args(HeadName))


@pytest.mark.parametrize(
    ("name", "described", "is_seeded", "is_exact"),
    [
        ("fastai", "lr 1.0e-03", True, False),
        ("plain", "lr 1.0e-03", True, False),
        ("logistic", "logistic C 1.0e+00", False, True),
    ],
)
def test_what_a_head_says_of_itself(
    name: HeadName, described: str, is_seeded: bool, is_exact: bool
) -> None:
    head = HEADS[name]
    assert head.describe(TrialConfig(head=name)) == described
    assert head.is_seeded == is_seeded
    assert head.is_exact == is_exact
