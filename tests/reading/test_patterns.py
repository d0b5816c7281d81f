"""Patterns find patients and labels in names, and none keeps a command waiting."""

from pathlib import Path

import pandas as pd
import pytest

from trainable.cohort.exams import ONE_IMAGE_EACH
from trainable.errors import Checks, InputError
from trainable.reading import patterns
from trainable.reading.listing import Wanted, known_patients
from trainable.reading.patterns import find_in_names


def test_the_last_part_of_a_name_comes_first_and_then_a_folder() -> None:
    names = ["p1/p2_a.png", "p1/x.png", "x\\p3.png", "p\udcff4.png", "x.png"]
    assert find_in_names(r"p\d", names, "-") == ["p2", "p1", "p3", "", ""]
    assert find_in_names(r"(?>p)(\d)", names, "-") == ["2", "1", "3", "", ""]
    assert find_in_names(r"p(.)4", names, "-")[3] == "\udcff"


def test_no_regular_expression_is_refused() -> None:
    with pytest.raises(InputError, match=r"--label-pattern must be a regular expression; '\(a'"):
        find_in_names("(a", ["a.png"], "--label-pattern")


def test_a_pattern_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_SECONDS", 0.5)
    # some ten seconds without the limit
    name = "a" * 27 + ".png"
    with pytest.raises(InputError, match=r"--patient-pattern must find something .* takes longer"):
        find_in_names("(a+)+b", [name], "--patient-pattern")
    wanted, checks = Wanted(ONE_IMAGE_EACH, {"patient_pattern": "(a+)+b"}), Checks()
    assert known_patients([name], [f"/{name}"], [Path("/")], wanted, checks) == []
    (problem,) = checks.problems
    assert "of the search" in problem


def test_a_pattern_of_a_search_is_also_looked_for_in_folders() -> None:
    wanted = Wanted(ONE_IMAGE_EACH, {"patient_pattern": r"p\d"})
    paths = ["/new/p1/a.png", "/new/p2/b.png", "/new/c.png"]
    (found,) = known_patients(["a.png", "p3.png", "c.png"], paths, [Path("/new")], wanted, Checks())
    pd.testing.assert_series_equal(found, pd.Series(["p1", "p3", ""], dtype=object))
