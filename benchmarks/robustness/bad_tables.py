"""Tables for `bad_inputs.py`: of images, of labels and templates, right and wrong ones."""

import bz2
import functools
import gzip
import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

Wanted = Literal["read", "refused", "either"]

NUM_IMAGES = 12
NAMES = tuple(f"g{number:02d}.png" for number in range(NUM_IMAGES))
LABELS = tuple(number % 2 for number in range(NUM_IMAGES))


class Content(NamedTuple):
    """A file, and what must become of it."""

    data: bytes
    wanted: Wanted


def table(
    labels: Sequence[object] = LABELS,
    names: Sequence[str] = NAMES,
    header: str = "filename,label",
    more: Iterable[str] = (),
) -> str:
    """A table of images and labels."""
    rows = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    return "\n".join([header, *rows, *more]) + "\n"


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def excel(frame: pd.DataFrame) -> bytes:
    """The table as an Excel file."""
    file = io.BytesIO()
    frame.to_excel(file, index=False)
    return file.getvalue()


def right_tables() -> dict[str, Content]:
    """Tables as people write them, by file name; each must be read."""
    plain = table()
    frame = pd.DataFrame({"filename": NAMES, "label": LABELS})
    files = {
        "bom.csv": b"\xef\xbb\xbf" + plain.encode(),
        "crlf.csv": plain.replace("\n", "\r\n").encode(),
        "cr.csv": plain.replace("\n", "\r").encode(),
        "utf16.csv": plain.encode("utf-16"),
        "semicolons.csv": plain.replace(",", ";").encode(),
        "sep.csv": b"sep=;\r\n" + plain.replace(",", ";").encode(),
        "tabs.tsv": plain.replace(",", "\t").encode(),
        "blank-rows.csv": plain.replace("\n", "\n\n,\n").encode(),
        "quoted.csv": "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in plain.splitlines()
        ).encode(),
        "gzip.csv.gz": gzip.compress(plain.encode()),
        "bzip.csv.bz2": bz2.compress(plain.encode()),
        "zip.zip": zipped({"t.csv": plain.encode()}),
        "excel.xlsx": excel(frame),
        "yes-no.csv": table(["Yes" if label else "No" for label in LABELS]).encode(),
        "image-twice.csv": table(more=["g03.png,1"]).encode(),
        "other-image-column.csv": table(header="a,label").encode(),
        "floats.csv": table([f"{label}.0" for label in LABELS]).encode(),
        "long-cell.csv": table(
            [f'{label},"{"x" * 200_000}"' for label in LABELS], header="filename,label,report"
        ).encode(),
        "wide.csv": table(
            [f"{label}{',0' * 5000}" for label in LABELS],
            header="filename,label" + "".join(f",c{number}" for number in range(5000)),
        ).encode(),
    }  # fmt: skip
    return {name: Content(data, "read") for name, data in files.items()}


@functools.cache
def wrong_tables() -> dict[str, Content]:
    """Tables that cannot be read, or not as they are, by file name; each must be refused."""
    plain = table()
    frame = pd.DataFrame({"filename": NAMES, "label": LABELS})
    book = excel(frame)
    rng = np.random.default_rng(0)
    files = {
        "empty.csv": b"",
        "blank.csv": b"\n \n\n",
        "header.csv": b"filename,label\n",
        "noise.csv": rng.bytes(5000),
        "picture.csv": b"\x89PNG\r\n\x1a\n" + rng.bytes(500),
        "nul.csv": plain.replace("g05", "g\x0005").encode(),
        "nul-end.csv": plain.encode() + bytes(300),
        "short-rows.csv": plain.replace("g03.png,1", "g03.png").encode(),
        "long-rows.csv": plain.replace("g03.png,1", "g03.png,1,2,3").encode(),
        "column-twice.csv": table(
            [f"{label},{label}" for label in LABELS], header="filename,label,label"
        ).encode(),
        "colons.csv": plain.replace(",", ":").encode(),
        "blanks.csv": plain.replace(",", " ").encode(),
        "long-name.csv": plain.replace("g03.png", "x" * 300_000).encode(),
        "open-quote.csv": plain.replace("g03", '"g03').encode(),
        "odd-quote.csv": plain.replace("g03.png,1", '"g03"x.png,1').encode(),
        "odd-sep.csv": b'sep="\n' + plain.encode(),
        "excel-cut.xlsx": book[: len(book) // 2],
        "excel-noise.xlsx": book[:200] + rng.bytes(400) + book[600:],
        "excel-hollow.xlsx": zipped({"[Content_Types].xml": b"<Types/>"}),
        "excel-empty.xlsx": excel(pd.DataFrame()),
        "excel-header.xlsx": excel(frame.iloc[:0]),
        "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "two.zip": zipped({"a.csv": plain.encode(), "b.csv": plain.encode()}),
        "none.zip": zipped({}),
        "cut.csv.gz": gzip.compress(plain.encode())[:-20],
        "noise.csv.gz": gzip.compress(plain.encode())[:20] + rng.bytes(60),
        "half.csv": plain.encode("utf-16")[:-1],
        "latin-names.csv": plain.replace("g03", "gr\xfcn").encode("latin-1"),
        "no-image-column.csv": table(names=[f"x{n}" for n in range(12)], header="a,label").encode(),
        "no-label-column.csv": table(header="filename,b").encode(),
        "no-header.csv": plain.partition("\n")[2].encode(),
        "other-names.csv": plain.replace("png", "gif").encode(),
        "blank-name.csv": plain.replace("g03.png", "").encode(),
        "image-in-two-classes.csv": table(more=["g03.png,0"]).encode(),
        "up-and-away.csv": plain.replace("g03", "../../../etc/g03").encode(),
        "a-folder-as-image.csv": plain.replace("g03.png", "/etc").encode(),
        "header-again.csv": table(more=["filename,label"]).encode(),
        "page.csv": b"<!DOCTYPE html><html><body>Sign in</body></html>\n",
        "data.json": json.dumps([{"filename": name} for name in NAMES]).encode(),
        "data.parquet": b"PAR1" + rng.bytes(300) + b"PAR1",
        "data.pkl": pickle.dumps(frame),
        "data.npy": np.lib.format.magic(1, 0) + rng.bytes(300),
        "pointer.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        "surrogates.csv": plain.replace("g03", "g\ufffd3").encode(),
    }
    return {name: Content(data, "refused") for name, data in files.items()}


def enormous_tables() -> dict[str, Callable[[], bytes]]:
    """Tables that take much memory or time, by file name; each must be refused."""
    return {
        "bomb.csv.gz": lambda: gzip.compress(bytes(3 * 2**28), 1),
        "bomb.zip": lambda: zipped({"t.csv": b"a,b\n" * 2**24}),
        "bomb.xlsx": lambda: zipped(
            {"[Content_Types].xml": b"<Types/>", "xl/sheet1.xml": b"<row/>" * 2**26}
        ),
        "a-million-rows.csv": _million_rows,
    }


def _million_rows() -> bytes:
    rows = (f"patient{number // 4}/image{number}.png,{number % 2}" for number in range(1_000_000))
    return ("filename,label\n" + "\n".join(rows) + "\n").encode()


def wrong_labels() -> dict[str, tuple[str, list[str]]]:
    """Labels that say no two classes: a table and the options, by a name."""
    ones, half = [1] * NUM_IMAGES, NUM_IMAGES // 2
    three = [("normal", "viral", "bacterial")[number % 3] for number in range(NUM_IMAGES)]
    chexpert = [("1", "0", "-1")[number % 3] for number in range(NUM_IMAGES)]
    patients = table(
        [f"{label},{name[:2]}" for label, name in zip(LABELS, NAMES, strict=True)],
        header="filename,label,patient",
    )
    return {
        "one value": (table(ones), []),
        "one value, named": (table(ones), ["--positive", "1"]),
        "three values": (table(three), []),
        "three values, one named": (table(three), ["--positive", "viral"]),
        "all missing": (table([""] * NUM_IMAGES), []),
        "all unknown": (table(["unclear", "?"] * half), []),
        "half missing": (table([1, ""] * half), []),
        "all missing, dropped": (table(["nan"] * NUM_IMAGES), ["--missing", "drop"]),
        "uncertain": (table(chexpert), []),
        "only uncertain": (table([-1] * NUM_IMAGES), []),
        "mixed kinds": (table(["1", "0", "yes", "dead"] * 3), []),
        "fractions": (table([f"0.{number}" for number in range(NUM_IMAGES)]), []),
        "unknown class": (table(), ["--positive", "dead"]),
        "one class as both": (table(), ["--positive", "1", "--negative", "1"]),
        "rest without a positive": (table(), ["--negative", "rest"]),
        "one positive image": (table([1] + [0] * (NUM_IMAGES - 1)), []),
        "patients of both classes": (patients, []),
        "no such column": (table(), ["--label-column", "died"]),
        "labels are names": (table(NAMES), []),
        "pattern that finds nothing": (table(), ["--patient-pattern", r"person\d+"]),
        "pattern that is none": (table(), ["--patient-pattern", "(["]),
        "view columns of one view": (table(), ["--view-column", "label"]),
        "views without examinations": (table(), ["--views", "2"]),
    }


def wrong_templates() -> dict[str, Content]:
    """Templates for `cxr-predict`, by file name; the new images are n00.png to n03.png."""
    names = [f"n{number:02d}.png" for number in range(4)]
    right = "Name,Output\n" + "".join(f"{name},0\n" for name in names)
    wrong = {
        **{name: wrong_tables()[name].data for name in (
            "empty.csv", "blank.csv", "noise.csv", "nul.csv", "excel-cut.xlsx", "old.xls",
            "open-quote.csv", "page.csv", "half.csv",
        )},
        "header.csv": b"Name,Output\n",
        "one-column.csv": "\n".join(["Name", *names]).encode(),
        "no-images.csv": b"Name,Output\nx1.png,0\nx2.png,0\n",
        "an-image-more.csv": (right + "n99.png,0\n").encode(),
        "image-twice.csv": (right + "n01.png,0\n").encode(),
        "short-rows.csv": (right + "n03.png\n").encode(),
        "column-twice.csv": right.replace("Output", "Name").encode(),
    }  # fmt: skip
    right_ones = {
        "plain.csv": right.encode(),
        "three-columns.csv": right.replace(",", ",x,").encode(),
        "stems.csv": right.replace(".png", "").encode(),
        "semicolons.csv": right.replace(",", ";").encode(),
        "utf16.csv": right.encode("utf-16"),
    }
    return {name: Content(data, "refused") for name, data in wrong.items()} | {
        name: Content(data, "read") for name, data in right_ones.items()
    }


def wrong_truths() -> dict[str, Content]:
    """True labels for `cxr-predict --labels`, by file name, of the same new images."""
    names = [f"n{number:02d}.png" for number in range(4)]

    def of(labels: Sequence[object]) -> bytes:
        return table(labels, names).encode()

    wrong = {
        **{name: wrong_tables()[name].data for name in ("empty.csv", "noise.csv", "header.csv")},
        "other-images.csv": table().encode(),
        "some-images.csv": table([0, 1], names[:2]).encode(),
        "other-classes.csv": of(["dead", "alive", "dead", "alive"]),
        "three-classes.csv": of([0, 1, 2, 1]),
        "missing.csv": of([0, 1, "", 1]),
        "two-labels.csv": of([0, 1, 0, 1]) + b"n01.png,0\n",
        "uncertain.csv": of([0, 1, -1, 1]),
        "no-label-column.csv": of([0, 1, 0, 1]).replace(b"label", b"x"),
    }
    right = {"plain.csv": of([0, 1, 0, 1]), "one-class.csv": of([1, 1, 1, 1])}
    return {name: Content(data, "refused") for name, data in wrong.items()} | {
        name: Content(data, "read") for name, data in right.items()
    }
