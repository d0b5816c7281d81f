"""How an epoch is cut into gradient steps, and when there are too few of them."""

import numpy as np
import pytest
import torch
from fixtures.networks import head_only, tiny_config

from trainable.images.batches import Batch
from trainable.training.loop import FoldData, fit
from trainable.training.steps import epoch_batches, few_steps_note, num_steps
from trainable.trial.final import for_as_many_steps


@pytest.mark.parametrize("batch_size", [2, 3, 4, 8, 64])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 7, 8, 9, 16, 17, 65])
def test_an_epoch_is_every_row_once_and_no_batch_of_one(count: int, batch_size: int) -> None:
    rows = np.arange(100, 100 + count)
    torch.manual_seed(0)
    first, second = epoch_batches(rows, batch_size), epoch_batches(rows, batch_size)
    for batches in (first, second):
        assert sorted(torch.cat(list(batches)).tolist()) == rows.tolist()
        sizes = [len(batch) for batch in batches]
        assert min(sizes) >= 2
        assert all(size == batch_size for size in sizes[:-1])
        assert sizes[-1] <= batch_size + 1
    if count > 6:
        assert torch.cat(list(first)).tolist() != torch.cat(list(second)).tolist()
    assert num_steps(count, batch_size, 3) == 3 * len(first)


@pytest.mark.parametrize(("count", "batch"), [(2, 2), (9, 8), (10, 8), (17, 4), (5, 64), (33, 2)])
def test_the_number_of_steps_is_foretold(count: int, batch: int) -> None:
    config = tiny_config(batch_size=batch, epochs=3)
    labels, features = torch.arange(count) % 2, torch.randn(count, 4)
    network, rows = head_only(4, config), np.arange(count)
    *_, last = fit(
        network, FoldData(lambda r: Batch(features[r]), labels[:, None], rows, rows[:0]), config, 0
    )
    assert last.num_steps == num_steps(count, batch, 3)


def test_too_few_steps_are_said_to_be_too_few() -> None:
    note = few_steps_note(118, 64, 5)
    assert note is not None
    assert "only 10 gradient steps" in note
    assert "118 training images, batches of 64, 5 epochs" in note
    assert few_steps_note(118, 16, 5) is None
    assert few_steps_note(60, 2, 1) is None
    assert few_steps_note(58, 2, 1) is not None


def test_a_model_of_all_images_lowers_its_rate_at_the_same_steps() -> None:
    config = tiny_config(epochs=20, step_epochs=7, batch_size=10)
    longer = for_as_many_steps(config, num_steps(400, 10, config.epochs), 500)
    of_scored, of_final = num_steps(400, 10, 1), num_steps(500, 10, 1)
    assert longer.epochs * of_final == pytest.approx(config.epochs * of_scored, abs=of_final / 2)
    lowered, before = longer.step_epochs * of_final, config.step_epochs * of_scored
    assert lowered == pytest.approx(before, abs=of_final / 2)
