"""Match the names in a table with image files, as a person would match them."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from trainable.errors import Checks, listing
from trainable.reading.image_files import READ, FolderListing, list_folder, stem

_ABSOLUTE = re.compile(r"^(?:/|~|[A-Za-z]:[\\/]|\\\\)")


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
    path of another machine, the end must be the path of a file in the folder.
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
        text = name.strip().replace("\\", "/")
        *folders, last = [part for part in text.split("/") if part not in ("", ".", "..")] or [""]
        exact = self._exact.get("/".join([*folders, last]))
        if exact is not None:
            return [exact]
        if path := _file_named_in_full(name):
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


def _file_named_in_full(name: str) -> str:
    """The path of the file that an absolute path names on this machine; "" if it names none."""
    path = Path(name.strip().replace("\\", "/"))
    return str(path) if _ABSOLUTE.match(name.strip()) and path.is_file() else ""


def _ends_with(whole: Sequence[str], end: Sequence[str]) -> bool:
    return len(end) <= len(whole) and list(whole[len(whole) - len(end) :]) == list(end)


def names_in(folder: Path, files: FolderListing) -> ImageNames:
    """The images of a folder, by their names in it."""
    return ImageNames(
        folder, ((path.relative_to(folder).as_posix(), str(path)) for path in files.images)
    )


class Matched(NamedTuple):
    """The files that names fit.

    Attributes:
        folder: The folder that fits best.
        files: The files in it.
        found: For each name its files: none, one, or several that it cannot tell apart.
    """

    folder: Path
    files: FolderListing
    found: list[list[str]]

    @property
    def paths(self) -> list[str]:
        """The file of each name; "" for those that fit none, or several."""
        return [paths[0] if len(paths) == 1 else "" for paths in self.found]


def match(names: Sequence[str], folders: Sequence[Path]) -> Matched | None:
    """The files of names, all in one of `folders` or below; None if no folder is there."""
    there = [folder for folder in folders if folder.is_dir()]
    in_full = [_file_named_in_full(name) for name in names]
    if there and all(in_full):
        # no folder is listed: the one beside the table may be a whole disk
        return Matched(there[0], FolderListing([], [], []), [[path] for path in in_full])
    best: tuple[int, Matched] | None = None
    for folder in there:
        listed = list_folder(folder)
        matcher = names_in(folder, listed)
        found = [matcher.find(name) for name in names]
        unclear = sum(len(paths) != 1 for paths in found)
        if best is None or unclear < best[0]:
            best = unclear, Matched(folder, listed, found)
        if not unclear:
            break
    return best and best[1]


def locate(names: Iterable[str], folders: Sequence[Path], checks: Checks) -> list[str]:
    """Paths of the named images, all in one of `folders` or below; "" for those not found.

    Names that fit no file, or several, or a file of a kind that is not read, are each one problem.
    """
    wanted = list(names)
    matched = match(wanted, folders)
    if matched is None:
        checks.add(f"the folder of the images is not found: {listing(folders)}; check --images")
        return [""] * len(wanted)
    folder, listed = matched.folder, matched.files
    checks.note(*listed.notes(folder))
    pairs = list(zip(wanted, matched.found, strict=True))
    _add_unclear(pairs, folder, checks)
    missing = [name for name, paths in pairs if not paths]
    if missing:
        others = ImageNames(
            folder, ((p.relative_to(folder).as_posix(), str(p)) for p in listed.others)
        )
        there = [name for name in missing if others.find(name)]
        if there:
            checks.add(
                f"an image must be of a kind that is read ({READ}); {len(there)} are there, but of "
                f"another kind: {listing(there)}. Convert them, for example to PNG"
            )
        absent = [name for name in missing if name not in set(there)]
        if absent:
            checks.add(
                f"every listed image must be a file; {len(absent)} of {len(wanted)} are not found "
                f"in {listing(folders)}: {listing(absent)}. {_advice(absent, listed.images)}"
            )
    return matched.paths


def _advice(absent: Sequence[str], images: Sequence[Path]) -> str:
    """What to do about names of no file: a spreadsheet drops the zeros before a number."""
    without = {path.stem.lstrip("0"): path.name for path in images if path.stem.isdigit()}
    example = next((name for name in absent if Path(name).stem in without), None)
    if example is None:
        return "Name their folder with --images"
    return (
        f"{without[Path(example).stem]} is there: a spreadsheet drops the zeros before a number, "
        "so format the column as text and write them again"
    )


def _add_unclear(pairs: Sequence[tuple[str, list[str]]], folder: Path, checks: Checks) -> None:
    several = [
        f"{name} ({listing([Path(path).relative_to(folder).as_posix() for path in paths], 3)})"
        for name, paths in pairs
        if len(paths) > 1
    ]
    if several:
        checks.add(
            f"a name must fit one file; these fit several: {listing(several)}. Write the name "
            "with its folder and ending, or remove the other file"
        )
