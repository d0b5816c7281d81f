"""What trials have freed does not stay with the process."""

import ctypes
import sys
import threading
from pathlib import Path

import pytest
import torch

from trainable.device import return_memory


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_trim"),
    reason="glibc alone keeps freed memory that it can be asked for",
)
def test_memory_freed_below_a_piece_in_use_goes_back_to_the_system() -> None:
    in_use = []

    def work() -> None:
        # 48 KB each: smaller than what glibc asks the system for, and frees, one by one
        pieces = [torch.ones(12_000) for _ in range(4000)]
        in_use.append(pieces[-1])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = _resident_mib()
    return_memory()
    assert before - _resident_mib() > 100


def _resident_mib() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024
