"""A network on examinations of several views, in a trial and in predictions."""

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fixtures.networks import (
    CPU,
    RANDOM,
    STATISTICS,
    random_images,
    random_pixels,
    snapshot,
    tiny_config,
)
from fixtures.winners import make_winner
from PIL import Image

from analysis.model_file import load_model, save_model
from analysis.new_images import find_new_images
from analysis.predict import predictions_and_scores, score
from analysis.retrain import Retraining
from analysis.true_labels import read_true_labels
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, trial_rows
from trainable.errors import InputError
from trainable.evaluation.scoring import Scoring, ThresholdPolicy
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.augmentation import augment, with_augmented
from trainable.images.batches import Batch, by_examination
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import cross_validate, new_network
from trainable.trial.task import Task, TrainingData

EXAMS = np.array([[0, 4], [2, -1], [-1, 3], [5, 1]])
ROWS = torch.tensor([1, 3, 2, 1])


def test_features_stand_side_by_side_in_the_order_of_the_views() -> None:
    table = torch.arange(12.0).reshape(6, 2)
    asked: list[int] = []

    def features(numbers: torch.Tensor) -> torch.Tensor:
        asked.extend(numbers.tolist())
        return table[numbers]

    batch = by_examination(features, EXAMS)(ROWS)
    assert asked == [2, 5, 1, 3, 2], "a missing view is no image"
    zeros = [0.0, 0.0]
    expected = [[4.0, 5.0, *zeros], [10.0, 11.0, 2.0, 3.0], [*zeros, 6.0, 7.0], [4.0, 5.0, *zeros]]
    assert batch.side_by_side().tolist() == expected


def test_examinations_of_one_view_are_their_images() -> None:
    table = torch.arange(12.0).reshape(6, 2)
    batch = by_examination(lambda numbers: table[numbers], EXAMS[[0, 3], :1])
    found = batch(torch.tensor([1, 0]))
    assert found.present is None
    assert torch.equal(found.images, table[[5, 0]])


@pytest.mark.parametrize(("unfreeze", "head"), [(0, "fastai"), (1, "plain"), (4, "fastai")])
def test_each_view_goes_through_the_shared_body(tmp_path: Path, unfreeze: int, head: str) -> None:
    images = random_images(6)
    config = tiny_config(unfreeze=unfreeze, head=head, views=2)
    body = Body(images, config, RANDOM, CPU)
    network = new_network(config, body.frozen, body.trained, 0, CPU).eval()
    normalized = images.as_seen_by(config.preprocessing, CPU)
    each = network.pool(network.trained(network.frozen(normalized(torch.arange(6)))))
    pairs = [
        torch.cat([each[n] if n >= 0 else torch.zeros_like(each[0]) for n in EXAMS[row]])
        for row in ROWS
    ]
    expected = network.head(torch.stack(pairs))
    whole = network(by_examination(normalized, EXAMS)(ROWS))
    torch.testing.assert_close(whole, expected, rtol=1e-3, atol=1e-3)
    for cache_bytes in (2**30, 0):
        stored, _ = frozen_inputs(body, ArrayStore(tmp_path, cache_bytes))
        found = network.suffix(by_examination(stored, EXAMS)(ROWS))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_what_is_learnt_does_not_hang_on_missing_views() -> None:
    config = tiny_config(backbone="resnet18", cut="layer4", unfreeze=1, views=2)
    body = Body(random_images(6), config, RANDOM, CPU)
    there = body.activations(torch.tensor([2, 5, 1]))
    present = torch.tensor([[True, False], [True, True]])
    network = new_network(config, [], body.trained, 0, CPU).train()
    before = snapshot(network)
    loss = network.suffix(Batch(there, present)).square().sum()
    loss.backward()
    statistics = snapshot(network.trained)
    network.load_state_dict(before)
    network.trained(there)
    for name, value in network.trained.state_dict().items():
        assert torch.equal(value, statistics[name]), name
    gradients = [p.grad for p in network.trained.parameters() if p.grad is not None]
    assert len(gradients) == len(list(network.trained.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_views_of_a_positive_examination_are_augmented_each_in_its_place(tmp_path: Path) -> None:
    images, hashes = random_images(6), [f"content{number}" for number in range(6)]
    labels = np.array([0, 1, 1, 1])
    rows = trial_rows(EXAMS, labels[:, None], 3)
    augmented = with_augmented(images, hashes, rows.positives, 3, ArrayStore(tmp_path))
    pixels = np.concatenate([table.pixels for table in augmented.tables])
    assert len(rows.images) == 4 + 2 * 3
    assert np.array_equal(rows.images[:4], EXAMS)
    for number, (row, origin) in enumerate(zip(rows.images[4:], rows.origins[4:], strict=True)):
        assert labels[origin] == 1
        for image, source in zip(row, EXAMS[origin], strict=True):
            if source < 0:
                assert image == -1
            else:
                expected = augment(images.pixels[source], 1 + number // 3)
                assert np.array_equal(pixels[image], expected)


NUM_EXAMS = 24


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Examinations whose lateral view alone tells their label; every fourth lacks the frontal."""
    folder = tmp_path_factory.mktemp("exams")
    return read_cohort(DataOptions(data=write_exams(folder, seed=0), views=2))


def write_exams(folder: Path, seed: int) -> Path:
    pixels, rows = random_pixels(2 * NUM_EXAMS, seed=seed) // 2, []
    for exam in range(NUM_EXAMS):
        died = exam // 2 % 2
        for place, view in enumerate(("frontal", "lateral")):
            if exam % 4 or view == "lateral":
                image = pixels[2 * exam + place] + np.uint8(120 * died * place)
                name = f"{exam}{view}.png"
                Image.fromarray(image).save(folder / name)
                rows.append((name, f"{seed}-{exam}", view, f"{seed}-{exam // 2}", died))
    table = pd.DataFrame(rows, columns=["image", "exam", "view", "patient", "died"])
    table.sample(frac=1, random_state=0).to_csv(folder / "exams.csv", index=False)
    return folder / "exams.csv"


def task_of(cohort: Cohort, cache: Path) -> Task:
    part = cohort.patients % 3
    folds = tuple(Fold(np.flatnonzero(part != n), np.flatnonzero(part == n)) for n in range(3))
    return Task(
        TrainingData.of(cohort, STATISTICS),
        folds,
        RANDOM,
        cache,
        2**30,
        Scoring(ThresholdPolicy("fixed", 0.5)),
        seed=1,
    )


LEARNER: dict[str, Any] = {
    "cut": "features.2", "views": 2, "epochs": 15, "learning_rate": 0.01, "head_layers": (32,),
}  # fmt: skip


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_what_one_view_tells_is_learnt(tmp_path: Path, cohort: Cohort, unfreeze: int) -> None:
    config = tiny_config(**LEARNER, unfreeze=unfreeze)
    task = task_of(cohort, tmp_path)
    *_, last = cross_validate(config, task, CPU, ArrayStore(tmp_path))
    assert last.scores.shape == (NUM_EXAMS, 1)
    _, [found] = task.judge(last.scores)
    auc = found["auc"]
    assert auc is not None
    assert auc > 0.95


@pytest.mark.parametrize("unfreeze", [0, 1])
def test_no_score_depends_on_the_labels_of_its_fold(
    tmp_path: Path, cohort: Cohort, unfreeze: int
) -> None:
    config = tiny_config(**{**LEARNER, "epochs": 2}, unfreeze=unfreeze, positive_copies=2)
    task, store = task_of(cohort, tmp_path), ArrayStore(tmp_path)
    *_, before = cross_validate(config, task, CPU, store)
    flipped = task.data.labels.copy()
    inside, outside = task.folds[1].valid, task.folds[1].train
    flipped[inside] = 1 - flipped[inside]
    data = dataclasses.replace(task.data, labels=flipped)
    *_, after = cross_validate(config, dataclasses.replace(task, data=data), CPU, store)
    assert np.array_equal(after.scores[inside], before.scores[inside])
    assert not np.any(after.scores[outside] == before.scores[outside])


def test_a_configuration_for_another_number_of_views_is_refused(
    tmp_path: Path, cohort: Cohort
) -> None:
    config = tiny_config(views=3)
    with pytest.raises(ValueError, match=r"must be 2, .* \(got 3\)"):
        next(cross_validate(config, task_of(cohort, tmp_path), CPU, ArrayStore(tmp_path)))


@pytest.mark.parametrize("positive_copies", [1, 2])
def test_one_prediction_an_examination_in_the_order_of_the_template(
    tmp_path: Path, cohort: Cohort, positive_copies: int
) -> None:
    config = tiny_config(**LEARNER, unfreeze=1, positive_copies=positive_copies)
    num_rows = NUM_EXAMS + (positive_copies - 1) * int(cohort.labels.sum())
    steps_of_a_fold = config.epochs * math.ceil(num_rows / config.batch_size)
    winner = make_winner(config, steps_of_a_fold, thresholds=(0.5,))
    store = ArrayStore(tmp_path / "cache")
    steps = []
    retraining = Retraining(tmp_path, winner, cohort, 1, store)
    model = retraining.model(winner.best, lambda _, record: steps.append(record.num_steps))
    assert steps == [steps_of_a_fold]
    (tmp_path / "new").mkdir()
    csv = write_exams(tmp_path / "new", seed=7)
    template = tmp_path / "template.csv"
    order = [f"7-{exam}" for exam in np.random.default_rng(0).permutation(NUM_EXAMS)[:20]]
    pd.DataFrame({"Study": order, "died": "?"}).to_csv(template, index=False)
    new = find_new_images(csv, template, cohort)
    assert new.num_unlisted == 4
    scores = score([model], new, store).scores
    predictions, table = predictions_and_scores(new, scores, winner, cohort.label_rules)
    assert predictions["Study"].tolist() == table["exam"].tolist() == order
    truth = read_true_labels(csv, new, cohort)
    expected = [int(exam.split("-")[1]) // 2 % 2 for exam in order]
    assert truth.labels[:, 0].tolist() == expected
    assert predictions["died"].tolist() == [str(label) for label in expected]
    assert len(np.unique(truth.patients)) == len({int(e.split("-")[1]) // 2 for e in order})
    everything = find_new_images(csv, None, cohort)
    again = dict(
        zip(everything.table["exam"], score([model], everything, store).scores, strict=True)
    )
    np.testing.assert_allclose(scores, [again[exam] for exam in order], rtol=1e-4, atol=1e-5)
    save_model(model, tmp_path / "copy")
    same = score([load_model(tmp_path / "copy")], new, store).scores
    np.testing.assert_allclose(same, scores, rtol=1e-5)


def test_new_views_keep_the_place_that_they_had_in_the_search(
    tmp_path: Path, cohort: Cohort
) -> None:
    table = pd.read_csv(write_exams(tmp_path, seed=3), dtype=str)
    lateral = table[table["view"] == "lateral"].rename(columns={"exam": "StudyID"})
    lateral.to_csv(tmp_path / "lateral.csv", index=False)
    new = find_new_images(tmp_path / "lateral.csv", None, cohort)
    assert (new.exam_images[:, 0] == -1).all()
    assert new.exam_images[:, 1].tolist() == list(range(NUM_EXAMS))
    hashes = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in new.paths]
    assert list(new.hashes) == hashes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(view="oblique"), "must be frontal, lateral; there are also: oblique"),
        (lambda t: t.assign(view="lateral"), "may have one image of each view in 'view'"),
        (lambda t: t.drop(columns="view"), "which view it is, in a column 'view'"),
        (lambda t: t.drop(columns="exam"), "which examination it is of, in a column 'exam'"),
        (lambda t: t[t["exam"] != "3-5"], "every examination must have images; without: 3-5"),
        (lambda t: pd.concat([t, t.iloc[:1].assign(exam="3-6")]), "an image may be listed once"),
    ],
)
def test_new_examinations_that_do_not_fit_are_refused(
    tmp_path: Path, cohort: Cohort, change: Any, message: str
) -> None:
    table = pd.read_csv(write_exams(tmp_path, seed=3), dtype=str)
    template = tmp_path / "template.csv"
    table[["exam"]].drop_duplicates().assign(died="").to_csv(template, index=False)
    change(table).to_csv(tmp_path / "changed.csv", index=False)
    with pytest.raises(InputError, match=message):
        find_new_images(tmp_path / "changed.csv", template, cohort)


def test_a_label_of_an_examination_must_be_one(tmp_path: Path, cohort: Cohort) -> None:
    csv = write_exams(tmp_path, seed=3)
    new = find_new_images(csv, None, cohort)
    labels = pd.read_csv(csv, dtype=str).set_index("image")
    labels.loc["5lateral.png", "died"] = "1"
    labels.to_csv(tmp_path / "labels.csv")
    with pytest.raises(InputError, match=r"one label in .*; with two: 3-5"):
        read_true_labels(tmp_path / "labels.csv", new, cohort)


def test_a_batch_keeps_its_shape_when_something_is_computed_of_its_images() -> None:
    batch = Batch(torch.ones(3, 2), torch.tensor([[True, True], [False, True]]))
    doubled = batch.of_images(lambda images: 2 * images)
    assert doubled.side_by_side().tolist() == [[2.0] * 4, [0.0, 0.0, 2.0, 2.0]]
    negated = Batch(torch.ones(3, 2)).of_images(torch.neg)
    assert torch.equal(negated.side_by_side(), -torch.ones(3, 2))
