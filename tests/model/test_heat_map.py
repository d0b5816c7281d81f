"""A heat map adds up to the log-odds, and is hot where the evidence is."""

from typing import Any

import pytest
import torch
from captum.attr import LayerGradCam
from fixtures.networks import noise, random_model, tiny_config
from torch import Tensor, nn

from trainable.backbones.layout import TensorLayout
from trainable.images.batches import Batch
from trainable.model.heat_map import has_heat_map, heat_maps
from trainable.model.network import ConcatPool, Network
from trainable.trial.cross_validation import build_network

IMAGES = noise(3, 64) / 10
EXAMS = Batch(IMAGES)


def network_of(**settings: Any) -> Network:
    """A network whose head has weights, as after training."""
    torch.manual_seed(0)
    config = tiny_config(**{"backbone": "resnet18", "cut": "layer3", "image_size": 64, **settings})
    network = build_network(random_model("resnet18"), config).eval()
    for norm in (module for module in network.head if isinstance(module, nn.BatchNorm1d)):
        norm.running_mean = torch.rand(norm.num_features)
        nn.init.uniform_(norm.bias)
    return network


def log_odds(network: Network, exams: Batch = EXAMS) -> Tensor:
    with torch.no_grad():
        logits: Tensor = network(exams)
    return logits[:, 1] - logits[:, 0]


@pytest.mark.parametrize("head", ["logistic", "fastai", "plain"])
@pytest.mark.parametrize(
    ("pool", "cut"),
    [("average", "layer3"), ("both", "fused"), ("grid", "fused"), ("top+average", "layer3")],
)
def test_the_mean_over_the_places_is_the_log_odds(head: str, pool: str, cut: str) -> None:
    network = network_of(head=head, pool=pool, cut=cut)
    found = heat_maps(network, EXAMS)
    torch.testing.assert_close(found.mean(dim=(1, 2)), log_odds(network))


def test_the_map_of_a_logistic_head_is_its_weights_over_the_activations() -> None:
    network = network_of(head="logistic", pool="average")
    linear = network.head[-1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        weights, bias = linear.weight[1] - linear.weight[0], linear.bias[1] - linear.bias[0]
        expected = torch.einsum("c,bchw->bhw", weights, network.frozen(IMAGES)) + bias
    torch.testing.assert_close(heat_maps(network, EXAMS), expected)


def test_above_a_pool_of_averages_it_is_grad_cam_with_both_signs() -> None:
    network = network_of(head="fastai", pool="average", unfreeze=1)
    grad_cam = LayerGradCam(lambda images: network(Batch(images)), network.trained)
    cam = grad_cam.attribute(IMAGES, target=1) - grad_cam.attribute(IMAGES, target=0)
    ours = heat_maps(network, EXAMS)
    places = ours[0].numel()
    centred = ours - ours.mean(dim=(1, 2), keepdim=True)
    expected = places * (cam - cam.mean(dim=(2, 3), keepdim=True))[:, 0]
    torch.testing.assert_close(centred, expected.detach())


def test_a_maximum_gives_its_share_where_it_is() -> None:
    network = network_of(head="logistic", pool="maximum")
    with torch.no_grad():
        linear = network.head[-1]
        assert isinstance(linear, nn.Linear)
        linear.weight.zero_()
        linear.weight[1, 5] = 1.0  # one channel alone
        channel = network.frozen(IMAGES)[:, 5]
    found = heat_maps(network, EXAMS)
    assert (found.flatten(1).argmax(dim=1) == channel.flatten(1).argmax(dim=1)).all()


def test_fused_stages_are_as_fine_as_the_finest() -> None:
    assert heat_maps(network_of(cut="fused"), EXAMS).shape == (3, 16, 16)
    assert heat_maps(network_of(), EXAMS).shape == (3, 4, 4)


class Patches(nn.Module):
    """Tokens of 4 by 4 places behind a class token, as a vision transformer gives them."""

    def forward(self, images: Tensor) -> Tensor:
        places = images.unfold(2, 16, 16).unfold(3, 16, 16).mean(dim=(4, 5)).flatten(2).mT
        return torch.cat([torch.ones_like(places[:, :1]), places], dim=1)


def test_tokens_lie_where_they_are_in_the_image() -> None:
    layout = TensorLayout(prefix_tokens=1, class_token=True)
    linear = nn.Linear(9, 2, bias=False)
    nn.init.zeros_(linear.weight)
    linear.weight.data[1, 3:] = 1.0  # the averages of 3 channels, and the class token
    network = Network([Patches()], [], nn.Sequential(linear), pool=ConcatPool(layout)).eval()
    found = heat_maps(network, EXAMS)
    of_places = IMAGES.unfold(2, 16, 16).unfold(3, 16, 16).mean(dim=(4, 5)).sum(dim=1)
    torch.testing.assert_close(found, of_places + 3)


@pytest.mark.parametrize("cut", ["layer3", "fused"])
def test_the_means_of_the_views_add_up_to_the_log_odds_of_an_examination(cut: str) -> None:
    network = network_of(head="fastai", views=2, cut=cut)
    exams = Batch(IMAGES, torch.tensor([[True, True], [False, True]]))
    found = heat_maps(network, exams).mean(dim=(1, 2))
    expected = log_odds(network, exams)
    torch.testing.assert_close(torch.stack([found[:2].sum(), found[2]]), expected)


def test_further_columns_have_no_places() -> None:
    assert has_heat_map(tiny_config(views=2))
    assert not has_heat_map(tiny_config(covariates=True))
