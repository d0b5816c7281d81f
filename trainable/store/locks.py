"""Locks on files: shared by all who use a file, exclusive for the one that removes it.

They are the operating system's own (`flock`), so they end with the process that holds them, however
it ends. A memory map of a locked file holds the lock for as long as the map lives.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO


def lock(
    path: Path, *, exclusive: bool = False, wait: bool = True, create: bool = False
) -> BinaryIO | None:
    """Open and lock a file; its lock ends when the file is closed.

    Args:
        path: The file.
        exclusive: Whether nobody else may hold a lock on it.
        wait: Whether to wait for others that hold it.
        create: Whether to make the file if it is absent.

    Returns:
        The open file; None if it is absent, or held by others and `wait` is false.
    """
    mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    while True:
        try:
            file = os.fdopen(os.open(path, flags, 0o600), "r+b")
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, mode | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            file.close()
            if isinstance(error, BlockingIOError):
                return None
            raise
        if is_at(file, path):
            return file
        file.close()  # it was removed while we waited


def lock_byte(file: BinaryIO, number: int, *, wait: bool) -> bool:
    """Lock one byte of an open file, there or not, until `unlock_byte` or the process ends.

    It keeps out other processes, not this one. On a network disk it also meets those who hold a
    `lock` on the same file.

    Returns:
        False if another process holds the byte and `wait` is false.
    """
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, number)
    except OSError as error:
        if not wait and error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def unlock_byte(file: BinaryIO, number: int) -> None:
    """Let others lock a byte."""
    fcntl.lockf(file, fcntl.LOCK_UN, 1, number)


def hold(file: BinaryIO) -> None:
    """Keep the lock of a file until this process ends."""
    os.dup(file.fileno())  # never closed
    file.close()


def is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
