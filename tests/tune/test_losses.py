"""A process that the kernel killed for lack of memory is noticed."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.tune import callbacks

_GROUPS = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group with 64 MB of memory."""
    group = _GROUPS / f"cxr-test-{uuid.uuid4().hex}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("64000000")
    except OSError:
        pytest.skip("a control group of memory is made by root, where Linux has version 1 of them")
    yield group
    group.rmdir()


def test_a_process_that_the_kernel_killed_is_counted(
    little_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_BEFORE", callbacks.num_killed())
    assert callbacks.describe_kills() == ""

    def join() -> None:
        (little_memory / "cgroup.procs").write_text(str(os.getpid()))

    command = [sys.executable, "-c", "bytearray(300_000_000)"]
    killed = subprocess.run(command, preexec_fn=join, check=False)
    assert killed.returncode == -9
    assert "the kernel has killed a process for lack of memory" in callbacks.describe_kills()
