"""Where the images of a table may be, and which of its names are files there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainable.errors import Checks, listing, num_of
from trainable.reading.image_files import READ, FolderListing, list_folder
from trainable.reading.names import ImageNames, file_named_in_full

NAME_FOLDER = "Name their folder with --images"
LEAVE_OUT = "or leave them out with --unusable drop"


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

    def others(self) -> ImageNames:
        """The files in the folder that are of a kind that is not read."""
        return _names_of(self.files.others, self.folder)

    @property
    def paths(self) -> list[str]:
        """The file of each name; "" for those that fit none, or several."""
        return [paths[0] if len(paths) == 1 else "" for paths in self.found]


class Places:
    """Folders that images may be in, or below; each is listed once, when that is first needed."""

    def __init__(
        self,
        folders: Sequence[Path],
        advice: str = NAME_FOLDER,
        named: Mapping[str, Path] | None = None,
    ) -> None:
        """Name the folders.

        Args:
            folders: Folders, of which some may not exist.
            advice: What to do about names of no file.
            named: Files by the names that the user gave, in place of folders.
        """
        self._named = named
        self.folders = tuple(folders)
        self.advice = advice
        self._listed: dict[Path, tuple[FolderListing, ImageNames]] = {}

    @property
    def there(self) -> list[Path]:
        """The folders that exist."""
        return [folder for folder in self.folders if folder.is_dir()]

    def hold_any(self, names: Iterable[str]) -> bool:
        """Whether any of these names is a file."""
        distinct = [*dict.fromkeys(filter(None, names))]
        if any(map(file_named_in_full, distinct)):
            return True
        matchers = (self._files_of(folder)[1] for folder in self.there)
        return any(matcher.find(name) for matcher in matchers for name in distinct)

    def match(self, names: Sequence[str]) -> Matched | None:
        """The files of names, all in one of the folders; None if no folder is there."""
        if self._named is not None:
            paths = [self._named.get(name, Path(name)) for name in names]
            found = [[str(path)] if path.is_file() else [] for path in paths]
            return Matched(Path(), FolderListing([], [], []), found)
        in_full = [file_named_in_full(name) for name in names]
        if self.there and all(in_full):
            # no folder is listed: the one beside the table may be a whole disk
            return Matched(self.there[0], FolderListing([], [], []), [[path] for path in in_full])
        best: tuple[int, Matched] | None = None
        for folder in self.there:
            files, matcher = self._files_of(folder)
            found = [matcher.find(name) for name in names]
            unclear = sum(len(paths) != 1 for paths in found)
            if best is None or unclear < best[0]:
                best = unclear, Matched(folder, files, found)
            if not unclear:
                break
        return best and best[1]

    def _files_of(self, folder: Path) -> tuple[FolderListing, ImageNames]:
        if folder not in self._listed:
            files = list_folder(folder)
            self._listed[folder] = files, _names_of(files.images, folder)
        return self._listed[folder]


def _names_of(files: Iterable[Path], folder: Path) -> ImageNames:
    """Files of a folder, by their names in it."""
    return ImageNames(folder, ((path.relative_to(folder).as_posix(), str(path)) for path in files))


def locate(names: Iterable[str], places: Places, checks: Checks) -> list[str]:
    """Paths of the named images, all in one of the places; "" for those not found.

    Names that fit no file, or several, or a file of a kind that is not read, are each one problem.
    """
    wanted = list(names)
    matched = places.match(wanted)
    if matched is None:
        checks.add(
            f"the folder of the images is not found: {listing(places.folders)}; check --images"
        )
        return [""] * len(wanted)
    folder, listed = matched.folder, matched.files
    checks.leave_out(*listed.notes(folder))
    pairs = list(zip(wanted, matched.found, strict=True))
    _add_unclear(pairs, folder, checks)
    missing = [name for name, paths in pairs if not paths]
    if missing:
        others = matched.others()
        there = {name for name in missing if others.find(name)}
        if there:
            checks.add(
                f"an image must be of a kind that is read ({READ}); "
                f"{num_of(len(there), 'is', 'are')} there, but of "
                f"another kind: {listing(sorted(there))}. Convert them, for example to PNG, "
                f"{LEAVE_OUT}"
            )
        absent = [name for name in missing if name not in there]
        if absent:
            leave_out = f", {LEAVE_OUT}" if len(missing) < len(wanted) else ""
            where = f" in {listing(places.folders)}" if places.folders else ""
            checks.add(
                f"every listed image must be a file; {len(absent)} of {len(wanted)} "
                f"{'is' if len(absent) == 1 else 'are'} not found"
                f"{where}: {listing(dict.fromkeys(absent))}. "
                f"{_advice(absent, listed.images, places.advice)}{leave_out}"
            )
    return matched.paths


def _advice(absent: Sequence[str], images: Sequence[Path], usual: str) -> str:
    """What to do about names of no file: a spreadsheet drops the zeros before a number."""
    without = {path.stem.lstrip("0"): path.name for path in images if path.stem.isdigit()}
    example = next((name for name in absent if Path(name).stem in without), None)
    if example is None:
        return usual
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
