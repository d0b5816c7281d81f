"""Peak memory of a process and all that it started, shared pages counted once."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_INTERVAL_SECONDS = 0.5
_KINDS = ("Pss_Anon", "Pss_File", "Pss_Shmem")
"""Pages of no file; those of files, such as libraries and mapped tables; those in memory alone."""


class PeakMemory:
    """Samples while its context lasts: the sum of proportional set sizes (PSS, Linux).

    Attributes:
        peak_gib: The largest sum.
        parts: GiB at that time, by what process it is and by kind of pages.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_gib = 0.0
        self.parts: dict[tuple[str, str], float] = {}

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            kib: Counter[tuple[str, str]] = Counter()
            for pid in _family(self._pid):
                name = _name(pid)
                for kind, size in _pss_kib(pid):
                    kib[name, kind] += size
            if kib.total() / 2**20 > self.peak_gib:
                self.peak_gib = kib.total() / 2**20
                self.parts = {part: size / 2**20 for part, size in kib.items()}


def _family(pid: int) -> list[int]:
    """The process and its descendants, by the parents that `/proc` names."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # the name in brackets may hold blanks
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
    family = [pid]
    for member in family:
        family.extend(child for child, parent in parents.items() if parent == member)
    return family


def _name(pid: int) -> str:
    """The program, or the script that Python runs, or what Ray calls its worker."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return ""
    scripts = [word for word in words[1:] if word.endswith(".py") or word == "search"]
    return Path((scripts or words)[0]).name


def _pss_kib(pid: int) -> Iterator[tuple[str, int]]:
    """Each kind of pages, and their size."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return
    for line in rollup.splitlines():
        kind, _, size = line.partition(":")
        if kind in _KINDS:
            yield kind, int(size.split()[0])
