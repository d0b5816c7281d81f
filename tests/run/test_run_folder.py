"""The run folder loses nothing and admits one search at a time."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import CONFIG, cohort
from fixtures.run_folders import begun_run
from fixtures.stores import numbered

from search.options.options import SearchOptions
from search.run.run_folder import RunFolder, new_run
from search.run.trial_log import COLUMNS
from search.space.files import kept_space, make_space
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.files import DiskError
from trainable.store.arrays import ArrayStore


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return begun_run(tmp_path / "run", trials=7)


def reopened(run: RunFolder) -> RunFolder:
    """The same folder, as a later process sees it: the lock of the first one is gone."""
    run.release()
    return RunFolder(run.path)


def test_what_was_asked_comes_back(run: RunFolder) -> None:
    settings, found = reopened(run).open()
    assert kept_space(run.space_yaml) == make_space()
    assert settings == SearchOptions.of(data=Path("x.csv"), trials=7)
    pd.testing.assert_frame_equal(found.manifest, cohort().manifest)
    assert found.classes == ("alive", "dead")
    assert found.digest == cohort().digest


def test_a_search_of_before_the_race_goes_on_without_one(run: RunFolder) -> None:
    settings = run.path / "settings.json"
    text = settings.read_text()
    assert run.read_options().run.race == "auto"
    settings.write_text(text.replace('    "race": "auto",\n', ""))
    assert settings.read_text() != text
    assert run.read_options().run.race == "no"


def test_rows_keep_numbers_and_errors_of_several_lines(run: RunFolder) -> None:
    run.log.add(0, "complete", CONFIG, {"f1": 0.25, "tp": 3, "unknown": 1})
    run.log.add(1, "failed", CONFIG, {}, 'RuntimeError: first\nsecond, "quoted"')
    trials = run.log.table()
    assert tuple(trials.columns) == COLUMNS
    assert trials["f1"].tolist()[0] == 0.25
    assert trials["error"].tolist()[1] == 'RuntimeError: first | second, "quoted"'
    assert trials["backbone"].tolist() == ["squeezenet1_0"] * 2


def test_layers_of_a_head_come_back_from_a_cell(run: RunFolder) -> None:
    written = [TrialConfig(head_layers=layers) for layers in ((), (512,), (256, 64))]
    for number, config in enumerate(written):
        run.log.add(number, "complete", config.model_dump(), {})
    cells = run.log.table()[list(TrialConfig.model_fields)].to_dict("records")
    assert [TrialConfig.model_validate(row) for row in cells] == written


def test_layers_of_a_head_come_back_where_all_have_one(run: RunFolder) -> None:
    run.log.add(0, "complete", CONFIG, {})
    assert run.log.table()["head_layers"].tolist() == ["512"]


def test_a_table_of_other_columns_is_left_alone(run: RunFolder) -> None:
    text = run.log.csv.read_text().replace("head_layers", "head_width")
    run.log.csv.write_text(text)
    with pytest.raises(InputError, match="another version of cxr wrote"):
        reopened(run).open()
    assert run.log.csv.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 6', '"format": 5', "another version of cxr wrote"),
        ('"trials": 7', '"trials": 0', "settings.json: trials must be at least 1"),
        ('"trials": 7', '"trials": ', "settings.json must be JSON as cxr wrote it"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(
    run: RunFolder, old: str, new: str, message: str
) -> None:
    settings = run.path / "settings.json"
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message):
        reopened(run).open()


def test_a_row_cut_off_by_a_kill_is_dropped_and_the_others_stay(run: RunFolder) -> None:
    run.log.add(0, "complete", CONFIG, {"f1": 0.25})
    with run.log.csv.open("a") as ledger:
        ledger.write("1,complete,0.3")
    again = reopened(run)
    again.open()
    again.log.add(1, "complete", CONFIG, {"f1": 0.5})
    assert again.log.table()["f1"].tolist() == [0.25, 0.5]


def test_what_a_kill_left_half_written_is_removed_when_resuming(run: RunFolder) -> None:
    for place in (".", "scores"):
        (run.path / place / ".winner.json-x1y2z3a4").mkdir()
    again = reopened(run)
    again.open()
    assert not list(run.path.rglob("*x1y2z3a4"))


def test_scores_come_back_bit_by_bit(run: RunFolder) -> None:
    scores = np.array([[0.1], [np.nan], [1.0]], np.float32)
    run.log.add(12, "complete", CONFIG, {}, scores=scores)
    np.testing.assert_array_equal(run.log.scores(12), scores)


def test_a_second_search_in_the_folder_is_refused(run: RunFolder) -> None:
    code = f"""
from pathlib import Path
from search.run.run_folder import RunFolder
RunFolder(Path({str(run.path)!r})).open()
"""
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "another search is running" in other.stderr


def test_a_disk_without_locks_is_named_with_the_option_that_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(DiskError, match=f"{tmp_path}/run has no file locks.* with --out"):
        RunFolder(tmp_path / "run").claim()
    with pytest.raises(DiskError, match=f"{tmp_path}/cache has no file locks.* with --cache"):
        ArrayStore(tmp_path / "cache").get_or_compute(
            numbered("pixels-a", 1), (), np.uint8, lambda _: LABEL
        )


LABEL = np.zeros(1, np.uint8)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the folder of a search"):
        RunFolder(tmp_path).open()


def holding(folder: Path) -> dict[str, str]:
    """The names in a folder and below, with the text of each file."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else ""
        for path in folder.rglob("*")
    }


def test_the_folder_of_a_search_that_runs_or_ran_is_refused_untouched(run: RunFolder) -> None:
    before = holding(run.path)
    with pytest.raises(InputError, match="go on with it by --resume"):
        RunFolder(run.path).claim()
    (run.path / "settings.json").unlink()
    with pytest.raises(InputError, match="another search is running"):
        RunFolder(run.path).claim()
    assert holding(run.path).items() < before.items()
    assert len(holding(run.path)) == len(before) - 1


@pytest.mark.parametrize("file", ["notes.txt", "cohort.csv"])
def test_a_folder_of_the_user_is_refused_untouched(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("mine")
    with pytest.raises(InputError, match="is not empty: name another folder"):
        RunFolder(tmp_path).claim()
    assert holding(tmp_path) == {file: "mine"}


def test_what_a_kill_left_before_the_settings_is_begun_anew(run: RunFolder) -> None:
    (run.path / "settings.json").unlink()
    (run.path / ".demo-x1y2z3a4" / "demo").mkdir(parents=True)
    run.release()
    again = RunFolder(run.path)
    again.claim()
    assert holding(run.path) == {".lock": ""}
    again.discard()
    assert run.path.exists(), "made by the first process"


def test_a_run_that_cannot_start_leaves_no_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "demo")
    run.claim()
    (run.path / "space.yaml").write_text("a: 1\n")
    run.discard()
    assert holding(tmp_path) == {}


def test_a_new_run_never_takes_the_place_of_another(tmp_path: Path) -> None:
    runs = [new_run("demo", tmp_path) for _ in range(3)]
    assert [run.path.name for run in runs] == ["demo", "demo-2", "demo-3"]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("cohort.csv", None, "cohort.csv is missing: put the file back"),
        ("cohort.json", None, "cohort.json is missing"),
        ("cohort.csv", -20, r"cohort.* (is damaged|is not as the search wrote it): "),
        ("cohort.json", -20, "is damaged: "),
    ],
)
def test_a_cohort_that_is_missing_or_cut_is_one_sentence(
    run: RunFolder, file: str, change: int | None, message: str
) -> None:
    path = run.path / file
    text = path.read_text()
    path.unlink()
    if change is not None:
        path.write_text(text[:change])
    with pytest.raises(InputError, match=message):
        reopened(run).open()
