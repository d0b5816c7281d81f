"""A stored model is used only if all that it depends on is the same; changed images are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.networks import random_pixels, tiny_config
from fixtures.winners import make_winner
from PIL import Image

from analysis.launch import only_writer
from analysis.retrain import Retraining
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.config import HeadName
from trainable.errors import InputError
from trainable.images.pixels import pixels_name
from trainable.reading.image_files import hash_files
from trainable.store.arrays import ArrayStore

CONFIG = tiny_config()


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path, pixels in zip(paths, random_pixels(12), strict=True):
        Image.fromarray(pixels).save(path)
    names = [str(path) for path in paths]
    columns = {"image": names, "path": names, "patient": names, "sha256": hash_files(names)}
    manifest = pd.DataFrame(columns).assign(label=np.arange(12) % 2, split="")
    return Cohort(manifest, (LabelRule(("alive", "dead")),))


@pytest.fixture
def retraining(tmp_path: Path, cohort: Cohort) -> Retraining:
    return Retraining(tmp_path, make_winner(CONFIG), cohort, 1, ArrayStore(tmp_path / "cache"))


def num_trained(retraining: Retraining) -> int:
    """How many networks have to be trained for the best member's model."""
    numbers: list[int] = []
    model = retraining.model(retraining.winner.best, lambda number, _: numbers.append(number))
    assert len(model.networks) == retraining.num_fits
    return len(numbers)


def test_a_model_is_trained_once_and_kept(retraining: Retraining) -> None:
    assert [num_trained(retraining), num_trained(retraining)] == [1, 0]


def test_with_another_number_of_seeds_the_model_is_trained_beside_the_first(
    retraining: Retraining,
) -> None:
    assert num_trained(retraining) == 1
    assert num_trained(replace(retraining, num_seeds=2)) == 2
    assert [num_trained(retraining), num_trained(replace(retraining, num_seeds=2))] == [0, 0]


@pytest.mark.parametrize("head", ["fastai", "plain"])
def test_a_network_is_fitted_as_often_as_its_scores_were_averaged(
    retraining: Retraining, head: HeadName
) -> None:
    winner = make_winner(tiny_config(head=head), folds=3, repeats=3)
    as_judged = replace(retraining, winner=winner, num_seeds=None)
    networks = as_judged.model(winner.best, lambda *_: None).networks
    weights = [next(network.head.parameters()) for network in networks]
    assert len(weights) == 3
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_a_head_without_a_seed_is_fitted_once_to_all(retraining: Retraining) -> None:
    winner = make_winner(tiny_config(head="logistic"), folds=3, repeats=3)
    said: list[int] = []
    once = replace(retraining, winner=winner, num_seeds=None)
    model = once.model(winner.best, lambda number, _: said.append(number))
    assert len(model.networks) == 1
    assert said == [1]


def test_whatever_a_model_depends_on_is_in_its_folder(retraining: Retraining) -> None:
    winner, cohort = retraining.winner, retraining.cohort
    best, weights = winner.best, winner.weights
    relabelled = Cohort(
        cohort.manifest.assign(label=1 - cohort.manifest["label"]), (LabelRule(("a", "b")),)
    )
    other_weights = weights.model_copy(update={"fingerprints": {str(CONFIG.backbone): "other"}})
    folders = [
        retraining.folder(best),
        retraining.folder(best.model_copy(update={"num_steps": best.num_steps + 1})),
        retraining.folder(best.model_copy(update={"config": tiny_config(seed=1)})),
        replace(retraining, num_seeds=2).folder(best),
        replace(retraining, cohort=relabelled).folder(best),
        replace(retraining, winner=winner.model_copy(update={"weights": other_weights})).folder(
            best
        ),
    ]
    assert len(set(folders)) == len(folders)
    # neither the threshold nor the other trials change what is trained
    assert retraining.folder(best.model_copy(update={"threshold": 0.9})) == folders[0]


def test_two_predictions_may_train_the_same_model_at_once(retraining: Retraining) -> None:
    best = retraining.winner.best

    def meanwhile(*_: object) -> None:
        replace(retraining).model(best, lambda *_: None)

    folder = retraining.folder(best)
    (folder.parent / f".{folder.name}-x1y2z3a4").mkdir(parents=True)
    retraining.model(best, meanwhile)
    assert {path.name for path in folder.parent.iterdir()} == {".lock", folder.name}


def test_two_predictions_into_one_file_are_not_made_at_once(tmp_path: Path) -> None:
    with only_writer(tmp_path / "out.csv"):
        with (
            pytest.raises(InputError, match=r"another cxr-predict is writing .*out\.csv"),
            only_writer(tmp_path / "out.csv"),
        ):
            pass
        with only_writer(tmp_path / "other.csv"):
            pass
    assert not list(tmp_path.iterdir())


def test_a_changed_image_is_refused_and_not_stored_under_the_old_content(
    retraining: Retraining,
) -> None:
    manifest = retraining.cohort.manifest
    Image.fromarray(random_pixels(1, seed=9)[0]).save(manifest["path"][3])
    with pytest.raises(InputError, match=r"have changed since the search began: .*3\.png; put"):
        num_trained(retraining)
    Path(manifest["path"][5]).unlink()
    with pytest.raises(InputError, match=r"missing: .*5\.png"):
        num_trained(retraining)
    name = pixels_name(tuple(manifest["sha256"]), CONFIG.preprocessing.square)
    assert not retraining.store.path(name).exists()
    assert not (retraining.run / "models").exists()
