"""Names of encoders: a network, and where it says so the weights that it starts from.

`resnet50` starts from the weights that `--weights` names. `resnet50@FILE`, `resnet50@FOLDER`,
`resnet50@imagenet` and `resnet50@none` start from their own, so one search can compare several.
"""

import re
from pathlib import Path

IMAGENET = "imagenet"
NONE = "none"
CHEXNET = "chexnet:"
CHEXNET_NETWORK = "densenet121"
TIMM = "timm/"
"""Start of the names of timm's networks."""
LOCAL = "local-dir:"
"""In a name of timm's, start of the name of a folder that holds a network with its weights."""
XRV = "xrv/"
"""Start of the names of torchxrayvision's networks."""


def network_of(encoder: str) -> str:
    """The network of an encoder.

    >>> network_of("resnet50@none"), network_of("resnet50"), network_of("chexnet@a.pth")
    ('resnet50', 'resnet50', 'densenet121')
    """
    return _parts(encoder)[0]


def own_start(encoder: str) -> str | None:
    """The weights that an encoder names itself; None if it starts from those of the search.

    >>> own_start("resnet50"), own_start("chexnet@a.pth"), own_start("timm/local-dir:folder")
    (None, 'chexnet:a.pth', 'local-dir:folder')
    """
    return _parts(encoder)[1]


def _parts(encoder: str) -> tuple[str, str | None]:
    if encoder.startswith(TIMM + LOCAL):
        return encoder, encoder.removeprefix(TIMM)
    network, at, start = encoder.partition("@")
    if at and f"{network}:" == CHEXNET:
        return CHEXNET_NETWORK, f"{CHEXNET}{start}"
    return network, start if at else None


def full_name(encoder: str) -> str:
    """The same encoder with an absolute path, so that its name holds in every folder.

    >>> full_name("resnet50@none"), full_name("resnet50@/weights/../resnet50.pth")
    ('resnet50@none', 'resnet50@/resnet50.pth')
    >>> full_name("timm/local-dir:/a/../b"), full_name("chexnet@/a.pth")
    ('timm/local-dir:/b', 'densenet121@chexnet:/a.pth')
    """
    network, start = _parts(encoder)
    if start in (None, "", IMAGENET, NONE):
        return encoder
    kind = next((one for one in (CHEXNET, LOCAL) if start.startswith(one)), "")
    path = Path(start.removeprefix(kind)).expanduser().resolve()
    return f"{TIMM}{LOCAL}{path}" if kind == LOCAL else f"{network}@{kind}{path}"


def short_name(encoder: str) -> str:
    """An encoder as a line of a report shows it: the file of its weights without the folders.

    >>> short_name("resnet50@/weights/resnet50-cxr.pth"), short_name("timm/local-dir:/a/b")
    ('resnet50@resnet50-cxr.pth', 'timm/local-dir:b')
    """
    start = own_start(encoder)
    if start is None or start.startswith(LOCAL):
        return short_network(encoder)
    return f"{network_of(encoder)}@{start_name(start)}"


def short_network(encoder: str) -> str:
    """The network of an encoder; one in a folder without the folders above.

    >>> short_network("resnet50@none"), short_network("timm/local-dir:/a/b")
    ('resnet50', 'timm/local-dir:b')
    """
    network = network_of(encoder)
    is_local = network.startswith(TIMM + LOCAL)
    return f"{TIMM}{LOCAL}{Path(network).name}" if is_local else network


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
    return re.sub(r"[^\w.-]", "_", short_network(encoder))
