"""Our networks against those that fastai itself builds, on the same weights.

uv run --isolated --group fastai pytest -m fastai tests/model
"""

import pytest
import torch
from fixtures.networks import noise, random_model, tiny_config
from torch import Tensor, nn

from search.space.experiments import fastai_cut
from trainable.backbones.encoder import find_backbone
from trainable.images.batches import Batch
from trainable.model.network import Network, count_parameters
from trainable.trial.cross_validation import build_network

pytestmark = [
    pytest.mark.fastai,
    # fastai's own: it uses what PyTorch and pandas have deprecated
    pytest.mark.filterwarnings("ignore"),
]
DROPOUT = 0.5


def both(name: str, cut: int | None, layers: tuple[int, ...]) -> tuple[nn.Sequential, Network]:
    """Fastai's network and ours, their bodies of the same weights and their heads of fastai's."""
    from fastai.vision import learner  # only the group `fastai` installs it

    model = random_model(name)
    body = learner.create_body(model, cut=cut)
    channels = learner.num_features_model(body)
    head = learner.create_head(channels, 2, lin_ftrs=list(layers), ps=DROPOUT)
    learner.apply_init(head, nn.init.kaiming_normal_)
    config = tiny_config(
        backbone=name, cut=fastai_cut(find_backbone(name), cut), head_layers=layers, dropout=DROPOUT
    )
    network = build_network(model, config)
    with torch.no_grad():
        for ours, theirs in zip(
            network.head.state_dict().values(), head.state_dict().values(), strict=True
        ):
            ours.copy_(theirs)
    return nn.Sequential(body, head), network


@pytest.mark.parametrize("layers", [(512,), (), (256, 64)])
@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("squeezenet1_0", None),
        ("squeezenet1_0", -1),
        ("squeezenet1_0", 2),
        ("squeezenet1_1", 20),
        ("resnet18", None),
        ("resnet50", 6),
        ("mobilenet_v3_large", None),
    ],
)
def test_the_same_images_give_the_same_output(
    name: str, cut: int | None, layers: tuple[int, ...]
) -> None:
    theirs, ours = both(name, cut, layers)
    images = noise(3, 64, seed=2)
    with torch.inference_mode():
        expected = theirs.eval()(images)
        found = ours.eval()(Batch(images))
    assert expected.shape == (3, 2)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "nothing to compare"
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert count_parameters(ours).total == count_parameters(theirs).total


@pytest.mark.parametrize("layers", [(512,), (), (256, 64)])
def test_the_same_dropout_is_drawn_in_training(layers: tuple[int, ...]) -> None:
    theirs, ours = both("squeezenet1_0", None, layers)
    pooled = ours.prefix(noise(4, 64, seed=3))

    def trained(head: nn.Module) -> Tensor:
        torch.manual_seed(0)
        output: Tensor = head.train()(pooled)
        return output

    head = theirs[1]
    assert isinstance(head, nn.Sequential)
    torch.testing.assert_close(trained(ours.head), trained(head[2:]))


def test_the_assignments_summary_is_that_of_fastai() -> None:
    theirs, _ = both("squeezenet1_0", None, (512,))
    assert count_parameters(theirs).total == 1_263_808
