"""Files and folders that appear as a whole, and a disk that refuses them, in one sentence."""

import contextlib
import errno
import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pydantic import ByteSize

NUM_DIGITS = 24
"""Digits of a `digest`."""

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
    errno.ENOLCK: "the disk of {folder} has no file locks, which keep processes apart",
    errno.ENOTDIR: "{folder} cannot be a folder: a file is in its path",
    errno.EEXIST: "{folder} cannot be a folder: a file is in its path",
    errno.ENAMETOOLONG: "the path {folder} is too long",
}
"""What the numbers of errors mean that are a disk's, and no fault of the program."""


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """New files and folders of this process, and of those that it starts, are its user's alone.

    What is written here tells of patients: their images, ids, ages and scores.
    """
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder beside `path`, then rename it, so that `path` is never half written.

    The folder of `path` is made if it is missing. After an error nothing of the new content is
    left, and the old content of `path` stays. A killed process leaves a hidden folder beside
    `path`, which no reader opens and `remove_partial` removes.

    Args:
        path: The final place. A file there is replaced; a folder there must be empty.

    Yields:
        Where to write. The last part of the name is that of `path`, and nothing is there yet.

    Raises:
        OSError: If the disk refuses, or `path` is a folder that holds something.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield beside / path.name
        (beside / path.name).replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def as_typed(path: Path) -> str:
    """A path as it is typed in a command: in quotation marks where it has blanks."""
    return shlex.quote(str(path))


def remove_partial(folder: Path) -> None:
    """Remove what killed processes left of `replacing` in a folder that nobody writes to now."""
    for beside in folder.glob(".*-????????"):
        shutil.rmtree(beside)


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole."""
    with replacing(path) as partial:
        partial.write_text(text)


def drop_partial_line(path: Path) -> None:
    """Cut a file after its last line break: a killed process may have left half a line."""
    text = path.read_bytes() if path.exists() else b""
    whole = text.rfind(b"\n") + 1
    if whole != len(text):
        with path.open("r+b") as file:
            file.truncate(whole)


def digest(text: str) -> str:
    """Name a text by its content: the first 24 hexadecimal digits (96 bits) of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:NUM_DIGITS]


def hash_file(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
