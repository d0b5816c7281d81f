"""The room in a cache folder: what is there, what is in use, and what was used longest ago.

Every kind of file counts towards one budget. Whoever makes a new file removes what was used longest
ago, never what a process has open. Files that cxr did not make are left alone.
"""

import contextlib
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trainable.files import writing
from trainable.store.locks import lock

KINDS = ("survey", "looks", "pixels", "features", "activations", "weights")
"""Kinds of arrays and files; the name of each begins with its kind."""

DOWNLOADS, UNFINISHED = "remote", "unfinished"

OPTION = "--cache"
"""Option of every command that names the folder."""

PARTS = ".parts"
MAKING = ".making"
DATA = "data.npy"

_NAME = re.compile(rf"({'|'.join(KINDS)})-.+(\.npy|\.pth|{re.escape(PARTS)}|\.lock)")
_DOWNLOAD = re.compile(r"[0-9a-f]{24}")
_BEGINNING = re.compile(rf"\.({'|'.join(KINDS)}|[0-9a-f]{{24}})[-.].+")
_LOCK = ".lock"
_ABANDONED_SECONDS = 3600


@dataclass(frozen=True)
class Entry:
    """A file or a folder in the cache, which is removed as a whole.

    Attributes:
        path: The file or folder.
        kind: One of `KINDS`, `DOWNLOADS` or `UNFINISHED`.
        num_bytes: Bytes of all its files.
        last_used: Seconds since 1970.
    """

    path: Path
    kind: str
    num_bytes: int
    last_used: float

    @property
    def lock_file(self) -> Path:
        """The file that those who use the entry hold a lock on."""
        if self.path.suffix == PARTS:
            return self.path / DATA
        return download_lock(self.path) if self.kind == DOWNLOADS else self.path


def download_lock(path: Path) -> Path:
    """The lock of a download, which is a folder or a file, beside it."""
    return path.with_suffix(_LOCK)


class Room:
    """The room in a folder, which may be used by several processes at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process make, finish or remove a file meanwhile."""
        with writing(self.folder, OPTION):
            # decoded images of patients: for nobody else on this machine
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            held = lock(self.folder / _LOCK, exclusive=True, create=True)
        if held is None:
            raise FileNotFoundError(f"the folder was removed meanwhile: {self.folder}")
        with held:
            yield

    def entries(self) -> list[Entry]:
        """All that cxr made in the folder, what was used longest ago first."""
        found = [*self._of_folder(self.folder), *self._of_folder(self.folder / DOWNLOADS)]
        return sorted(found, key=lambda entry: (entry.last_used, entry.path))

    def make(self, num_bytes: int, budget: int, *, must_fit: bool = True) -> bool:
        """Remove what was used longest ago, until `num_bytes` more are within `budget` bytes.

        What is in use stays, so that this may be impossible. The folder must be `locked`.

        Args:
            num_bytes: Bytes that are to be added.
            budget: Bytes that all files may take together.
            must_fit: Whether to remove nothing if the new bytes cannot fit.

        Returns:
            Whether the files, with the new bytes, are now within the budget.
        """
        entries = self.entries()
        excess = sum(entry.num_bytes for entry in entries) + num_bytes - budget
        with contextlib.ExitStack() as locks:
            removable: list[Entry] = []
            for entry in entries:
                if excess <= 0:
                    break
                if _held(entry, locks):
                    removable.append(entry)
                    excess -= entry.num_bytes
            if excess > 0 and must_fit:
                return False
            for entry in removable:
                _remove(entry)
        return excess <= 0

    def clear(self, keep: int = 0) -> list[Entry]:
        """Remove what is not in use, what was used longest ago first, until `keep` bytes are left.

        Returns:
            What was removed.
        """
        removed = []
        with self.locked():
            entries = self.entries()
            left = sum(entry.num_bytes for entry in entries)
            for entry in entries:
                with contextlib.ExitStack() as locks:
                    if (left > keep or not keep) and _held(entry, locks):
                        _remove(entry)
                        removed.append(entry)
                        left -= entry.num_bytes
        return removed

    def _of_folder(self, folder: Path) -> Iterator[Entry]:
        if not folder.is_dir():
            return
        names = _DOWNLOAD if folder.name == DOWNLOADS else _NAME
        for path in folder.iterdir():
            named = names.match(path.name)
            if not named and not _BEGINNING.fullmatch(path.name):
                continue
            if path.suffix == _LOCK and path.with_suffix("").exists():
                continue  # the lock of a download goes with it
            kind = UNFINISHED
            if named and path.suffix not in (PARTS, _LOCK, MAKING):
                kind = DOWNLOADS if names is _DOWNLOAD else named[1]
            with contextlib.suppress(FileNotFoundError):  # removed by another process
                yield _entry(path, kind)


def _entry(path: Path, kind: str) -> Entry:
    facts = [path.lstat()]
    if path.is_dir():
        facts += [one.lstat() for one in path.rglob("*") if not one.name.endswith(_LOCK)]
    # of a download the time is that of its lock, since reading an image changes nothing
    if kind == DOWNLOADS and download_lock(path).exists():
        facts = [*facts, download_lock(path).lstat()]
    num_bytes = sum(fact.st_size for fact in facts if not stat.S_ISDIR(fact.st_mode))
    return Entry(path, kind, num_bytes, max(fact.st_mtime for fact in facts))


def _held(entry: Entry, locks: contextlib.ExitStack) -> bool:
    """Hold the entry exclusively until `locks` end; false if somebody uses it."""
    file = entry.lock_file
    if entry.path.name.startswith("."):
        # what `replacing` began has no lock; a killed process left it if nobody writes to it
        return time.time() - entry.last_used > _ABANDONED_SECONDS
    if not file.exists():
        return True
    held: BinaryIO | None = lock(file, exclusive=True, wait=False)
    if held is None:
        return False
    locks.enter_context(held)
    return True


def _remove(entry: Entry) -> None:
    if entry.path.is_dir():
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        entry.path.unlink(missing_ok=True)
    if entry.kind == DOWNLOADS:
        download_lock(entry.path).unlink(missing_ok=True)
