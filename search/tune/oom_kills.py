"""Processes that the kernel of this machine has killed for lack of memory."""

import re
from pathlib import Path

_COUNTERS = Path("/proc/vmstat")


def num_killed() -> int:
    """How many since the machine started; 0 where the kernel does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", _COUNTERS.read_text(), re.MULTILINE)
    except OSError:  # no Linux
        return 0
    return int(found[1]) if found else 0


_BEFORE = num_killed()


def describe_kills() -> str:
    """What to add to the loss of a worker; nothing if the kernel killed no process since."""
    num = num_killed() - _BEFORE
    if not num:
        return ""
    processes = "a process" if num == 1 else f"{num} processes"
    return (
        f"; the kernel has killed {processes} for lack of memory since the search began: run fewer "
        "trials at a time with --max-concurrent"
    )
