"""Light augmentation changes images while a network is trained, and never otherwise."""

import numpy as np
import torch
from fixtures.networks import CPU, RANDOM, noise, tiny_config

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.images.batches import Batch
from trainable.model.network import LightAugmentation, Network
from trainable.training.loop import FoldData, fit
from trainable.trial.cross_validation import new_network

IMAGES = noise(6, 32)


def ramp() -> torch.Tensor:
    """Images (64, 3, 32, 32) that grow from left to right and not from top to bottom."""
    return torch.linspace(-1, 1, 32).expand(64, 3, 32, 32)


def test_scoring_sees_images_as_they_are() -> None:
    assert torch.equal(LightAugmentation().eval()(IMAGES), IMAGES)


def test_every_image_and_every_step_has_a_draw_of_its_own() -> None:
    torch.manual_seed(0)
    same = IMAGES[:1].repeat(6, 1, 1, 1)
    augment = LightAugmentation().train()
    first, second = augment(same), augment(same)
    changed = torch.cat([first, second, same[:1]]).flatten(1)
    distances = torch.cdist(changed, changed) + torch.eye(13)
    assert (distances > 0.1).all()
    torch.manual_seed(0)
    assert torch.equal(augment(same), first)


def test_changes_are_light_and_mirror_nothing() -> None:
    torch.manual_seed(0)
    found = LightAugmentation().train()(ramp())
    assert found.shape == ramp().shape
    slopes = (found[..., 24] - found[..., 8]).mean(dim=(1, 2)) / (ramp()[0, 0, 0, 24] * 2)
    assert (slopes > 0.6).all()
    assert (slopes < 1.4).all()
    assert slopes.std() > 0.05
    assert (found - ramp()).abs().mean() < 0.2


def network(augment: str) -> Network:
    config = tiny_config(backbone="resnet18", cut="layer1", unfreeze=1, augment=augment)
    stages = find_backbone("resnet18").body(RANDOM.build(Encoder("resnet18")), "layer1")
    return new_network(config, [], stages, 0, CPU)


def test_a_trial_trains_on_augmented_images_and_scores_the_images_themselves() -> None:
    rows, labels = np.arange(6), torch.arange(6) % 2
    weights = []
    for augment in ("none", "light"):
        config = tiny_config(backbone="resnet18", cut="layer1", unfreeze=1, augment=augment)
        trained = network(augment)
        *_, last = fit(
            trained,
            FoldData(lambda r: Batch(IMAGES[r]), labels[:, None], rows[:4], rows),
            config,
            0,
        )
        weights.append(trained.trained[0].state_dict()["conv1.weight"])
        with torch.inference_mode():
            scores = trained.eval()(Batch(IMAGES)).softmax(dim=1)[:, 1:]
        np.testing.assert_allclose(last.scores, scores, rtol=1e-5)
    assert not torch.equal(*weights)


def test_the_stored_weights_do_not_depend_on_the_augmentation() -> None:
    assert network("none").state_dict().keys() == network("light").state_dict().keys()
