"""Why a trial lost its worker: what Ray says, and whether the kernel killed for lack of memory."""

import os
import re
from pathlib import Path

from ray.tune.experiment import Trial

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


def why_lost(trial: Trial) -> str:
    """Why and where a trial lost its worker, in a few words of Ray's long account."""
    account = account_of(trial).rpartition("Failure # ")[2]
    broken = re.search(r"^.*BrokenWorkerError: (.*)$", account, re.MULTILINE)
    if broken:
        return f"its worker could not go on: {broken[1]}"
    why = re.search(r"because (its (?:worker process|node) has died)", account)
    where = re.search(r"\bip(?:v4)?: ?([\d.]+)", account)
    on = f" on {where[1]}" if where else ""
    return f"{why[1] if why else 'it cannot be reached'}{on}{describe_kills()}"


def account_of(trial: Trial) -> str:
    """All that Ray says of each loss."""
    return Path(trial.error_file or os.devnull).read_text()
