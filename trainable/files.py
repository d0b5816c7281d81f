"""Files and folders that appear as a whole, and names made from content."""

import contextlib
import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_DIGITS = 24


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
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def hash_file(path: Path) -> str:
    """SHA-256 of the content of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
