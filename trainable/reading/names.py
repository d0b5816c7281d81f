"""Match the names in a table with image files, as a person would match them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

from trainable.images.endings import stem

_ABSOLUTE = re.compile(r"^(?:/|~|[A-Za-z]:[\\/]|\\\\|[a-z][a-z0-9+.-]+://)", re.IGNORECASE)
_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+)://([^?#]*)", re.IGNORECASE)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


_Rule = tuple[Callable[[str], str], Callable[[str], str]]
_RULES: tuple[_Rule, ...] = (
    (_plain, _plain),
    (_plain, lambda name: stem(_plain(name))),
    (_folded, _folded),
    (_folded, lambda name: stem(_folded(name))),
)
"""How a folder and a file name are compared, the strictest rule first."""


class ImageNames:
    r"""The files that names are matched with.

    A name is a path in the folder, or the end of a path: folders before it may be left out. The
    ending of the file may be left out too, the letters may be of another case, and accents may be
    written in either way of Unicode. `/`, `\` and a leading `./` are all the same. Of an absolute
    path of another machine, and of an address (`s3://`, `https://`), the end must be the path of a
    file in the folder.
    """

    def __init__(self, root: Path, files: Iterable[tuple[str, str]]) -> None:
        """List the files.

        Args:
            root: The folder.
            files: Name inside the folder, with `/`, and what the name stands for.
        """
        self._root = root.parts[1:]
        self._exact: dict[str, str] = {}
        self._ends: list[dict[str, list[tuple[tuple[str, ...], str]]]] = [
            defaultdict(list) for _ in _RULES
        ]
        for name, target in files:
            self._exact[name] = target
            *folders, last = name.split("/")
            for ends, (_, of_file) in zip(self._ends, _RULES, strict=True):
                ends[of_file(last)].append((tuple(folders), target))

    def find(self, name: str) -> list[str]:
        """What the name stands for: nothing, one thing, or several that it cannot tell apart."""
        found = self._find(name)
        address = _ADDRESS.match(name.strip())
        # an address may write a blank as %20, and end in ?a=question
        return found if found or not address else self._find(unquote(address[0]))

    def _find(self, name: str) -> list[str]:
        text = name.strip().replace("\\", "/")
        *folders, last = [part for part in text.split("/") if part not in ("", ".", "..")] or [""]
        exact = self._exact.get("/".join([*folders, last]))
        if exact is not None:
            return [exact]
        if path := file_named_in_full(name):
            return [path]
        loosest, (_, of_last) = self._ends[-1], _RULES[-1]
        if of_last(last) not in loosest:  # nor by a stricter rule
            return []
        for ends, (of_folder, of_file) in zip(self._ends, _RULES, strict=True):
            wanted = [of_folder(folder) for folder in folders]
            here, elsewhere = [], []
            for inside, target in ends.get(of_file(last), ()):
                own = [of_folder(folder) for folder in inside]
                whole = [of_folder(folder) for folder in self._root] + own
                if own == wanted:
                    here.append(target)
                elif _ends_with(whole, wanted) or (
                    _ABSOLUTE.match(name.strip()) and _ends_with(wanted, own)
                ):
                    elsewhere.append(target)
            if here or elsewhere:
                return here or elsewhere
        return []


def file_named_in_full(name: str) -> str:
    """The path of the file that an absolute path names on this machine; "" if it names none."""
    text = name.strip().replace("\\", "/")
    if (address := _ADDRESS.match(text)) and address[1].lower() == "file":
        text = unquote(address[2])
    return str(Path(text)) if _ABSOLUTE.match(text) and Path(text).is_file() else ""


def _ends_with(whole: Sequence[str], end: Sequence[str]) -> bool:
    return len(end) <= len(whole) and list(whole[len(whole) - len(end) :]) == list(end)
