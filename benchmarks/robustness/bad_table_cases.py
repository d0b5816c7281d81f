"""Inputs of `bad_inputs.py` with an odd table, label, folder or template."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.robustness.bad_cases import BadInput, Command, write_class_folders, write_good
from benchmarks.robustness.bad_images import whole_files
from benchmarks.robustness.bad_tables import (
    NAMES,
    Content,
    enormous_tables,
    right_tables,
    wrong_labels,
    wrong_tables,
    wrong_templates,
    wrong_truths,
)


def table_inputs() -> Iterator[BadInput]:
    """Every input, kind by kind."""
    yield from _tables()
    yield from _folders()
    yield from _predictions()


def _tables() -> Iterator[BadInput]:
    for kind, contents in (("right tables", right_tables()), ("wrong tables", wrong_tables())):
        for number, (name, (data, wanted)) in enumerate(contents.items()):

            def write(folder: Path, name: str = name, data: bytes = data) -> list[str]:
                write_good(folder / "images", NAMES)
                (folder / name).write_bytes(data)
                return ["--data", name, "--images", "images"]

            command: Command = "sort" if number % 2 else "search"
            yield BadInput(kind, name, command, wanted, write, (name, "images", "label", "g0"))
    for name, make in enormous_tables().items():

        def write_enormous(
            folder: Path, name: str = name, make: Callable[[], bytes] = make
        ) -> list[str]:
            write_good(folder / "images", NAMES)
            (folder / name).write_bytes(make())
            return ["--data", name, "--images", "images"]

        where = (name, "images")
        yield BadInput("enormous tables", name, "search", "refused", write_enormous, where)
    for number, (name, (text, options)) in enumerate(wrong_labels().items()):

        def write_labels(folder: Path, text: str = text, more: list[str] = options) -> list[str]:
            write_good(folder / "images", NAMES)
            (folder / "table.csv").write_text(text)
            return ["--data", "table.csv", "--images", "images", *more]

        # cxr-sort needs no two images of a class
        command = "sort" if number % 2 and "positive image" not in name else "search"
        named = ("label", "--", "patient", "class")
        yield BadInput("wrong labels", name, command, "refused", write_labels, named)


def _folders() -> Iterator[BadInput]:
    kinds: dict[str, dict[str, tuple[str, ...]]] = {
        "empty": {},
        "images without classes": {"": NAMES},
        "one class": {"output_1": NAMES},
        "three classes": {"a": NAMES[:4], "b": NAMES[4:8], "c": NAMES[8:]},
        "an empty class": {"output_0": (), "output_1": NAMES},
        "train and test without classes": {"train": NAMES[:6], "test": NAMES[6:]},
        "split without --split": {
            "train/no": NAMES[:3], "train/yes": NAMES[3:6],
            "val/no": NAMES[6:9], "val/yes": NAMES[9:],
        },
    }  # fmt: skip
    for number, (name, classes) in enumerate(kinds.items()):

        def write(folder: Path, classes: dict[str, tuple[str, ...]] = classes) -> list[str]:
            (folder / "data").mkdir()
            write_class_folders(folder, classes)
            return ["--data", "data"]

        # cxr-sort merges a split by itself
        command: Command = "sort" if number % 2 and "split" not in name else "search"
        yield BadInput("wrong folders", name, command, "refused", write, ("data", "class"))


def _predictions() -> Iterator[BadInput]:
    kind = "wrong templates and labels"
    new = tuple(f"n{number:02d}.png" for number in range(4))
    for option, contents in (("--template", wrong_templates()), ("--labels", wrong_truths())):
        for name, (data, wanted) in contents.items():

            def write(
                folder: Path, name: str = name, data: bytes = data, option: str = option
            ) -> list[str]:
                write_good(folder / "images", new, first=12)
                (folder / name).write_bytes(data)
                return ["--images", "images", option, name]

            named = (name, "template", "label", "n0", "n9", "g0")
            yield BadInput(kind, f"{option} {name}", "predict", wanted, write, named)
    whole = whole_files()
    for name in ("eight.png", "sixteen.tif", "rle.dcm", "plain.jpg"):
        half = whole[name][: len(whole[name]) // 2]
        contents = {"whole": Content(whole[name], "read"), "half": Content(half, "refused")}
        for what, (data, wanted) in contents.items():

            def new_image(folder: Path, name: str = name, data: bytes = data) -> list[str]:
                write_good(folder / "images", new, first=12)
                (folder / "images" / name).write_bytes(data)
                return ["--images", "images"]

            yield BadInput("new images", f"{what} {name}", "predict", wanted, new_image, (name,))

    def empty(folder: Path) -> list[str]:
        (folder / "images").mkdir()
        return ["--images", "images"]

    yield BadInput("new images", "an empty folder", "predict", "refused", empty, ("images",))
    yield BadInput(
        "new images", "no such folder", "predict", "refused",
        lambda folder: ["--images", "nowhere"], ("nowhere",),
    )  # fmt: skip
