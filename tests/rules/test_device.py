"""Threads of a trial as it was given CPUs; and what an error says of the machine."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from trainable.device import machine_failure, one_thread, use_threads
from trainable.files import DiskError


@pytest.mark.parametrize("count", [1, 2])
def test_every_library_takes_the_threads_that_it_is_told(count: int) -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = torch.get_num_threads()
    with threadpool_limits(3):
        use_threads(count)
        assert torch.get_num_threads() == count
        assert {library["num_threads"] for library in threadpool_info()} == {count}
    torch.set_num_threads(before)


def test_small_arithmetic_has_one_thread_for_a_while() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DiskError("the disk is full"), "the disk is full"),
        (MemoryError("no room"), "there was not enough memory (MemoryError: no room)"),
        (
            torch.AcceleratorError("CUDA error: lost\nadvice"),
            "torch.AcceleratorError: CUDA error: lost",
        ),
        (torch.OutOfMemoryError("CUDA out of memory"), None),
        (ValueError("a MemoryError in the text"), None),
    ],
)
def test_a_failure_of_the_machine_is_known_by_its_type(error: Exception, said: str | None) -> None:
    found = machine_failure(error)
    assert (found or "").startswith(said or "")
    assert (found is None) == (said is None)
