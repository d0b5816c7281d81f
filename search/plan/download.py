"""Download labelled images from a cloud store (s3://, gs:// or any address that fsspec reads).

A download lies under `--cache`, in a folder named by the address and by the size, time and checksum
that the store reports for each file. So no file changes during a search, and nothing is downloaded
twice.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from trainable.errors import Checks, InputError
from trainable.files import DiskError, digest, replacing, writing
from trainable.images.endings import SUFFIXES
from trainable.reading.options import DataOptions
from trainable.store.budget import DOWNLOADS, MAKING, OPTION, Room, download_lock
from trainable.store.locks import hold, lock


def keep_download(cache: Path, name: str, num_bytes: int, fetch: Callable[[Path], object]) -> Path:
    """A download, fetched if it is absent; it stays until this process ends.

    Args:
        cache: Folder of the cache.
        name: Name of the download, 24 hexadecimal digits.
        num_bytes: Bytes to download; 0 if not known.
        fetch: Fetches the download into a folder that it makes.

    Raises:
        DiskError: If the disk has no room, or cannot be written.
    """
    place = cache / DOWNLOADS / name
    with Room(cache).locked(), writing(place, OPTION):
        place.parent.mkdir(exist_ok=True)
    while True:
        with writing(place, OPTION):
            used = lock(download_lock(place), create=True)
        if used is not None and place.exists():
            os.utime(used.fileno())
            hold(used)
            return place
        if used is not None:
            used.close()
        _make(place, num_bytes, fetch)


def _make(place: Path, num_bytes: int, fetch: Callable[[Path], object]) -> None:
    # a lock of its own: that of the download may be held by those who used an earlier one
    making = place.with_suffix(MAKING)
    with writing(place, OPTION):
        held = lock(making, exclusive=True, create=True)
    if held is None:
        return
    with held:
        if not place.exists():
            with writing(place, OPTION, num_bytes), replacing(place) as partial:
                fetch(partial)
        making.unlink(missing_ok=True)


_URI = re.compile(r"([a-z][a-z0-9+]+):/+(.+)", re.DOTALL)
_PROTOCOLS = (
    *("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hdfs", "sftp"),
    *("http", "https", "file", "memory"),
)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# facts that change with the content of a file, by the names that stores give them
_VERSION = ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime", "created", "updated")


def as_url(path: Path | None) -> str | None:
    """The address behind a path such as `s3:/bucket/x`, or None for a path on this machine.

    `pathlib` drops a slash of an address.

    >>> as_url(Path("s3://bucket/train.csv"))
    's3://bucket/train.csv'
    """
    found = _URI.fullmatch(path.as_posix()) if path else None
    return f"{found[1]}://{found[2]}" if found else None


def download_inputs(data: DataOptions, cache: Path) -> DataOptions:
    """The same data on this machine: `data` and `images` are downloaded where they are addresses.

    Args:
        data: Data as the user named it.
        cache: Folder that keeps downloads, in `remote/`.

    Raises:
        InputError: Naming each address that cannot be read, with the reason of its store.
    """
    checks = Checks()
    addresses = {name: as_url(getattr(data, name)) for name in ("data", "images")}
    folder = cache.expanduser().resolve()
    paths = {
        name: checks.attempt(functools.partial(_download, address, folder))
        for name, address in addresses.items()
        if address is not None
    }
    if addresses["data"] and paths["data"] and paths["data"].is_file() and not data.images:
        checks.add(f"--images must name the folder of the images that {data.data} lists")
    checks.raise_if_any()
    return data.model_copy(update=paths)


def _download(address: str, cache: Path) -> Path:
    """Copy a table, or all images in a folder and below; a folder appears when it is complete."""
    protocol = address.partition("://")[0]
    if protocol not in _PROTOCOLS or "::" in address:
        raise InputError(
            f"an address must begin with one of {', '.join(f'{one}://' for one in _PROTOCOLS)} "
            f"(got {address}): download it, and name the folder"
        )
    try:
        store, root = fsspec.core.url_to_fs(address)
        found = store.find(root, detail=True)
        if list(found) != [root]:
            found = {p: f for p, f in found.items() if PurePosixPath(p).suffix.lower() in SUFFIXES}
        if not found:
            raise FileNotFoundError("it holds no table and no image, or does not answer")
        names = [path.removeprefix(root).lstrip("/") for path in found]
        names = [name or PurePosixPath(root).name for name in names]
        _require_inside(names)
        num_bytes = sum(facts.get("size") or 0 for facts in found.values())
        folder = keep_download(
            cache,
            _name(address, found),
            num_bytes,
            lambda partial: store.get(list(found), [str(partial / name) for name in names]),
        )
    except DiskError:
        raise
    except Exception as error:  # stores raise errors of many kinds
        extra = _EXTRAS.get(protocol) if isinstance(error, ImportError) else None
        advice = f"; install what reads it: uv sync --extra {extra}" if extra else ""
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{address} cannot be read ({reason}){advice}") from error
    return folder / PurePosixPath(root).name if list(found) == [root] else folder


def _require_inside(names: Iterable[str]) -> None:
    """Refuse names of a store that could lead out of the folder that they are copied to.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in names:
        if not {"", ".", ".."}.isdisjoint(name.split("/")) or re.search(r"[\\\0]", name):
            raise ValueError(f"it holds a file whose name is no plain path: {name!r}")


def _name(address: str, found: dict[str, dict[str, Any]]) -> str:
    versions = [(path, *(facts.get(name) for name in _VERSION)) for path, facts in found.items()]
    return digest(repr((address, sorted(versions))))
