"""Faults that only a GPU would show are found on the accelerator that is not there."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.accelerator import WrongDeviceError, accelerator
from fixtures.device_trials import device_config, trial_on
from torch import Tensor, nn

from trainable.images import batches
from trainable.model import network
from trainable.model.outputs import OneFinding
from trainable.trial import cross_validation


def _fails(tmp_path: Path, **settings: Any) -> None:
    with accelerator() as gpu, pytest.raises(WrongDeviceError):
        trial_on(gpu, tmp_path / "gpu", device_config(**settings))


def test_a_network_that_stays_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_validation, "place", lambda module, _: module)
    _fails(tmp_path)


def test_labels_that_stay_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = cross_validation.assemble

    def assemble(*args: Any) -> cross_validation.Assembly:
        found = whole(*args)
        return dataclasses.replace(found, labels=found.labels.cpu())

    monkeypatch.setattr(cross_validation, "assemble", assemble)
    _fails(tmp_path)


def test_covariates_that_stay_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_columns(inputs: batches.Batches, columns: Tensor, _: object) -> batches.Batches:
        return lambda rows: inputs(rows)._replace(columns=columns[rows])

    monkeypatch.setattr(cross_validation, "with_columns", with_columns)
    _fails(tmp_path, covariates=True)


def test_columns_of_the_pool_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnProcessor(network.KeptStatistics):
        def forward(self, pooled: Tensor) -> Tensor:
            return pooled.index_select(1, self.columns.cpu())

    monkeypatch.setattr(cross_validation, "KeptStatistics", OnProcessor)
    _fails(tmp_path, pool="average")


def test_a_module_that_makes_a_tensor_without_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = OneFinding.loss

    def loss(self: OneFinding, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        return plain(self, logits + torch.zeros(len(logits), 1), targets, weights)

    monkeypatch.setattr(OneFinding, "loss", loss)
    _fails(tmp_path)


@pytest.mark.parametrize("read", [Tensor.item, Tensor.cpu, Tensor.nonzero, bool])
def test_a_read_in_each_step_is_counted_once_per_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Any
) -> None:
    plain, counts = OneFinding.num_right, []

    def num_right(self: OneFinding, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        read(logits.sum())
        return plain(self, logits, targets)

    monkeypatch.setattr(OneFinding, "num_right", num_right)
    for batch_size in (3, 6):
        config = device_config(batch_size=batch_size, epochs=1)
        with accelerator() as gpu:
            steps = trial_on(gpu, tmp_path / str(batch_size), config).last_epoch.num_steps
        # the validation rows are judged at the end of the epoch, too
        of_line = {line: count for line, count in gpu.waits.reads.items() if "read(" in line}
        counts.append(sum(of_line.values()))
        assert counts[-1] == steps + 1
    assert counts[0] > counts[1]


def test_what_is_copied_in_each_step_from_memory_that_is_not_pinned_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainable.training.loop.upload", lambda rows, device: rows.to(device))
    with accelerator() as gpu:
        steps = trial_on(gpu, tmp_path / "gpu", device_config(batch_size=3, epochs=1)).last_epoch
    lines = [count for line, count in gpu.waits.copies.items() if "rows.to(device)" in line]
    assert sum(lines) >= steps.num_steps


def test_operations_of_two_devices_are_refused_as_on_a_gpu() -> None:
    with accelerator() as gpu:
        there, here = torch.ones(2, device=gpu.device), torch.ones(2)
        for fails in (
            lambda: there + here,
            lambda: torch.cat([there, here]),
            lambda: nn.Linear(2, 2)(there),
            lambda: here[torch.zeros(1, dtype=torch.int64, device=gpu.device)],
        ):
            with pytest.raises(WrongDeviceError):
                fails()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        # as a GPU allows
        assert (there + torch.tensor(1.0)).device == gpu.device
        assert there[torch.tensor([0])].device == gpu.device
        assert there.cpu().numpy().sum() == 2
        assert nn.Linear(2, 2).to(gpu.device)(there).device == gpu.device
        gradients = torch.ones(2, device=gpu.device, requires_grad=True)
        (gradients * there).sum().backward()
        assert gradients.grad is not None
        assert gradients.grad.device == gpu.device


def test_apples_gpu_has_no_float64() -> None:
    with accelerator("mps") as gpu:
        with pytest.raises(TypeError, match="float64"):
            torch.ones(2, dtype=torch.float64).to(gpu.device)
        with pytest.raises(TypeError, match="float64"):
            torch.ones(2).to(gpu.device).double()
