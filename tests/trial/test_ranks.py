"""A trial on several devices of a node: two processes on this machine's CPU, joined by gloo."""

import dataclasses
import functools
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
import torch
from fixtures.forks import forks
from fixtures.networks import CPU, RANDOM, noise, random_pixels, tiny_config
from fixtures.tasks import write_task
from torch import distributed
from torch.multiprocessing import start_processes

from trainable.backbones.encoder import Encoder, find_backbone
from trainable.cohort.splits import Fold
from trainable.images.batches import Batch
from trainable.store.arrays import ArrayStore
from trainable.training.loop import EpochRecord, FoldData, fit
from trainable.training.split_network import split_over_ranks
from trainable.trial.cross_validation import cross_validate, new_network
from trainable.trial.ranks import LostRankError, RankError, cross_validate_on_ranks
from trainable.trial.task import Task

# no number of images below is a multiple of two; a batch has no positive one, one or more
SQUEEZENET = tiny_config(cut="features.5", unfreeze=1, batch_size=5, dropout=0.5, positive_weight=5)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    labels = np.arange(41) % 5 // 4
    return write_task(tmp_path_factory.mktemp("task"), random_pixels(41), labels)


def test_a_trial_on_two_ranks_is_what_it_is_on_one_and_leaves_none_when_stopped(task: Task) -> None:
    # a high rate would make much of the order of sums: another number of threads does that too
    config = SQUEEZENET.model_copy(update={"learning_rate": 1e-4})
    store = ArrayStore(task.cache)
    trial = cross_validate_on_ranks(2, "cpu", config, task, store)
    two = next(trial)
    processes = multiprocessing.active_children()
    assert len(processes) == 2
    trial.close()
    assert not any(process.is_alive() for process in processes)
    one = next(iter(cross_validate(config, task, CPU, store)))
    assert two.fold == one.fold == 1
    assert two.source == one.source == "activations"
    np.testing.assert_allclose(two.scores, one.scores, rtol=1e-3)


@pytest.fixture
def quick_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks import nothing; those of the first test do, as a user's do."""
    fork = functools.partial(start_processes, start_method=forks().get_start_method())
    monkeypatch.setattr(torch.multiprocessing, "spawn", fork)


@pytest.mark.usefixtures("quick_ranks")
def test_a_rank_that_is_killed_fails_the_trial_and_takes_the_others_along(task: Task) -> None:
    config = SQUEEZENET.model_copy(update={"epochs": 50})
    trial = cross_validate_on_ranks(2, "cpu", config, task, ArrayStore(task.cache))
    next(trial)
    ranks = multiprocessing.active_children()
    os.kill(ranks[-1].pid or 0, signal.SIGKILL)
    with pytest.raises(LostRankError, match=r"process \d of 2 .*: it was ended by SIGKILL$"):
        list(trial)
    assert not any(rank.is_alive() for rank in ranks)


@pytest.mark.usefixtures("quick_ranks")
def test_the_error_of_a_rank_is_said(task: Task) -> None:
    config = SQUEEZENET.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(RankError, match=r": .*DivergedError: .* a smaller one is needed$"):
        list(cross_validate_on_ranks(2, "cpu", config, task, ArrayStore(task.cache)))


CUDA_LINES = "CUDA error: an illegal memory access was encountered\nSearch for it in the manual."


class FailingFolds(tuple[Fold, ...]):
    """Folds whose first rank fails with an error that a GPU or a machine gives."""

    def __new__(cls, error: Exception) -> Self:
        folds = super().__new__(cls)
        folds.error = error
        return folds

    error: Exception

    def __reduce__(self) -> tuple[type["FailingFolds"], tuple[Exception]]:
        return FailingFolds, (self.error,)

    def __iter__(self) -> Iterator[Fold]:
        if distributed.get_rank() == 0:
            raise self.error
        distributed.barrier()  # the others wait for it, and fail in their turn
        raise AssertionError("the first rank does not come")


@pytest.mark.usefixtures("quick_ranks")
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB."), RankError),
        (torch.AcceleratorError(CUDA_LINES), LostRankError),
    ],
)
def test_an_error_of_a_rank_is_classed_as_on_one_device(
    task: Task, error: Exception, kind: type[RankError]
) -> None:
    failing = dataclasses.replace(task, folds=FailingFolds(error))
    with pytest.raises(RankError) as failed:
        list(cross_validate_on_ranks(2, "cpu", SQUEEZENET, failing, ArrayStore(task.cache)))
    assert type(failed.value) is kind
    assert str(failed.value).startswith("process 1 of 2 of this trial failed")
    assert str(error).partition("\n")[0] in str(failed.value)
    assert "manual" not in str(failed.value)


def fitted(backbone: str, cut: str, *, split: bool) -> tuple[list[EpochRecord], torch.Tensor]:
    """Records of two epochs of the real `fit`, in double precision, and all that was learnt."""
    config = SQUEEZENET.model_copy(update={"backbone": Encoder(backbone), "cut": cut})
    model = RANDOM.build(Encoder.read(backbone))
    *_, last = find_backbone(backbone).body(model, cut)
    network = new_network(config, [], [last], 1, CPU).double()
    if split:
        network = split_over_ranks(network, CPU)
    channels = next(p for p in last.parameters() if p.ndim == 4).shape[1]
    maps = noise(41, 8)[:, :1].repeat(1, channels, 1, 1).double()
    rows = np.arange(41)
    labels = torch.from_numpy(rows % 5 // 4)
    records = list(
        fit(
            network,
            FoldData(lambda r: Batch(maps[r]), labels[:, None], rows[:31], rows[31:], (5.0,)),
            config,
            seed=2,
        )
    )
    return records, torch.cat([value.flatten() for value in network.state_dict().values()])


def check_fit(rank: int, meeting: str) -> None:
    """What each of two ranks does and asserts."""
    torch.set_num_threads(1)
    rendezvous = f"file://{meeting}/ranks"
    distributed.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    alone, learnt_alone = fitted("squeezenet1_0", "features.5", split=False)
    together, learnt = fitted("squeezenet1_0", "features.5", split=True)
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_allclose(two.train_loss, one.train_loss, rtol=1e-9)
        np.testing.assert_allclose(two.scores, one.scores, rtol=1e-6)
    torch.testing.assert_close(learnt, learnt_alone, rtol=1e-6, atol=1e-9)
    # batch norm and stochastic depth in the body: not what one device learns, but one network
    _, learnt = fitted("efficientnet_b0", "features.3", split=True)
    of_ranks = [torch.empty_like(learnt) for _ in range(2)]
    distributed.all_gather(of_ranks, learnt)
    torch.testing.assert_close(of_ranks[0], of_ranks[1], rtol=0, atol=0)
    distributed.destroy_process_group()


@pytest.mark.usefixtures("quick_ranks")
def test_fit_on_two_ranks_learns_what_it_learns_on_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(check_fit, (str(tmp_path),), nprocs=2)
