"""A trial computes in as many threads as it was given CPUs."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from trainable.device import use_threads


@pytest.mark.parametrize("count", [1, 2])
def test_every_library_takes_the_threads_that_it_is_told(count: int) -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = torch.get_num_threads()
    with threadpool_limits(3):
        use_threads(count)
        assert torch.get_num_threads() == count
        assert {library["num_threads"] for library in threadpool_info()} == {count}
    torch.set_num_threads(before)
