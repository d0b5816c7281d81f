"""Where the weights of a body come from, as `--weights` and the names of encoders say it."""

from dataclasses import dataclass
from pathlib import Path

CHEXNET = "chexnet"
"""Name of the published checkpoint, before a colon or an `@` and its file."""
TIMM = "timm/"
"""Start of the names of timm's networks."""
LOCAL = "local-dir:"
"""In a name of timm's, start of the name of a folder that holds a network with its weights."""


@dataclass(frozen=True)
class Published:
    """The weights that the network's own library publishes for it."""

    def __str__(self) -> str:
        return "imagenet"


@dataclass(frozen=True)
class Random:
    """Random weights, the same in every process."""

    def __str__(self) -> str:
        return "none"


@dataclass(frozen=True)
class Files:
    """A file of weights, or a folder of files that are named after networks.

    Which of both is seen when the weights are looked for: the machine that reads a name need not be
    one that has the file.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class CheXNet:
    """The public checkpoint of CheXNet."""

    file: Path

    def __str__(self) -> str:
        return f"{CHEXNET}:{self.file}"


@dataclass(frozen=True)
class SavedByTimm:
    """A folder in which timm has saved a network, with its weights beside the config.json."""

    folder: Path

    def __str__(self) -> str:
        return f"{LOCAL}{self.folder}"


Start = Published | Random | Files | CheXNet | SavedByTimm
"""Where weights come from. The text of a start is what `read_start` reads."""


def read_start(text: str) -> Start:
    """A start as it is written; paths become absolute, so that they hold in every folder.

    >>> read_start("imagenet"), str(read_start("/weights/../resnet50.pth"))
    (Published(), '/resnet50.pth')
    >>> str(read_start("chexnet:/a.pth")), str(read_start("local-dir:/a/../b"))
    ('chexnet:/a.pth', 'local-dir:/b')
    """
    for fixed in (Published(), Random()):
        if text == str(fixed):
            return fixed
    if text.startswith(LOCAL):
        return SavedByTimm(_absolute(text.removeprefix(LOCAL)))
    if text.startswith(f"{CHEXNET}:"):
        return CheXNet(_absolute(text.removeprefix(f"{CHEXNET}:")))
    return Files(_absolute(text))


def short_start(start: Start) -> str:
    """Where weights come from, as a table shows it: a file or a folder without those above.

    >>> short_start(Published()), short_start(CheXNet(Path("/weights/chexnet.pth")))
    ('imagenet', 'chexnet.pth')
    """
    return Path(str(start)).name


def without_folders(start: Start) -> Start:
    """The same weights without the folders above their file, which tell of a machine.

    >>> str(without_folders(read_start("/home/me/weights/resnet50.pth")))
    '/resnet50.pth'
    """
    match start:
        case Files(path):
            return Files(Path("/", path.name))
        case CheXNet(file):
            return CheXNet(Path("/", file.name))
    return start


def _absolute(path: str) -> Path:
    return Path(path).expanduser().resolve()
