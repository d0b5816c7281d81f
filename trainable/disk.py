"""What a disk refuses, as one sentence: the folder, the bytes needed and free, and the way out."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ByteSize

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSALS = {
    errno.ENOSPC: "there is no space left on the disk of {folder}",
    errno.EDQUOT: "there is no space left in the disk quota of {folder}",
    errno.EFBIG: "there is no space left for a file of this size in {folder}",
    errno.EROFS: "{folder} is on a disk that can only be read",
    errno.EACCES: "{folder} cannot be written: permission is denied",
    errno.EPERM: "{folder} cannot be written: permission is denied",
    errno.EIO: "the disk of {folder} has failed",
    errno.ESTALE: "the network disk of {folder} has gone",
    errno.ENOTDIR: "{folder} cannot be a folder: a file is in its path",
    errno.EEXIST: "{folder} cannot be a folder: a file is in its path",
    errno.ENAMETOOLONG: "the path {folder} is too long",
}
"""What the numbers of errors mean that are a disk's, and no fault of the program."""


class DiskError(OSError):
    """A disk refuses what is to be written; the text is a sentence with the option that helps."""

    def __str__(self) -> str:
        return str(self.args[0])


@contextlib.contextmanager
def writing(folder: Path, option: str, num_bytes: int = 0) -> Iterator[None]:
    """Turn what the disk refuses below `folder` into a `DiskError`.

    Args:
        folder: Folder that is written to; it need not exist yet.
        option: What names another folder, such as `--cache`.
        num_bytes: Bytes to be written; 0 if not known.
    """
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        if error.errno not in _REFUSALS or not _concerns(error, folder):
            raise
        raise DiskError(_sentence(error.errno, folder, option, num_bytes)) from error


def try_to_write(folder: Path, option: str, num_bytes: int = 1) -> None:
    """Find out whether `folder` can take so many bytes; nothing is left there.

    Raises:
        DiskError: If the disk refuses.
    """
    with writing(folder, option, num_bytes):
        existing = _nearest(folder)
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(existing))
        with tempfile.TemporaryFile(dir=existing) as file:
            reserve(file.fileno(), num_bytes)


def reserve(file: int, num_bytes: int) -> None:
    """Make a file of so many bytes that the disk has room for, so that no write fails later.

    Raises:
        OSError: If the disk has no room. A file that was only made longer would end the process
            by a bus error (SIGBUS), at the first write to a mapped page without room.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, num_bytes)
        return
    block = bytes(1 << 20)
    for start in range(0, num_bytes, len(block)):
        write_at(file, block[: num_bytes - start], start)


def write_at(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at an offset."""
    left = memoryview(data).cast("B")
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def size_text(num_bytes: int) -> str:
    """A number of bytes as a person writes it.

    >>> size_text(3 * 2**20)
    '3 MiB'
    """
    return ByteSize(num_bytes).human_readable(separator=" ").replace(".0 ", " ")


def _concerns(error: OSError, folder: Path) -> bool:
    """Whether the error is of this folder; a write does not say which file it was to."""
    if error.filename is None:
        return True
    path = Path(os.fsdecode(error.filename)).absolute()
    folder = folder.absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _sentence(number: int, folder: Path, option: str, num_bytes: int) -> str:
    what = _REFUSALS[number].format(folder=folder.absolute())
    if number not in _FULL:
        return f"{what}; name another folder with {option}"
    free = size_text(shutil.disk_usage(_nearest(folder)).free)
    needed = f"{size_text(num_bytes)} needed, {free} free" if num_bytes else f"{free} free"
    return f"{what} ({needed}); make room there, or name another folder with {option}"


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())
