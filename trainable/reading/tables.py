"""Read a table as people keep it: the one reader of all tables of all commands."""

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import pandas as pd

from trainable.errors import InputError, listing

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_COMPRESSED: tuple[tuple[bytes, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
# a thousand times more than a table of names and labels has; a damaged file can ask for any memory
_MOST_MIB, _MOST_ROWS = 256, 1_500_000
_HEAD, _FEW = 1_000_000, 5  # characters and records that the separator is looked for in
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)?")
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# no text holds these; tab, line feed, form feed and carriage return are text
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


_DAMAGES = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
"""What the readers raise of files that are missing, damaged or no table."""


class Table(NamedTuple):
    """A table as text.

    Attributes:
        rows: One row per line that is not blank; every cell is text without blanks around it.
        notes: Remarks on how the file was understood, one sentence each.
    """

    rows: pd.DataFrame
    notes: list[str]


def read_table(path: Path, called: str) -> Table:
    """Read comma-, semicolon-, tab- or bar-separated values, or an Excel file.

    The text may be UTF-8, UTF-16 or Windows Latin-1, and compressed (gz, bz2, xz or zip). The
    header says which separator it is. Blank rows are left out.

    Args:
        path: The file.
        called: What the user calls the file, such as `--template`, for the messages.

    Raises:
        InputError: If the file is no table, has no header or no row, names a column twice, or
            has rows with another number of cells; the rows are named by their number.
    """
    try:
        cells, notes = _read_cells(path)
        rows = _checked(cells)
    except _DAMAGES as error:
        reason = getattr(error, "strerror", None) or str(error).strip().rstrip(".")
        raise InputError(
            f"{called} must be a table of comma-separated values, or an Excel file; "
            f"{path}: {reason}"
        ) from error
    return Table(rows, [f"{path.name}: {note}" for note in notes])


def _read_cells(path: Path) -> tuple[list[list[str]], list[str]]:
    """The cells of each line that is not blank, and remarks."""
    with path.open("rb") as file:
        data = _at_most(file)
    for magic, opened in _COMPRESSED:
        if data.startswith(magic):
            data = _at_most(opened(io.BytesIO(data)))
    if data.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_size(sum(inner.file_size for inner in archive.infolist()))
            names = archive.namelist()
            if "[Content_Types].xml" in names or "content.xml" in names:
                return _read_excel(data)
            inner = [n for n in names if not n.endswith("/") and not n.startswith("__MACOSX")]
            if len(inner) != 1:
                raise ValueError(
                    f"a zip of one table is read; this one holds {listing(inner, 3)}: unpack it"
                )
            with archive.open(inner[0]) as packed:
                data = _at_most(packed)
    if data.startswith(_OLD_EXCEL):
        raise ValueError("an old Excel file (.xls) is not read; save it as .xlsx or CSV")
    text, notes = _decoded(data)
    text = text.removeprefix("\ufeff")
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to name the separator
    text = text[told.end() :] if told else text
    with _long_fields(len(text) + 1):
        separator = told[1] if told else _separator(text)
        lines = (line[0] for line in _LINE.finditer(text))
        rows = csv.reader(lines, delimiter=separator, strict=True)
        try:
            cells = [
                [cell.strip() for cell in row] for row in itertools.islice(rows, _MOST_ROWS + 1)
            ]
        except csv.Error as error:
            raise ValueError(f"a quotation mark is out of place, or missing ({error})") from error
    if separator != ",":
        notes.append(f"values are separated by {_SEPARATORS.get(separator, repr(separator))}")
    if len(cells) > _MOST_ROWS:
        raise ValueError(f"a table of at most {_MOST_ROWS:,} rows is read; this one has more")
    return cells, notes


@contextlib.contextmanager
def _long_fields(most: int) -> Iterator[None]:
    """Let a cell hold a long report; the limit is of the whole process, so it is put back."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, most))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _at_most(file: IO[bytes]) -> bytes:
    """The content of a file, unless it is larger than any table."""
    data = file.read(_MOST_MIB * 2**20 + 1)
    _require_size(len(data))
    return data


def _require_size(num_bytes: int) -> None:
    if num_bytes > _MOST_MIB * 2**20:
        raise ValueError(f"a table of at most {_MOST_MIB} MiB is read; this one is larger")


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """The text, and a note where it is not UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _text(data, "utf-16"), []
    head = data[:2000]
    if head[1::2].count(0) > len(head) // 4:
        return _text(data, "utf-16-le"), []
    if head[::2].count(0) > len(head) // 4:
        return _text(data, "utf-16-be"), []
    try:
        return _text(data, "utf-8"), []
    except UnicodeDecodeError:
        try:
            text = _text(data, "cp1252")
        except UnicodeDecodeError:
            text = _text(data, "latin-1")
        return text, ["not UTF-8, so read as Windows Latin-1"]


def _text(data: bytes, encoding: str) -> str:
    text = data.decode(encoding)
    if _BINARY.search(text):
        raise ValueError("the file holds no text")
    return text


def _separator(text: str) -> str:
    """The separator that fits the first records best; a comma if none fits."""
    head = text[:_HEAD]
    return max(_SEPARATORS, key=lambda mark: _fit(head, mark))


def _fit(head: str, mark: str) -> tuple[bool, int]:
    """Whether a separator cuts the first records into several cells, equally many; and how many.

    A record is more than a line where a report in quotation marks has line breaks.
    """
    lines = csv.reader((line[0] for line in _LINE.finditer(head)), delimiter=mark)
    records = (row for row in lines if any(map(str.strip, row)))
    widths = [len(row) for row in itertools.islice(records, _FEW)] or [1]
    return max(widths) == min(widths) > 1, min(widths)


def _read_excel(data: bytes) -> tuple[list[list[str]], list[str]]:
    try:
        sheets = pd.read_excel(io.BytesIO(data), sheet_name=None, header=None, dtype=object)
    except ImportError as error:
        raise ValueError(
            "an Excel file needs openpyxl: install the extra `excel` (uv sync --extra excel), or "
            "save the table as CSV"
        ) from error
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise ValueError(f"the Excel file is damaged ({error})") from error
    filled = {name: sheet for name, sheet in sheets.items() if sheet.notna().any(axis=None)}
    notes = []
    if len(filled) > 1:
        first, *others = filled
        notes.append(f"the sheet {first} is read; left alone: {listing(others)}")
    sheet = next(iter(filled.values()), pd.DataFrame())
    wide = sheet.loc[:, : sheet.columns[sheet.notna().any()].max()] if len(sheet) else sheet
    cells = [[_cell(value) for value in row] for row in wide.itertuples(index=False, name=None)]
    return cells, notes


def _cell(value: object) -> str:
    if value is None or value is pd.NaT or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _checked(cells: Sequence[Sequence[str]]) -> pd.DataFrame:
    """One row per line that is not blank, once all have as many cells as the header."""
    header, *rows = [row for row in cells if any(row)] or [[]]
    if not header:
        raise ValueError("the file is empty")
    if sum(map(bool, header)) == 1 and 2 * sum(sum(map(bool, row)) > 1 for row in rows) > len(rows):
        title = next(filter(None, header))
        raise ValueError(
            f"the first row must hold the names of the columns; it holds {title!r} alone. Remove "
            "the rows above the names"
        )
    width = len(header)
    while width and not header[width - 1] and not any("".join(row[width - 1 :]) for row in rows):
        width -= 1  # a separator at the end of every line
    # cells beyond the last column may be blank; a cell that is missing may not
    odd = [
        f"{number} ({len(row)})"
        for number, row in enumerate(cells, start=1)
        if any(row) and (len(row) < width or any(row[width:]))
    ]
    if odd:
        raise ValueError(
            f"every row must have as many cells as the header, {width}; other rows, with their "
            f"number of cells: {listing(odd)}"
        )
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header[:width])]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"every column must have a name of its own; named again: {listing(twice)}")
    if not rows:
        raise ValueError(f"there is a header ({listing(names)}) and no row")
    return pd.DataFrame([row[:width] for row in rows], columns=names, dtype=str)
