"""One reader for all tables, in the encodings and shapes that programs write."""

import csv
import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from trainable.errors import InputError
from trainable.reading.tables import read_table

ROWS = [["Größe, Name", "died"], ["a b.png", "0"], ["ü.png", "1"]]


def text(separator: str, end: str = "\n") -> str:
    quoted = [[f'"{c}"' if separator in c else c for c in row] for row in ROWS]
    return end.join(separator.join(row) for row in quoted) + end


def cells(path: Path) -> list[list[str]]:
    rows = read_table(path, "--data").rows
    return [[str(name) for name in rows.columns], *rows.to_numpy().tolist()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_separator_and_end_of_line(
    tmp_path: Path, encoding: str, separator: str, end: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text(separator, end).encode(encoding))
    assert cells(path) == ROWS


@pytest.mark.parametrize(
    "written",
    [
        "sep=;\n" + text(";"),
        "\n\n" + text(",").replace("\n", "\n\n") + " , \n,,\n",
        text(",").replace("\n", ",\n"),
        text(";").replace("Größe", "  Größe"),
    ],
    ids=["sep", "blank rows", "a separator at the end", "blanks"],
)
def test_what_excel_adds_is_left_out(tmp_path: Path, written: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(written)
    assert cells(path) == ROWS


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_line_breaks_and_other_marks_in_a_report_do_not_hide_the_separator(
    tmp_path: Path, separator: str
) -> None:
    report = '"Two views.\nNo effusion.\nHeart, lungs; bones | normal."'
    rows = [["file", "report", "died"], ["a.png", report, "0"], ["b.png", report, "1"]]
    (tmp_path / "t.csv").write_text("\r\n".join(map(separator.join, rows)), newline="")
    found = cells(tmp_path / "t.csv")
    assert [(row[0], row[2]) for row in found] == [("file", "died"), ("a.png", "0"), ("b.png", "1")]
    assert found[1][1] == report.strip('"')


def test_reading_a_table_leaves_the_limit_of_cells_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "t.csv").write_text("file,report\na.png," + "x" * (before + 1) + "\n")
    assert len(cells(tmp_path / "t.csv")[1][1]) > before
    (tmp_path / "short.csv").write_text("file,died\na.png,0\n")
    cells(tmp_path / "short.csv")
    assert csv.field_size_limit() == before


def test_commas_in_the_header_and_in_free_text_are_no_separators(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "file;report, dated, signed;died\na;one, two, three, four;0\nb;one, two, three;1\n"
    )
    assert cells(tmp_path / "t.csv")[1] == ["a", "one, two, three, four", "0"]


def test_compressed_tables(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text(",").encode()))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", text(";"))
    assert cells(tmp_path / "t.csv.gz") == cells(tmp_path / "t.zip") == ROWS


def test_excel_files(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    frame = pd.DataFrame({"image": ["a.png", None, "b.png"], "died": [0.0, None, 1.0]})
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="labels", index=False)
        frame.to_excel(book, sheet_name="other", index=False)
    table = read_table(path, "--data")
    assert table.rows.to_numpy().tolist() == [["a.png", "0"], ["b.png", "1"]]
    assert "labels" in table.notes[0]
    assert "other" in table.notes[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n , \n", "empty"),
        (b"image,died\n", "no row"),
        (b"image,died\na.png,0\nb.png\nc.png,1,x\n", "3 (1), 4 (3)"),
        (b"Our cohort\n\nimage,died\na.png,0\nb.png,1\n", "'Our cohort' alone"),
        (b"Our cohort,,\nimage,died,age\na.png,0,\nb.png,1,5\n", "Remove the rows above"),
        (b"image,died,died\na.png,0,1\n", "named again: died"),
        (b'image,died\n"a.png,0\nb.png,1\n', "quotation mark"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "no text"),
        (b"PK\x03\x04" + bytes(range(256)), "zip"),
        (b"\xd0\xcf\x11\xe0" + bytes(99), ".xls"),
        (b"\x1f\x8b\x08\x00", "t.csv"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_table(path, "--template")
    (problem,) = refusal.value.problems
    assert problem.startswith("--template must be a table")
    assert str(path) in problem
    assert reason in problem
