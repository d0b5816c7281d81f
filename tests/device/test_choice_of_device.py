"""Which device a process takes, and how much of its memory, on GPUs of every maker."""

import os
import subprocess
import sys

import pytest
import torch
from fixtures.accelerator import AMPERE, VOLTA, accelerator

from search.tune.connect import cpus_to_tell, gpus_to_tell
from trainable import device
from trainable.device import Batching, machine_failure, own_device, pick_device, precision, room_on

GIB = 2**30
NO_ROOM = "MPS backend out of memory (MPS allocated: 8 GB)"


@pytest.fixture(autouse=True)
def _whole_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_held_to", {"share": 1.0})


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mps"])
def test_a_process_takes_the_accelerator_of_its_machine(kind: str) -> None:
    with accelerator(kind, memory=10 * GIB):
        assert own_device() == torch.device(kind)
        assert room_on(own_device()) == 4 * GIB
        assert pick_device(0) == torch.device("cpu")
        assert pick_device(0.5) == torch.device(kind)
        # half of it, less what the device's own library takes in each process
        assert room_on(torch.device(kind)) == pytest.approx(0.4 * 4.5 * GIB)


def test_without_a_gpu_it_takes_the_processor_and_refuses_what_was_promised() -> None:
    if torch.accelerator.is_available():
        pytest.skip("this machine has a GPU")
    assert own_device() == torch.device("cpu")
    with pytest.raises(RuntimeError, match=r"was given 1 GPUs, but PyTorch .* sees none"):
        pick_device(1)


@pytest.mark.parametrize(
    ("kind", "capability", "has_bfloat16"),
    [
        ("cuda", AMPERE, True),
        ("cuda", VOLTA, False),
        ("xpu", AMPERE, True),
        ("xpu", VOLTA, False),
        ("mps", AMPERE, False),
    ],
)
def test_bfloat16_is_for_devices_that_compute_in_it(
    kind: str, capability: tuple[int, int], *, has_bfloat16: bool
) -> None:
    with accelerator(kind, capability=capability) as gpu:
        assert (precision(gpu.device) == torch.bfloat16) == has_bfloat16


@pytest.mark.parametrize(("kind", "told"), [("cuda", None), ("xpu", 1), ("mps", 1)])
def test_ray_is_told_of_gpus_that_it_may_not_find(kind: str, told: int | None) -> None:
    with accelerator(kind):
        assert gpus_to_tell() == told


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError(NO_ROOM)]
)
def test_a_full_gpu_of_any_maker_is_met_by_smaller_batches(error: RuntimeError) -> None:
    def work(rows: torch.Tensor) -> int:
        if len(rows) > 2:
            raise error
        return len(rows)

    with pytest.warns(UserWarning, match="2 are run at once from here on"):
        assert [*Batching(4, "a test").run(torch.arange(6), work)] == [2, 2, 2]
    assert machine_failure(error) is None


def test_another_error_of_a_batch_is_raised_as_it_is() -> None:
    def work(_: torch.Tensor) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(Batching(4, "a test").run(torch.arange(6), work))


def test_ray_is_told_of_the_cpus_that_slurm_leaves_a_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usable = len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "cpu_count", lambda: usable)
    assert cpus_to_tell() is None
    monkeypatch.setattr(os, "cpu_count", lambda: usable + 62)
    assert cpus_to_tell() == usable


def test_what_apple_s_gpu_lacks_runs_on_the_processor_unless_the_user_says_no() -> None:
    name = "PYTORCH_ENABLE_MPS_FALLBACK"
    asks = f"import os, sys, trainable; print('torch' in sys.modules, os.environ['{name}'])"
    others = {key: value for key, value in os.environ.items() if key != name}
    for given, found in (({}, "1"), ({name: "0"}, "0")):
        command = [sys.executable, "-c", asks]
        said = subprocess.check_output(command, env={**others, **given}, text=True)
        assert said.split() == ["False", found], "it is set before PyTorch is imported"
