"""`cxr-cache`: list, verify or clear the folder of decoded images and features."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import BaseModel, ByteSize, Field

from trainable.commands.cli import new_app
from trainable.commands.sizes import Size
from trainable.defaults import CACHE
from trainable.errors import InputError
from trainable.store.budget import Room
from trainable.store.overview import describe, describe_removed, verify

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
