"""Inputs of `bad_inputs.py` with an odd image: a command, files, what must come of them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.robustness.bad_images import (
    HEIGHT,
    WIDTH,
    encoded,
    foreign_files,
    large_png,
    mutated,
    picture,
    place_oddly,
    png_bomb,
    truncated,
    turned,
    whole_files,
)
from benchmarks.robustness.bad_tables import LABELS, NAMES, Wanted, table

Command = Literal["search", "sort", "predict"]

_UNREADABLE = "unreadable"
_PLACES = (
    "folder", "pipe", "dangling link", "link to itself", "link to a device", "socket", _UNREADABLE,
)  # fmt: skip


@dataclass(frozen=True)
class BadInput:
    """One input.

    Attributes:
        kind: What it is an example of.
        name: What is odd in it.
        command: The command that is given it.
        wanted: Whether it must be read, must be refused, or either.
        write: Writes its files into a folder, and returns the arguments.
        named: One of these texts is in a refusal.
        shows: What the image `odd` must look like where it is read, uint8 (height, width); None if
            only the damaged file knows.
        as_nobody: Without root's right to read everything.
    """

    kind: str
    name: str
    command: Command
    wanted: Wanted
    write: Callable[[Path], list[str]]
    named: tuple[str, ...]
    shows: NDArray[np.uint8] | None = None
    as_nobody: bool = False


def image_inputs(seed: int) -> Iterator[BadInput]:
    """Inputs with an odd image, kind by kind."""
    rng = np.random.default_rng(seed)
    for name, data in whole_files().items():
        yield _image("whole files of every format", name, data, "read", picture())
        for number, part in enumerate(truncated(data)):
            yield _image("truncated files", f"{number}-{name}", part, "either", picture())
        for number, part in enumerate(mutated(data, rng)):
            # PNG has checksums: damage that can be seen must not be read as something else
            shows = picture() if name.endswith(".png") else None
            yield _image("mutated files", f"{number}-{name}", part, "either", shows)
    yield from _exif()
    for name, data in foreign_files().items():
        kind = "decompression bombs" if "bomb" in name else "files that are no picture"
        yield _image(kind, name, data, "refused", None)
    yield _image("decompression bombs", "bomb.png", png_bomb, "refused", None)
    yield from _enormous_and_tiny()
    for command in ("search", "predict"):
        yield from _odd_places(command)
    yield from _odd_names()


def _image(
    kind: str,
    name: str,
    data: bytes | Callable[[], bytes],
    wanted: Wanted,
    shows: NDArray[np.uint8] | None,
) -> BadInput:
    def write(folder: Path) -> list[str]:
        found = data() if callable(data) else data
        return write_cohort(folder, name, lambda path: path.write_bytes(found))

    return BadInput(kind, name, "search", wanted, write, (name,), shows)


def write_cohort(
    folder: Path, odd: str = "", place: Callable[[Path], object] = Path.touch
) -> list[str]:
    """Twelve good images, and one that is not, in a table."""
    images = folder / "images"
    write_good(images, NAMES)
    names = list(NAMES)
    if odd:
        place(images / odd)
        names.append(odd)
    text = table([*LABELS, 1][: len(names)], [f'"{name}"' for name in names])
    (folder / "table.csv").write_bytes(os.fsencode(text))
    return ["--data", "table.csv", "--images", "images"]


_GOOD = tuple(encoded(Image.fromarray(picture(100 + n)), format="PNG") for n in range(16))


def write_good(folder: Path, names: tuple[str, ...], first: int = 0) -> None:
    """Write good images, from the one of number `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, start=first):
        (folder / name).write_bytes(_GOOD[number])


def _exif() -> Iterator[BadInput]:
    turns: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.T, 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a),
    }  # fmt: skip
    for number, turn in turns.items():
        upright = np.ascontiguousarray(turn(picture()))
        yield _image("odd EXIF", f"turn-{number}.jpg", turned(number), "read", upright)
    whole = turned(6)
    at = whole.index(b"Exif\x00\x00") + 6
    odd = {
        "turn-0.jpg": turned(0),
        "turn-9.jpg": turned(9),
        "turn-65535.jpg": turned(65535),
        "turn-text.jpg": whole.replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x02"),
        "comment.jpg": turned(1, extra=b"x" * 60_000),
        "no-header.jpg": whole[:at] + bytes(8) + whole[at + 8 :],
        "far-table.jpg": whole[:at] + whole[at : at + 4] + b"\xff" * 4 + whole[at + 8 :],
        "many-entries.jpg": whole[: at + 8] + b"\xff\xff" + whole[at + 10 :],
    }
    for name, data in odd.items():
        shows = None if name == "many-entries.jpg" else picture()
        yield _image("odd EXIF", name, data, "read", shows)


def _enormous_and_tiny() -> Iterator[BadInput]:
    kind = "enormous and tiny images"
    grey = picture()
    yield _image(kind, "20-megapixels-of-16-bits.png", large_png, "read", None)
    sizes = {"wide.png": (2000, 1), "tall.png": (1, 2000), "three-by-two.png": (3, 2)}
    for name, size in sizes.items():
        image = Image.fromarray(grey).resize(size)
        yield _image(kind, name, encoded(image, format="PNG"), "read", None)
    for name, value in {"one-pixel.png": 90, "black.png": 0, "white.png": 255}.items():
        size = (1, 1) if name == "one-pixel.png" else (WIDTH, HEIGHT)
        image = Image.new("L", size, value)
        yield _image(kind, name, encoded(image, format="PNG"), "read", None)


def _odd_places(command: Command) -> Iterator[BadInput]:
    for what in _PLACES:
        for where in ("image", "table"):

            def write(folder: Path, what: str = what, where: str = where) -> list[str]:
                if where == "image":
                    arguments = write_cohort(
                        folder, "odd.png", lambda path: place_oddly(path, what)
                    )
                    if command == "search":
                        return arguments
                    (folder / "list.csv").write_text("image\nodd.png\n")
                    return ["--images", "list.csv"]
                write_good(folder / "images", NAMES[:4], first=12)
                place_oddly(folder / "odd.csv", what)
                if command == "search":
                    return ["--data", "odd.csv", "--images", "images"]
                return ["--images", "images", "--template", "odd.csv"]

            name = f"{what} as {where}, {command}"
            named = ("odd.png", "odd.csv")
            yield BadInput(
                "files that are no files", name, command, "refused", write, named,
                as_nobody=what == _UNREADABLE,
            )  # fmt: skip


def _odd_names() -> Iterator[BadInput]:
    good = encoded(Image.fromarray(picture()), format="PNG")
    odd = {
        "blank": "a b.png", "umlaut": "gr\xfcn.png", "decomposed": "gru\u0308n.png",
        "chinese": "\u80f8\u90e8.png", "emoji": "\U0001fac1.png", "bracket": "[red]x.png",
        "closing bracket": "x[bold]y[1].png", "dash": "-odd.png", "comma": "a,b.png",
        "percent": "%s{0}.png",
        "long": "x" * 200 + ".png", "newline": "a\nb.png", "quote": "it's.png", "tab": "a\tb.png",
        "escape": "a\x1b[31m.png",
    }  # fmt: skip
    for what, name in odd.items():

        def write(folder: Path, name: str = name) -> list[str]:
            return write_cohort(folder, name, lambda path: path.write_bytes(good))

        yield BadInput("odd names", what, "search", "either", write, (name, repr(name)), picture())

        def in_folder(folder: Path, name: str = name) -> list[str]:
            write_class_folders(folder, {"output_0": NAMES[:6], "output_1": NAMES[6:]})
            (folder / "data" / "output_1" / name).write_bytes(good)
            return ["--data", "data"]

        named = (name, repr(name))
        yield BadInput("odd names", f"{what}, sorted", "sort", "either", in_folder, named)
    for command in ("search", "sort", "predict"):

        def no_text(folder: Path, command: str = command) -> list[str]:
            write_class_folders(folder, {"output_0": NAMES[:6], "output_1": NAMES[6:]})
            (folder / "data" / "output_1" / os.fsdecode(b"odd\xff\xfe.png")).write_bytes(good)
            return ["--images" if command == "predict" else "--data", "data"]

        name = f"bytes that are no text, {command}"
        yield BadInput("odd names", name, command, "refused", no_text, ("odd",))


def write_class_folders(folder: Path, classes: dict[str, tuple[str, ...]]) -> None:
    """Write good images into class folders in `data`."""
    first = 0
    for name, images in classes.items():
        write_good(folder / "data" / name, images, first)
        first += len(images)
