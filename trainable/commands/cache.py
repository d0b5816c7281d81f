"""`cxr-cache`: list, verify or clear the folder of decoded images and features."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ByteSize, Field

from trainable.commands.cli import new_app
from trainable.commands.sizes import Size
from trainable.defaults import CACHE
from trainable.errors import InputError, num_of
from trainable.files import as_typed, size_text
from trainable.store.array_file import is_whole
from trainable.store.budget import DOWNLOADS, KINDS, UNFINISHED, Entry, Room
from trainable.store.locks import is_at, lock


def describe(room: Room) -> Iterator[str]:
    """The number, size and last use of the files of each kind, a line each."""
    entries = room.entries()
    yield f"{room.folder}: {_count(entries)}"
    for kind in (*KINDS, DOWNLOADS, UNFINISHED):
        of_kind = [entry for entry in entries if entry.kind == kind]
        if of_kind:
            last = datetime.fromtimestamp(max(entry.last_used for entry in of_kind))
            yield f"  {kind:12} {_count(of_kind)}, last used {last:%Y-%m-%d %H:%M}"
    if room.folder.is_dir() and room.folder.stat().st_mode & 0o077:
        yield (
            "note: other users of this machine can read the folder, which holds images of "
            f"patients; close it with: chmod 700 {as_typed(room.folder)}"
        )


def verify(room: Room) -> Iterator[str]:
    """Check every array, and remove those that are damaged; a line for each of these.

    A removed array is computed again when a search needs it.
    """
    for entry in room.entries():
        file = lock(entry.path) if entry.path.suffix == ".npy" else None
        if file is None:
            continue
        with file:
            if not is_whole(file):
                with room.locked():
                    if is_at(file, entry.path):
                        entry.path.unlink()
                yield f"damaged, and removed: {entry.path}"


def describe_removed(removed: list[Entry], room: Room) -> Iterator[str]:
    """What was removed, and what is left."""
    yield f"removed: {_count(removed)}"
    left = room.entries()
    if left:
        yield f"left: {_count(left)}"


def _count(entries: list[Entry]) -> str:
    size = size_text(sum(entry.num_bytes for entry in entries))
    return f"{num_of(len(entries), 'file or folder', 'files or folders')}, {size}"


_DAMAGED = 1

app = new_app("cxr-cache")


class CacheOptions(BaseModel, frozen=True):
    """What to do with which folder."""

    cache: Annotated[Path, Parameter(metavar="FOLDER")] = CACHE
    """Folder of decoded images and features."""
    keep: Size = Field(ByteSize(0), ge=0)
    """Size that clear leaves; the latest files stay."""


_DEFAULTS = CacheOptions()


@app.default
def cache(
    action: Literal["list", "verify", "clear"] = "list",
    /,
    *,
    options: Annotated[CacheOptions, Parameter(name="*")] = _DEFAULTS,
) -> int:
    """List, verify or clear the folder of decoded images and features.

    Files that a running command uses stay. So do files that cxr did not make.

    Args:
        action: Action: list, verify or clear the folder.
        options: Folder, and what to leave.
    """
    if options.keep and action != "clear":
        raise InputError(f"--keep needs the action clear (got {action})")
    room = Room(options.cache.expanduser().resolve())
    if not room.folder.exists():
        print(f"nothing is in {room.folder}")
        return 0
    if not room.folder.is_dir():
        raise InputError(f"--cache must be a folder (got {room.folder}, a file)")
    if action == "clear":
        removed = room.clear(options.keep)
        print("\n".join(describe_removed(removed, room)))
        return 0
    damaged = list(verify(room)) if action == "verify" else []
    print("\n".join([*damaged, *describe(room)]))
    return _DAMAGED if damaged else 0
