"""Names of encoders: a network, and where it says so the weights that it starts from.

`resnet50` starts from the weights that `--weights` names. `resnet50@FILE`, `resnet50@FOLDER`,
`resnet50@imagenet` and `resnet50@none` start from their own, so one search can compare several.
"""

import re
from pathlib import Path

IMAGENET = "imagenet"
NONE = "none"
CHEXNET = "chexnet:"
TIMM = "timm/"
"""Start of the names of timm's networks."""


def network_of(encoder: str) -> str:
    """The network of an encoder.

    >>> network_of("resnet50@none"), network_of("resnet50")
    ('resnet50', 'resnet50')
    """
    return encoder.partition("@")[0]


def own_start(encoder: str) -> str | None:
    """The weights that an encoder names itself; None if it starts from those of the search."""
    _, at, start = encoder.partition("@")
    return start if at else None


def full_name(encoder: str) -> str:
    """The same encoder with an absolute path, so that its name holds in every folder.

    >>> full_name("resnet50@none"), full_name("resnet50@/weights/../resnet50.pth")
    ('resnet50@none', 'resnet50@/resnet50.pth')
    """
    start = own_start(encoder)
    if start in (None, "", IMAGENET, NONE):
        return encoder
    kind, path = (CHEXNET, start[len(CHEXNET) :]) if start.startswith(CHEXNET) else ("", start)
    return f"{network_of(encoder)}@{kind}{Path(path).expanduser().resolve()}"


def short_name(encoder: str) -> str:
    """An encoder as a line of a report shows it: the file of its weights without the folders.

    >>> short_name("resnet50@/weights/resnet50-cxr.pth")
    'resnet50@resnet50-cxr.pth'
    """
    start = own_start(encoder)
    return network_of(encoder) if start is None else f"{network_of(encoder)}@{start_name(start)}"


def start_name(start: str) -> str:
    """Where weights come from, as a table shows it: a file without the folders.

    >>> start_name("imagenet"), start_name("/weights/resnet50-cxr.pth")
    ('imagenet', 'resnet50-cxr.pth')
    """
    return Path(start).name


def file_name(encoder: str) -> str:
    """A part for names of files: the network, without characters that a path gives a meaning.

    >>> file_name("a/b@/weights/b.pth")
    'a_b'
    """
    return re.sub(r"[^\w.-]", "_", network_of(encoder))
