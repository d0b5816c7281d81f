"""Downloads in the cache: made once, and safe from removal while a process uses them."""

import os
from collections.abc import Callable
from pathlib import Path

from trainable.files import replacing, writing
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
